"""Classification of a store: validation is found, or 20 % of the training images by content hash within each class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seedbed.base.errors import BadDataError, UsageError
from seedbed.base.randomness import Draw
from seedbed.data.recipes.images import lowest_ranked
from seedbed.data.source import TEST, TRAIN, VAL
from seedbed.data.splits import held_out
from seedbed.data.store import Store
from seedbed.tasks.catalogue import TaskKind
from seedbed.tasks.task import Task


@dataclass(frozen=True)
class Classification(TaskKind):
    """Single-label classification, top-1; `train_per_class` labelled images of each class, drawn anew with each seed."""

    train_per_class: int | None = None

    def __post_init__(self) -> None:
        if self.train_per_class is not None and self.train_per_class < 2:
            raise ValueError(f"train_per_class = {self.train_per_class}: give at least 2, one to learn from and one to validate")

    @property
    def is_drawn(self) -> bool:
        return self.train_per_class is not None

    def load(self, store: Store, seed: int) -> Task:
        pool = np.flatnonzero(store.splits == TRAIN)
        validation = np.flatnonzero(store.splits == VAL)
        if self.train_per_class is not None:
            # Those images are all the labels that there are: validation is split off them.
            pool, validation = self._few(store, np.union1d(pool, validation), seed), validation[:0]
        _check(store, pool)
        if not len(validation):
            aside = held_out(store.leaves[pool], store.groups[pool], len(store.classes), "validation")
            pool, validation = pool[~aside], pool[aside]
        if not len(validation):
            raise BadDataError(
                f"{store.name} has too few images to split validation off: one training image in every class",
                "Add images: at least two training images in some classes, five or more in each to learn anything.",
            )
        return Task(store=store, train=pool, validation=validation, test=np.flatnonzero(store.splits == TEST))

    def _few(self, store: Store, pool: np.ndarray, seed: int) -> np.ndarray:
        labels = store.leaves[pool]
        sizes = np.bincount(labels, minlength=len(store.classes))
        if sizes.min() < (self.train_per_class or 0):
            raise UsageError(
                f"train_per_class={self.train_per_class}: class {store.classes[int(sizes.argmin())]!r} of {store.name} has {sizes.min()}"
                " training images",
                f"Give at most {sizes.min()}.",
            )
        ranks = Draw(seed=seed, purpose="target").ranks(store.hashes[pool])
        return pool[lowest_ranked(labels, ranks, np.full(len(sizes), self.train_per_class))]


def _check(store: Store, pool: np.ndarray) -> None:
    sizes = np.bincount(store.leaves[pool], minlength=len(store.classes))
    if (sizes == 0).any():
        raise BadDataError(
            f"class {store.classes[int(sizes.argmin())]!r} of {store.name} has no training image",
            "Every class of a target needs images to learn from: add some, or remove the class from the test images.",
        )
