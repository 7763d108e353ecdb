"""One classification task at the input size of each network, with identical splits.

In: a function that packs the user's images at a size with an interpolation, and the task
specification. Out: tasks. Images are packed once for each of these. The train, validation and test
split is drawn the first time; the other tasks reuse it by the images' ids.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from seedbed.base.errors import BadDataError
from seedbed.base.randomness import Draw
from seedbed.data.decode import Fit
from seedbed.data.store import Store
from seedbed.tasks.catalogue import TaskSpec
from seedbed.tasks.classification import ClassificationTask


@dataclass
class TaskBySize:
    """The user's task at any image size."""

    open_store: Callable[[int, Fit], Store]
    task_spec: TaskSpec
    seed: int
    _tasks: dict[tuple[int, Fit], ClassificationTask] = field(default_factory=dict)

    def task(self, size_px: int, fit: Fit) -> ClassificationTask:
        """The task on images packed at this size and by this rule (`Preprocessing.fit`)."""
        form = size_px, fit
        if form not in self._tasks:
            store = self.open_store(size_px, fit)
            first = next(iter(self._tasks.values()), None)
            if first is None:
                task = self.task_spec.load(store, self.seed)
            else:
                task = _move_to_store(first, store)
            assert isinstance(task, ClassificationTask)
            self._tasks[form] = task
        return self._tasks[form]


def subset_task(task: ClassificationTask, num: int) -> ClassificationTask:
    """Reduce a task to at most `num` labelled images, balanced over classes; folds are unchanged.

    Returns the task itself if it has no more images than that.
    """
    num_labelled = len(task.known)
    if num_labelled <= num:
        return task
    num_train = max(1, round(num * len(task.train) / num_labelled))
    train = _balanced_subset(task, task.train, num_train)
    validation = _balanced_subset(task, task.validation, max(1, num - num_train))
    labelled = np.concatenate([train, len(task.train) + validation])
    fold = task.fold[labelled] if task.fold is not None else None
    return replace(task, train=task.train[train], validation=task.validation[validation], fold=fold)


def _balanced_subset(task: ClassificationTask, rows: np.ndarray, num: int) -> np.ndarray:
    """Positions of at most `num` of the rows, balanced over classes, ascending."""
    labels = task.labels(rows)
    ranks = Draw(seed=0, purpose="advice/rough").ranks(task.store.hashes[rows])
    order = np.lexsort((ranks, labels))
    rank_in_class = np.empty(len(rows), np.int64)
    rank_in_class[order] = np.arange(len(rows)) - np.searchsorted(labels[order], labels[order])
    return np.sort(np.lexsort((ranks, rank_in_class))[:num])


def _move_to_store(task: ClassificationTask, store: Store) -> ClassificationTask:
    """The task on the same images in another store."""
    order = np.argsort(store.hashes)
    sorted_hashes = store.hashes[order]

    def rows_in_store(rows: np.ndarray) -> np.ndarray:
        hashes = task.store.hashes[rows]
        places = np.minimum(np.searchsorted(sorted_hashes, hashes), len(order) - 1)
        if not np.array_equal(sorted_hashes[places], hashes):
            raise BadDataError(
                f"{store.name} changed during the run: images read at first are missing now",
                "Run the command again.",
            )
        return order[places]

    splits = {name: rows_in_store(getattr(task, name)) for name in ("train", "validation", "test")}
    return replace(task, store=store, **splits)
