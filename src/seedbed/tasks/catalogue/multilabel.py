"""Several labels an image, or the actions of a person: validation is found, or 20 % of the training
images; few are in folds."""

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
from seedbed.tasks.folds import few_folds
from seedbed.tasks.multilabel import MultiLabelTask
from seedbed.tasks.validation_split import with_validation


@dataclass(frozen=True)
class MultiLabel(TaskSpec):
    """Which of the classes each image has; mean average precision by the rule of VOC 2007, or of
    2010 (the default for its actions)."""

    metric: Literal["map_voc07", "map_voc10"] | None = None

    def load(
        self, store: Store, seed: int, *, needs_training_images: bool = True
    ) -> MultiLabelTask:
        found = store.annotations
        if not isinstance(found, Marks):
            raise BadDataError(
                f"{store.name} has no marks of several labels",
                "Name a set that has: voc('VOC2007', task='classification').",
            )
        train, validation, is_found = with_validation(store)
        test = np.flatnonzero(store.splits == TEST)
        for rows, words in ((test, "test"), (train, "training")):
            if len(rows) and not (found.marks[rows] > 0).any():
                raise BadDataError(
                    f"no {words} image of {store.name} has any of its classes",
                    "Look at its lists of classes.",
                )
        if len(test) and not (found.marks[test] < 0).any():
            raise BadDataError(
                f"every test image of {store.name} has {'its only class' if len(store.classes) == 1 else 'all of its classes'}",
                "There is nothing to tell apart: add images without, or ask where the objects are, task='detection'.",
            )
        primary = self.metric or ("map_voc10" if store.classes == ACTIONS else "map_voc07")
        known, fold = np.concatenate([train, validation]), None
        if not is_found:  # in folds as if all were of one class: an image has several
            fold = few_folds(np.zeros(len(known), np.int64), store.groups[known], 1)
        if fold is None and not (found.marks[validation] > 0).any():
            raise BadDataError(
                f"no validation image of {store.name} has any of its classes: nothing can be chosen by them",
                "Add images that have.",
            )
        return MultiLabelTask(
            store=store, train=train, validation=validation, test=test, primary=primary, fold=fold
        )
