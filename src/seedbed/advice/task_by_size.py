"""What candidates are raced on: one task at the input size of each network, with the same images in
the same parts.

In: how the user's images are opened at a size, and what the task is. Out: tasks. The images are
packed once per size; which of them are learnt from, which choose and which test was settled at the
first size, and is carried over by the images' ids. Knows nothing of networks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from seedbed.base.errors import BadDataError
from seedbed.base.randomness import Draw
from seedbed.data.store import Store
from seedbed.tasks.catalogue import TaskSpec
from seedbed.tasks.classification import ClassificationTask


@dataclass
class Arena:
    """The user's task at any size, and a smaller one for first looks."""

    open_at: Callable[[int], Store]
    kind: TaskSpec
    seed: int
    _tasks: dict[int, ClassificationTask] = field(default_factory=dict)

    def task(self, size_px: int) -> ClassificationTask:
        """The task on images packed at this side."""
        if size_px not in self._tasks:
            store = self.open_at(size_px)
            first = next(iter(self._tasks.values()), None)
            made = self.kind.load(store, self.seed) if first is None else _carried(first, store)
            assert isinstance(made, ClassificationTask)
            self._tasks[size_px] = made
        return self._tasks[size_px]

    @property
    def any(self) -> ClassificationTask:
        """The task at a size that it was opened at first."""
        return next(iter(self._tasks.values()))


def rough(task: ClassificationTask, num: int) -> ClassificationTask:
    """The same task with at most `num` known images, of every class alike as far as it has them,
    for a first look; itself where it has no more. Its folds are those of the whole."""
    known = task.known
    if len(known) <= num:
        return task
    num_train = max(1, round(num * len(task.train) / len(known)))
    kept_train, kept_validation = (
        _thinned(task, task.train, num_train),
        _thinned(task, task.validation, max(1, num - num_train)),
    )
    kept = np.concatenate([kept_train, len(task.train) + kept_validation])
    fold = task.fold[kept] if task.fold is not None else None
    return replace(
        task, train=task.train[kept_train], validation=task.validation[kept_validation], fold=fold
    )


def _thinned(task: ClassificationTask, rows: np.ndarray, num: int) -> np.ndarray:
    """Positions of at most `num` of the rows, of every class alike as far as it has them,
    ascending."""
    labels = task.labels(rows)
    ranks = Draw(seed=0, purpose="advice/rough").ranks(task.store.hashes[rows])
    order = np.lexsort((ranks, labels))
    place = np.empty(len(rows), np.int64)  # of each image among its class
    place[order] = np.arange(len(rows)) - np.searchsorted(labels[order], labels[order])
    return np.sort(np.lexsort((ranks, place))[:num])


def _carried(task: ClassificationTask, store: Store) -> ClassificationTask:
    """The task on the same images in another store."""
    order = np.argsort(store.hashes)
    sorted_hashes = store.hashes[order]

    def moved(rows: np.ndarray) -> np.ndarray:
        wanted = task.store.hashes[rows]
        at = np.minimum(np.searchsorted(sorted_hashes, wanted), len(order) - 1)
        if not np.array_equal(sorted_hashes[at], wanted):
            raise BadDataError(
                f"{store.name} changed while it was looked at: images of the first pass are gone in the second",
                "Run it again.",
            )
        return order[at]

    parts = {name: moved(getattr(task, name)) for name in ("train", "validation", "test")}
    return replace(task, store=store, **parts)
