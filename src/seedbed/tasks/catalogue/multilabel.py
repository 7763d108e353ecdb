"""Several labels per image, or the actions of a person.

In: a store with marks. Out: a task. Validation images are those of the store, else 20 % of the
training images; few images are split into folds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from seedbed.base.errors import BadDataError
from seedbed.data.annotations import Marks
from seedbed.data.source import TEST
from seedbed.data.store import Store
from seedbed.data.voc_layout import ACTIONS
from seedbed.tasks.catalogue import TaskSpec
from seedbed.tasks.folds import small_task_folds
from seedbed.tasks.multilabel import MultiLabelTask
from seedbed.tasks.validation_split import split_validation


@dataclass(frozen=True)
class MultiLabel(TaskSpec):
    """Which of the classes each image has.

    `metric`: mean average precision by the rule of VOC 2007, or of 2010 (the default for actions).
    """

    metric: Literal["map_voc07", "map_voc10"] | None = None

    def load(
        self, store: Store, seed: int, *, needs_training_images: bool = True
    ) -> MultiLabelTask:
        annotations = store.annotations
        if not isinstance(annotations, Marks):
            raise BadDataError(
                f"{store.name} has no marks of several labels",
                "Name a data set with marks: voc('VOC2007', task='classification').",
            )
        train, validation, is_from_store = split_validation(store)
        test = np.flatnonzero(store.splits == TEST)
        _check_marks(store, annotations.marks, train, test)
        known, fold = np.concatenate([train, validation]), None
        if not is_from_store:
            # An image has several classes, so folds are not stratified.
            fold = small_task_folds(np.zeros(len(known), np.int64), store.groups[known], 1)
        if fold is None and not (annotations.marks[validation] > 0).any():
            raise BadDataError(
                f"no validation image of {store.name} has any of its classes, so settings cannot "
                "be chosen",
                "Add validation images with these classes.",
            )
        primary = self.metric or ("map_voc10" if store.classes == ACTIONS else "map_voc07")
        return MultiLabelTask(
            store=store, train=train, validation=validation, test=test, primary=primary, fold=fold
        )


def _check_marks(store: Store, marks: np.ndarray, train: np.ndarray, test: np.ndarray) -> None:
    """Raise BadDataError where training or test images have no positive, or the test has no
    negative."""
    for rows, name in ((test, "test"), (train, "training")):
        if len(rows) and not (marks[rows] > 0).any():
            raise BadDataError(
                f"no {name} image of {store.name} has any of its classes",
                "Check its lists of classes.",
            )
    if len(test) and not (marks[test] < 0).any():
        classes = "its only class" if len(store.classes) == 1 else "all of its classes"
        raise BadDataError(
            f"every test image of {store.name} has {classes}",
            "Add images without them, or detect where the objects are: task='detection'.",
        )
