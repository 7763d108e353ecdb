"""Make sources of images with boxes, as COCO and YOLO files describe them: for detection, or for
classification by the classes of an image's boxes.

In: images with their labels and boxes. Out: a Source. Rules for classes and labels are in one
place, so that all such formats agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from seedbed.base.errors import BadDataError
from seedbed.data.annotations import NO_LABEL, Boxes, Marks
from seedbed.data.image_files import FilePixels, ImageFile
from seedbed.data.skipped_files import SkippedFiles
from seedbed.data.source import Source, from_records, listing_fingerprint

Corners = tuple[float, float, float, float]
BoxTask = Literal["detection", "classification"]


class LabelledBox(NamedTuple):
    """One object of an image."""

    label: str
    corners: Corners | None  # left, top, right, bottom, edges in px of the file; None if unknown
    difficult: bool = False


@dataclass(frozen=True, kw_only=True)
class BoxedImage:
    """One image with its objects."""

    file: ImageFile
    split: int
    boxes: Sequence[LabelledBox]


@dataclass(frozen=True, kw_only=True)
class BoxedSet:
    """The images of a data set, and what was read beside them."""

    kind: str  # the name of the format
    name: str  # of the source
    root: Path  # the folder that paths of files start at
    images: Sequence[BoxedImage]
    classes: Sequence[str]  # of the annotation files; some may have no box
    notes: tuple[str, ...] = ()
    skipped: tuple[SkippedFiles, ...] = ()


def make_source(data: BoxedSet, task: BoxTask) -> Source:
    """Make a source of images with boxes, or with labels; raises BadDataError where there are none.

    With `classification`, each image has one label if no image shows two classes; images without a
    class are then left out. Otherwise an image has several labels: a mark for each class.
    """
    images = sorted(data.images, key=lambda image: image.file.path)
    if task == "detection":
        return _detection_source(data, images)
    labels = [{box.label for box in image.boxes} for image in images]
    if max(map(len, labels), default=0) == 0:
        raise _nothing_error(data, "annotation names a class")
    if max(map(len, labels)) == 1:
        return _single_label_source(data, images)
    return _marks_source(data, images)


def check_class_name(name: str, place: str) -> str:
    """Return a class name without spaces around it; raises BadDataError for a name that result
    files cannot have."""
    name = name.strip()
    if not name:
        raise BadDataError(f"{place}: a class has no name", "Give every class a name.")
    if "/" in name or name.startswith("."):
        raise BadDataError(
            f"{place}: a class has the name {name!r}, and result files are named after classes",
            "Rename the class: no '/' in it, and no '.' at its start.",
        )
    return name


def _detection_source(data: BoxedSet, images: list[BoxedImage]) -> Source:
    objects = [
        (row, box)
        for row, image in enumerate(images)
        for box in image.boxes
        if box.corners is not None
    ]
    if not objects:
        raise _nothing_error(data, "annotation has a box")
    classes = tuple(sorted({box.label for _, box in objects}))
    positions = {label: i for i, label in enumerate(classes)}
    boxes = Boxes(
        rows=np.array([row for row, _ in objects], np.int64),
        labels=np.array([positions[box.label] for _, box in objects], np.int32),
        corners=np.array([box.corners for _, box in objects], np.float64),
        difficult=np.array([box.difficult for _, box in objects], bool),
    )
    num = len(images) - len(np.unique(boxes.rows))
    notes = [f"{num:,} image{'' if num == 1 else 's'} without a box"] if num else []
    return _annotated_source(data, images, classes, boxes, notes)


def _marks_source(data: BoxedSet, images: list[BoxedImage]) -> Source:
    """Several labels an image, by the rule of PASCAL VOC: a class with difficult boxes alone counts
    neither way."""
    classes = tuple(sorted({box.label for image in images for box in image.boxes}))
    positions = {label: i for i, label in enumerate(classes)}
    marks = np.full((len(images), len(classes)), -1, np.int8)
    for row, image in enumerate(images):
        for box in image.boxes:
            k = positions[box.label]
            marks[row, k] = max(marks[row, k], 0 if box.difficult else 1)
    num = sum(not image.boxes for image in images)
    notes = [f"{num:,} image{'' if num == 1 else 's'} without a class"] if num else []
    return _annotated_source(data, images, classes, Marks(marks=marks), notes)


def _annotated_source(
    data: BoxedSet,
    images: list[BoxedImage],
    classes: tuple[str, ...],
    annotations: Boxes | Marks,
    notes: list[str],
) -> Source:
    paths = np.array([image.file.path for image in images], object)
    lines = _listing_lines(images)
    fingerprint = [data.kind, annotations.kind, annotations.digest(), *classes, *lines]
    return Source(
        name=data.name,
        ids=paths,
        leaves=np.full(len(paths), NO_LABEL, np.int32),
        splits=np.array([image.split for image in images], np.uint8),
        classes=classes,
        pixels=FilePixels(str(data.root.resolve()), paths),
        listing=listing_fingerprint(fingerprint),
        annotations=annotations,
        notes=(*data.notes, *notes),
        empty_classes=_unused(data.classes, classes),
        skipped=data.skipped,
    )


def _single_label_source(data: BoxedSet, images: list[BoxedImage]) -> Source:
    labelled = [image for image in images if image.boxes]
    records = [(image.file.path, image.boxes[0].label, image.split) for image in labelled]
    classes = {label for _, label, _ in records}
    lines = [f"{image.boxes[0].label}\t{image.split}\t{image.file}" for image in labelled]
    notes = ["no image shows two classes: each has one label"]
    if num := len(images) - len(labelled):
        notes.append(
            f"{num:,} image{' without a class is' if num == 1 else 's without a class are'} "
            "left out"
        )
    return from_records(
        data.name,
        records,
        pixels=FilePixels(
            str(data.root.resolve()), np.array([image.file.path for image in labelled], object)
        ),
        listing=listing_fingerprint([data.kind, "label", *lines]),
        notes=(*data.notes, *notes),
        empty_classes=_unused(data.classes, classes),
        skipped=data.skipped,
    )


def _listing_lines(images: Iterable[BoxedImage]) -> list[str]:
    return [f"{image.split}\t{image.file}" for image in images]


def _unused(names: Sequence[str], classes: Iterable[str]) -> tuple[str, ...]:
    """Classes of the annotation files that no image has."""
    return tuple(sorted(set(names) - set(classes)))


def _nothing_error(data: BoxedSet, what: str) -> BadDataError:
    hint = "Add boxes, or name the folder that holds the annotation files."
    if any(image.boxes for image in data.images):
        hint = f"The classes alone are read by {data.kind}('...', task='classification')."
    return BadDataError(f"no {what} in {data.name}", hint)
