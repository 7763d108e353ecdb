"""Single-label classification of a store.

Validation images are those of the store, else 20 % of the training images of each class, by content
hash. With few labels, training and validation images form cross-validation folds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from seedbed.base.errors import BadDataError, UsageError
from seedbed.base.randomness import Draw
from seedbed.data.recipes import Recipe
from seedbed.data.sampling import lowest_ranked
from seedbed.data.source import TEST, TRAIN, VAL
from seedbed.data.splits import hold_out
from seedbed.data.store import Store
from seedbed.data.view import make_view
from seedbed.metrics.accuracy import TOP1
from seedbed.tasks.catalogue import TaskSpec, check_primary_metric
from seedbed.tasks.classification import ClassificationTask
from seedbed.tasks.folds import small_task_folds

_NO_ROWS = np.zeros(0, np.int64)


@dataclass(frozen=True)
class Classification(TaskSpec):
    """Single-label classification.

    `train_per_class`: labelled images of each class, drawn anew with each seed. `recipe`: selects
    classes and images, with the seed. `metric`: the primary one.
    """

    train_per_class: int | None = None
    recipe: str = ""
    metric: str = TOP1.name

    def __post_init__(self) -> None:
        check_primary_metric(self.metric, "classification")
        if self.train_per_class is not None and self.train_per_class < 2:
            raise ValueError(
                f"train_per_class = {self.train_per_class}: give at least 2, one for training and "
                "one for validation"
            )
        if Recipe(self.recipe).changes_labels:
            raise ValueError(
                f"recipe = {self.recipe!r} changes labels, and a target is measured by its own "
                "labels"
            )

    @property
    def is_drawn(self) -> bool:
        return self.train_per_class is not None or Recipe(self.recipe).draws

    def load(
        self, store: Store, seed: int, *, needs_training_images: bool = True
    ) -> ClassificationTask:
        store.require_single_label()
        rows = _class_rows(store, self.recipe, seed)
        if store.only_held_out and not needs_training_images:
            rows = rows.scored_alone()
        train, validation, fold = self._known_parts(rows, seed, needs_training_images)
        classes: dict[str, Any] = {}
        if self.recipe:
            classes = {"chosen": rows.classes, "class_of_leaf": rows.class_of_leaf}
        return ClassificationTask(
            store=store,
            train=train,
            validation=validation,
            test=rows.test,
            primary=self.metric,
            fold=fold,
            **classes,
        )

    def _known_parts(
        self, rows: _ClassRows, seed: int, are_needed: bool
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Training rows, validation rows, and the folds where validation was split off."""
        train, validation = rows.train, rows.validation
        if self.train_per_class is not None:
            # No other labels are known, so validation images are split off these.
            train, validation = self._draw_images(rows, seed), _NO_ROWS
        if are_needed:
            rows.check_training_images(train)
        if len(validation):
            return train, validation, None
        groups = rows.store.groups
        is_held_out = hold_out(rows.labels(train), groups[train], len(rows.classes), "validation")
        train, validation = train[~is_held_out], train[is_held_out]
        if are_needed and not len(validation):
            raise BadDataError(
                f"{rows.store.name} has too few images to split validation off: one training image "
                "in every class, the others being test images",
                "Add images: at least three in some classes where the test split is taken from "
                "them, and five or more to learn anything.",
            )
        if not len(train):
            return train, validation, None
        known = np.concatenate([train, validation])
        return (
            train,
            validation,
            small_task_folds(rows.labels(known), groups[known], len(rows.classes)),
        )

    def _draw_images(self, rows: _ClassRows, seed: int) -> np.ndarray:
        """`train_per_class` images of each class among the training and validation images."""
        pool = np.union1d(rows.train, rows.validation)
        labels = rows.labels(pool)
        sizes = np.bincount(labels, minlength=len(rows.classes))
        if sizes.min() < (self.train_per_class or 0):
            raise UsageError(
                f"train_per_class={self.train_per_class}: class "
                f"{rows.classes[int(sizes.argmin())]!r} of {rows.store.name} has "
                f"{sizes.min()} training images",
                f"Give at most {sizes.min()}." if sizes.min() > 1 else "Leave train_per_class out.",
            )
        ranks = Draw(seed=seed, purpose="target").ranks(rows.store.hashes[pool])
        return pool[lowest_ranked(labels, ranks, np.full(len(sizes), self.train_per_class))]


@dataclass(frozen=True, kw_only=True)
class _ClassRows:
    """The rows of each split, and the classes that they are of."""

    store: Store
    classes: tuple[str, ...]
    class_of_leaf: np.ndarray
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    def labels(self, rows: np.ndarray) -> np.ndarray:
        return self.class_of_leaf[self.store.leaves[rows]]

    def scored_alone(self) -> _ClassRows:
        """All held-out images of a store that has no others as test rows, none to train on."""
        rows = self.store.held_out_rows
        test = rows[self.labels(rows) >= 0]
        return replace(self, train=_NO_ROWS, validation=_NO_ROWS, test=test)

    def check_training_images(self, train: np.ndarray) -> None:
        """Raise BadDataError where a class has no image to train on, or where the only image of a
        class cannot be both trained and tested on."""
        if (name := self._class_without(train)) is not None:
            raise BadDataError(
                f"class {name!r} of {self.store.name} has no training image",
                "Every class of a target needs images to learn from: add some, or remove the class "
                "from the test images.",
            )
        if self.store.only_held_out and (name := self._class_without(self.test)) is not None:
            raise BadDataError(
                f"{self.store.name} has no training images, and class {name!r} has one image only",
                "Add a train/ folder, or score the network as it is, without training: as_is().",
            )

    def _class_without(self, rows: np.ndarray) -> str | None:
        """The first class that has none of these rows."""
        sizes = np.bincount(self.labels(rows), minlength=len(self.classes))
        return self.classes[int(sizes.argmin())] if (sizes == 0).any() else None


def _class_rows(store: Store, recipe: str, seed: int) -> _ClassRows:
    if not recipe:
        train, validation, test = (
            np.flatnonzero(store.splits == split) for split in (TRAIN, VAL, TEST)
        )
        return _ClassRows(
            store=store,
            classes=store.classes,
            class_of_leaf=np.arange(len(store.classes), dtype=np.int32),
            train=train,
            validation=validation,
            test=test,
        )
    view = make_view(store, recipe, seed)
    return _ClassRows(
        store=store,
        classes=view.classes,
        class_of_leaf=view.class_of_leaf,
        train=view.rows,
        validation=view.held_out("val")[0],
        test=view.held_out("test")[0],
    )
