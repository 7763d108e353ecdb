"""Detection in whole images, within one domain or from a labelled one to another (`voc('night/',
labelled="voc('day/')")`).

In: a store of images with boxes, or of two such data sets, joined as `labelled` and `target`, with
the same classes. Out: a task. With two domains, training and validation images come from the
labelled one, the target's training images are `unlabelled`, and the labelled domain's test images
are scored too, so that the drop between domains is measured.
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
from seedbed.tasks.domains import TARGET, is_joined, split_domains
from seedbed.tasks.validation_split import split_validation


@dataclass(frozen=True)
class Detection(TaskSpec):
    """Where the objects of each class are.

    `metric`: mean average precision by the rule of VOC 2007 or of 2010.
    """

    metric: Literal["map_voc07", "map_voc10"] = "map_voc07"

    def load(self, store: Store, seed: int, *, needs_training_images: bool = True) -> DetectionTask:
        boxes = store.annotations
        if not isinstance(boxes, Boxes):
            raise BadDataError(
                f"{store.name} has no boxes",
                "Name a data set with boxes: voc('VOC2007'), coco('set/') or yolo('set/').",
            )
        _check_boxes(store, boxes)
        is_test, domains = store.splits == TEST, _domain_fields(store)
        in_target = _is_target(store) if domains else np.zeros(store.num_images, bool)
        train, validation, _ = split_validation(store, ~in_target & ~is_test)
        test = np.flatnonzero(is_test & (in_target if domains else ~in_target))
        if len(test) and not (np.isin(boxes.rows, test) & ~boxes.difficult).any():
            raise BadDataError(
                f"no test image of {store.name} has a box that is not difficult",
                "Add test images with boxes.",
            )
        if not np.isin(boxes.rows, train).any():
            raise BadDataError(
                f"no training image of {store.name} has a box", "Add training images with boxes."
            )
        return DetectionTask(
            store=store,
            train=train,
            validation=validation,
            test=test,
            primary=self.metric,
            **domains,
        )


def _domain_fields(store: Store) -> dict[str, Any]:
    """The fields of a task of two domains; none of one domain."""
    if not is_joined(store.classes):
        return {}
    _, classes, class_of_label = split_domains(store.classes)
    in_target, is_test = _is_target(store), store.splits == TEST
    unlabelled = np.flatnonzero(in_target & ~is_test)
    if not len(unlabelled):
        raise BadDataError(
            f"{store.name}: the target has no training images",
            "Adaptation uses them, without their boxes.",
        )
    return {
        "chosen": classes,
        "class_of_label": class_of_label,
        "unlabelled": unlabelled,
        "in_domain": np.flatnonzero(~in_target & is_test),
    }


def _is_target(store: Store) -> np.ndarray:
    """Whether each image belongs to the target, by its id: bool [n]."""
    return np.array([str(i).startswith(f"{TARGET}/") for i in store.ids], bool)


def _check_boxes(store: Store, boxes: Boxes) -> None:
    """Refuse boxes whose centre lies outside of their image: they are typing errors, or were drawn
    on another image, or on a rotated one."""
    if len(boxes.outside(store.sizes(boxes.rows))):
        raise BadDataError(
            f"{store.name}: {store.box_faults}",
            "Correct them. Boxes are in px of the file as it is stored: rotate the pixels of a "
            "photograph with an orientation tag.",
        )
