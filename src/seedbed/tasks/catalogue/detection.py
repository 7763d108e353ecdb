"""Detection in whole images, within one domain or from a labelled one to another (`voc('night/',
labelled="voc('day/')")`).

In: a store of images with boxes, or of two such data sets joined, `labelled` and `target`, with the
same classes. Out: a task. In the second case training and validation images are of the labelled
domain, the target's own training images are `unlabelled`, and the labelled domain's test images are
scored beside, so that the drop is seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from seedbed.base.errors import BadDataError
from seedbed.data.annotations import Boxes
from seedbed.data.source import TEST
from seedbed.data.store import Store
from seedbed.tasks.catalogue import TaskSpec
from seedbed.tasks.detection import DetectionTask
from seedbed.tasks.domains import TARGET, domains_of, is_joined
from seedbed.tasks.validation_split import with_validation


@dataclass(frozen=True)
class Detection(TaskSpec):
    """Where the objects of each class are; mean average precision by the rule of VOC 2007 or of
    2010."""

    metric: Literal["map_voc07", "map_voc10"] = "map_voc07"

    def load(self, store: Store, seed: int, *, needs_training_images: bool = True) -> DetectionTask:
        found = store.annotations
        if not isinstance(found, Boxes):
            raise BadDataError(f"{store.name} has no boxes", "Name a set that has: voc('VOC2007').")
        _check(store, found)
        test, own = store.splits == TEST, np.ones(store.num_images, bool)
        extra: dict[str, Any] = {}
        if is_joined(store.classes):
            _, chosen, class_of_label = domains_of(store.classes)
            own = ~_of_target(store)
            if not (~own & ~test).any():
                raise BadDataError(
                    f"{store.name}: the target has no training images",
                    "Adaptation looks at them, without their boxes.",
                )
            extra = {
                "chosen": chosen,
                "class_of_label": class_of_label,
                "unlabelled": np.flatnonzero(~own & ~test),
                "in_domain": np.flatnonzero(own & test),
            }
            test = test & ~own
        train, validation, _ = with_validation(store, own & (store.splits != TEST))
        rows = np.flatnonzero(test)
        if len(rows) and not (np.isin(found.rows, rows) & ~found.difficult).any():
            raise BadDataError(
                f"no test image of {store.name} has a box that is not difficult",
                "There is nothing to be found in them.",
            )
        if not np.isin(found.rows, train).any():
            raise BadDataError(
                f"no training image of {store.name} has a box",
                "Add some: there is nothing to learn from.",
            )
        return DetectionTask(
            store=store, train=train, validation=validation, test=rows, primary=self.metric, **extra
        )


def _of_target(store: Store) -> np.ndarray:
    """Whether each image is of the target: its id says so."""
    return np.array([str(i).startswith(f"{TARGET}/") for i in store.ids], bool)


def _check(store: Store, found: Boxes) -> None:
    """Boxes whose middle lies outside of their image were mistyped, drawn on another one, or on one
    that was turned."""
    if len(found.outside(store.sizes(found.rows))):
        raise BadDataError(
            f"{store.name}: {store.box_faults}",
            "Correct them. Boxes are px of the file as it lies there: of a photograph with an orientation tag turn the pixels themselves.",
        )
