"""Domain adaptation: labels of one domain, test images of another, and the other's training images
without their labels.

In: a store of two joined data sets, `labelled` and `target`, with the same classes. Out: a task.
Training and validation images come from the labelled domain, so that a method without adaptation
measures the labelled domain alone. The target's training images are `unlabelled`. No label of the
target is read before scoring.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seedbed.base.errors import BadDataError
from seedbed.data.source import TEST, TRAIN, VAL
from seedbed.data.splits import hold_out
from seedbed.data.store import Store
from seedbed.metrics.accuracy import TOP1
from seedbed.tasks.catalogue import TaskSpec, check_primary_metric
from seedbed.tasks.classification import ClassificationTask
from seedbed.tasks.domains import LABELLED, TARGET, is_joined, split_domains
from seedbed.tasks.folds import small_task_folds


@dataclass(frozen=True)
class Adaptation(TaskSpec):
    """Classification of a target domain with labels from another one.

    In a study: `folder('night/', labelled='day/')`.
    """

    metric: str = TOP1.name

    def __post_init__(self) -> None:
        check_primary_metric(self.metric, "adaptation")

    def load(
        self, store: Store, seed: int, *, needs_training_images: bool = True
    ) -> ClassificationTask:
        domain, classes, class_of_leaf = _split_domains(store)
        in_target, splits = domain[store.leaves] == 1, store.splits
        unlabelled = np.flatnonzero(in_target & (splits != TEST))
        if not len(unlabelled):
            raise BadDataError(
                f"{store.name}: the target has no training images",
                "Adaptation uses them, without their labels.",
            )
        train = np.flatnonzero(~in_target & (splits == TRAIN))
        validation = np.flatnonzero(~in_target & (splits == VAL))
        fold = None
        if not len(validation):
            labels = class_of_leaf[store.leaves[train]]
            is_held_out = hold_out(labels, store.groups[train], len(classes), "validation")
            train, validation = train[~is_held_out], train[is_held_out]
            known = np.concatenate([train, validation])
            labels = class_of_leaf[store.leaves[known]]
            fold = small_task_folds(labels, store.groups[known], len(classes))
        sizes = np.bincount(class_of_leaf[store.leaves[train]], minlength=len(classes))
        if not len(validation) or (sizes == 0).any():
            raise BadDataError(
                f"{store.name}: the labelled domain has too few images to split validation off, or "
                f"no training image of class {classes[int(sizes.argmin())]!r}",
                "Add labelled images: at least two of every class, five or more to train on.",
            )
        return ClassificationTask(
            store=store,
            train=train,
            validation=validation,
            test=np.flatnonzero(in_target & (splits == TEST)),
            unlabelled=unlabelled,
            primary=self.metric,
            chosen=classes,
            class_of_leaf=class_of_leaf,
            fold=fold,
        )


def _split_domains(store: Store) -> tuple[np.ndarray, tuple[str, ...], np.ndarray]:
    """The domain of each leaf (0 labelled, 1 target), the classes, and the class of each leaf."""
    if not is_joined(store.classes):
        raise BadDataError(
            f"{store.name} does not hold two domains: its labels are not {LABELLED}/... and "
            f"{TARGET}/...",
            "Name both: folder('night/', labelled='day/').",
        )
    return split_domains(store.classes)
