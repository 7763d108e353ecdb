"""Classification of a store: validation is found, or 20 % of the training images by content hash
within each class; few are in folds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from seedbed.base.errors import BadDataError, UsageError
from seedbed.base.randomness import Draw
from seedbed.data.recipes import LabelRecipe, Recipe
from seedbed.data.recipes.images import lowest_ranked
from seedbed.data.source import TEST, TRAIN, VAL
from seedbed.data.splits import held_out
from seedbed.data.store import Store
from seedbed.data.view import make_view
from seedbed.tasks.catalogue import TaskSpec
from seedbed.tasks.classification import ClassificationTask
from seedbed.tasks.folds import few_folds


@dataclass(frozen=True)
class Classification(TaskSpec):
    """Single-label classification.

    `train_per_class` labelled images of each class, drawn anew with each seed; `recipe`: of the
    classes and images that it leaves, applied with the seed; `metric`: the primary one.
    """

    train_per_class: int | None = None
    recipe: str = ""
    metric: Literal["top1", "mean_class_accuracy"] = "top1"

    def __post_init__(self) -> None:
        if self.train_per_class is not None and self.train_per_class < 2:
            raise ValueError(
                f"train_per_class = {self.train_per_class}: give at least 2, one to learn from and one to validate"
            )
        for name, step in Recipe(self.recipe).steps:
            if isinstance(step, LabelRecipe):
                raise ValueError(
                    f"recipe = {self.recipe!r}: {name} changes labels, and a target is measured by its own"
                )

    @property
    def is_drawn(self) -> bool:
        return self.train_per_class is not None or bool(self.recipe)

    def load(self, store: Store, seed: int) -> ClassificationTask:
        store.must_have_one_label()
        known = _known(store, self.recipe, seed)
        pool, validation = known.train, known.validation
        if self.train_per_class is not None:
            # Those images are all the labels that there are: validation is split off them.
            pool, validation = self._few(known, seed), validation[:0]
        known.check(pool)
        is_found = len(validation) > 0
        if not is_found:
            aside = held_out(
                known.labels(pool), store.groups[pool], len(known.classes), "validation"
            )
            pool, validation = pool[~aside], pool[aside]
        if not len(validation):
            raise BadDataError(
                f"{store.name} has too few images to split validation off: one training image in every class, the others being test images",
                "Add images: at least three in some classes where the test split is taken from them, and five or more to learn anything.",
            )
        own = {"chosen": known.classes, "class_of_leaf": known.class_of_leaf} if self.recipe else {}
        fold = None if is_found else _folds(known, np.concatenate([pool, validation]))
        return ClassificationTask(
            store=store,
            train=pool,
            validation=validation,
            test=known.test,
            primary=self.metric,
            fold=fold,
            **own,
        )

    def _few(self, known: _Known, seed: int) -> np.ndarray:
        pool = np.union1d(known.train, known.validation)
        labels = known.labels(pool)
        sizes = np.bincount(labels, minlength=len(known.classes))
        if sizes.min() < (self.train_per_class or 0):
            raise UsageError(
                f"train_per_class={self.train_per_class}: class {known.classes[int(sizes.argmin())]!r} of {known.store.name} has "
                f"{sizes.min()} training images",
                f"Give at most {sizes.min()}.",
            )
        ranks = Draw(seed=seed, purpose="target").ranks(known.store.hashes[pool])
        return pool[lowest_ranked(labels, ranks, np.full(len(sizes), self.train_per_class))]


@dataclass(frozen=True, kw_only=True)
class _Known:
    """The rows of each split, and what their classes are."""

    store: Store
    classes: tuple[str, ...]
    class_of_leaf: np.ndarray
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    def labels(self, rows: np.ndarray) -> np.ndarray:
        return self.class_of_leaf[self.store.leaves[rows]]

    def check(self, pool: np.ndarray) -> None:
        sizes = np.bincount(self.labels(pool), minlength=len(self.classes))
        if (sizes == 0).any():
            raise BadDataError(
                f"class {self.classes[int(sizes.argmin())]!r} of {self.store.name} has no training image",
                "Every class of a target needs images to learn from: add some, or remove the class from the test images.",
            )


def _folds(known: _Known, rows: np.ndarray) -> np.ndarray | None:
    return few_folds(known.labels(rows), known.store.groups[rows], len(known.classes))


def _known(store: Store, recipe: str, seed: int) -> _Known:
    if not recipe:
        train, validation, test = (
            np.flatnonzero(store.splits == split) for split in (TRAIN, VAL, TEST)
        )
        classes, class_of_leaf = store.classes, np.arange(len(store.classes), dtype=np.int32)
        return _Known(
            store=store,
            classes=classes,
            class_of_leaf=class_of_leaf,
            train=train,
            validation=validation,
            test=test,
        )
    view = make_view(store, recipe, seed)
    validation, test = view.held_out("val")[0], view.held_out("test")[0]
    return _Known(
        store=store,
        classes=view.classes,
        class_of_leaf=view.class_of_leaf,
        train=view.rows,
        validation=validation,
        test=test,
    )
