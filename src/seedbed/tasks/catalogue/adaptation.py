"""Adaptation: labels of one domain, test images of another, and the other's own training images
without their labels.

In: a store of two data sets joined, `labelled` and `target`, with the same classes. Out: a task.
Training and validation images are of the labelled domain, so that a method that knows nothing of
adaptation measures what the labelled domain alone gives; the target's training images are
`unlabelled`. No label of the target is read before scoring.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from seedbed.base.errors import BadDataError
from seedbed.data.source import TEST, TRAIN, VAL
from seedbed.data.splits import hold_out
from seedbed.data.store import Store
from seedbed.tasks.catalogue import TaskSpec
from seedbed.tasks.classification import ClassificationTask
from seedbed.tasks.domains import LABELLED, TARGET, domains_of, is_joined
from seedbed.tasks.folds import few_folds


@dataclass(frozen=True)
class Adaptation(TaskSpec):
    """Classification of a target domain with labels from another one: in a study, `folder('night/',
    labelled='day/')`."""

    metric: Literal["top1", "mean_class_accuracy"] = "top1"

    def load(
        self, store: Store, seed: int, *, needs_training_images: bool = True
    ) -> ClassificationTask:
        domain, classes, class_of_leaf = _classes(store)
        own, theirs = (domain[store.leaves] == i for i in (0, 1))
        splits = store.splits
        train, validation = (
            np.flatnonzero(own & (splits == TRAIN)),
            np.flatnonzero(own & (splits == VAL)),
        )
        test, unlabelled = (
            np.flatnonzero(theirs & (splits == TEST)),
            np.flatnonzero(theirs & (splits != TEST)),
        )
        if not len(unlabelled):
            raise BadDataError(
                f"{store.name}: the target has no training images",
                "Adaptation looks at them, without their labels.",
            )
        fold = None
        if not len(validation):
            labels = class_of_leaf[store.leaves[train]]
            aside = hold_out(labels, store.groups[train], len(classes), "validation")
            train, validation = train[~aside], train[aside]
            known = np.concatenate([train, validation])
            fold = few_folds(class_of_leaf[store.leaves[known]], store.groups[known], len(classes))
        sizes = np.bincount(class_of_leaf[store.leaves[train]], minlength=len(classes))
        if not len(validation) or (sizes == 0).any():
            raise BadDataError(
                f"{store.name}: the labelled domain has too few images to split validation off, or none to learn class "
                f"{classes[int(sizes.argmin())]!r} from",
                "Add labelled images: at least two in every class, five or more to learn anything.",
            )
        return ClassificationTask(
            store=store,
            train=train,
            validation=validation,
            test=test,
            unlabelled=unlabelled,
            primary=self.metric,
            chosen=classes,
            class_of_leaf=class_of_leaf,
            fold=fold,
        )


def _classes(store: Store) -> tuple[np.ndarray, tuple[str, ...], np.ndarray]:
    """The domain of each leaf (0 labelled, 1 target), the classes, and the class of each leaf."""
    if not is_joined(store.classes):
        raise BadDataError(
            f"{store.name} is no pair of domains: its labels are not {LABELLED}/... and {TARGET}/...",
            "Name both: folder('night/', labelled='day/').",
        )
    return domains_of(store.classes)
