"""Read annotation files in COCO's form: images, categories, and boxes [x, y, width, height].

In: a JSON file. Out: images with their boxes, as edges in px from 0. What is passed over is
counted: regions that are given as masks alone, boxes without area. Knows nothing of the files of
the images.
"""

from __future__ import annotations

import json
import math
import mmap
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from seedbed.base.errors import BadDataError
from seedbed.data.boxed_images import Corners, LabelledBox, check_class_name
from seedbed.data.note_counter import NoteCounter

_LISTS = ("images", "annotations", "categories")
_CROWD = "{num} crowd region{s} {are} difficult: neither used for training nor scored"
_RLE = "{num} annotation{s} {have} a mask (RLE) and no box, and {are} left out"
_NO_BOX = "{num} annotation{s} {have} no box and {are} left out"
_NO_AREA = "{num} box{es} without area left out"
_POLYGON = "{num} box{es} around a polygon, where the annotation has no box"
_NO_IMAGE = "{num} annotation{s} of images that the file does not list left out"
_SAME_NAME = "{num} category name{s} {are} there twice and read as one class"


@dataclass(kw_only=True)
class CocoImage:
    """One image of an annotation file."""

    name: str  # as the file writes it
    size: tuple[int, int]  # width and height in px by the file, 0 where it states none
    boxes: list[LabelledBox] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class CocoFile:
    """One annotation file."""

    images: list[CocoImage]
    classes: list[str]  # names of the categories
    num_annotations: int


def is_coco_file(path: Path) -> bool:
    """Whether a file has the three lists of COCO's form; the file is searched, not parsed."""
    try:
        with path.open("rb") as file:
            if not file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
                return False
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
                return all(re.search(rb'"%s"\s*:\s*\[' % key.encode(), text) for key in _LISTS)
    except (OSError, ValueError):  # unreadable, or empty
        return False


def read_coco_file(path: Path, counter: NoteCounter, *, with_boxes: bool = True) -> CocoFile:
    """Read an annotation file; raises BadDataError for a file that is not of COCO's form.

    Args:
        path: the JSON file.
        counter: receives what is passed over.
        with_boxes: read the boxes, not the classes of the annotations alone.
    """
    document = _read_json(path)
    names = _read_categories(path, document["categories"], counter)
    images: dict[Any, CocoImage] = {}
    for number, row in enumerate(document["images"], 1):
        image = _read_image(path, row, number)
        if row["id"] in images:
            raise BadDataError(
                f"{path}: two images have the id {row['id']!r}", "Give each image an id of its own."
            )
        images[row["id"]] = image
    for number, row in enumerate(document["annotations"], 1):
        _add_object(images, names, row, _Place(path, number, row), counter, with_boxes)
    return CocoFile(
        images=list(images.values()),
        classes=list(names.values()),
        num_annotations=len(document["annotations"]),
    )


class _Place(NamedTuple):
    """Where an annotation stands: a text only where one is needed, for there may be a million."""

    path: Path
    number: int
    row: Any

    def __str__(self) -> str:
        id_ = self.row.get("id", self.number) if isinstance(self.row, dict) else self.number
        return f"{self.path}, annotation {id_}"


def _add_object(
    images: Mapping[Any, CocoImage],
    names: Mapping[Any, str],
    row: Any,
    place: _Place,
    counter: NoteCounter,
    with_boxes: bool,
) -> None:
    """Add the object of one annotation to its image."""
    if not isinstance(row, dict) or not _has_ids(row, "image_id", "category_id"):
        raise BadDataError(
            f"{place} has no image_id or no category_id", "Export the annotations again."
        )
    if row["category_id"] not in names:
        raise BadDataError(
            f"{place} has the category_id {row['category_id']!r}, which is no category",
            f"Categories: {', '.join(f'{i!r} {name}' for i, name in names.items())}.",
        )
    if (image := images.get(row["image_id"])) is None:
        counter.add(_NO_IMAGE, place)
        return
    label, is_crowd = names[row["category_id"]], row.get("iscrowd") in (1, True)
    corners = _read_corners(row, place, counter) if with_boxes else None
    if is_crowd and corners is not None:
        counter.add(_CROWD, place)
    image.boxes.append(LabelledBox(label, corners, is_crowd))


def _has_ids(row: Mapping[str, Any], *keys: str) -> bool:
    return all(isinstance(row.get(key), int | str) for key in keys)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BadDataError(
            f"{path} is not JSON: {error}", "Export the annotations again."
        ) from None
    except OSError as error:
        raise BadDataError(f"cannot read {path}: {error.strerror}", "Check the path.") from None
    for key in _LISTS:
        if not isinstance(document, dict) or not isinstance(document.get(key), list):
            raise BadDataError(
                f"{path} has no list {key!r}",
                f"A COCO file for detection has the lists {', '.join(_LISTS)}.",
            )
    return document


def _read_categories(path: Path, rows: list[Any], counter: NoteCounter) -> dict[Any, str]:
    """Id of each category -> its name."""
    names: dict[Any, str] = {}
    for number, row in enumerate(rows, 1):
        place = f"{path}, category {number}"
        if (
            not isinstance(row, dict)
            or not _has_ids(row, "id")
            or not isinstance(row.get("name"), str)
        ):
            raise BadDataError(f"{place} has no id or no name", "Export the annotations again.")
        name = check_class_name(row["name"], place)
        if name in names.values():
            counter.add(_SAME_NAME, f"{name!r} in {path}")
        if names.setdefault(row["id"], name) != name:
            raise BadDataError(
                f"{path}: the categories {names[row['id']]!r} and {name!r} have one id, "
                f"{row['id']!r}",
                "Give each category an id of its own.",
            )
    return names


def _read_image(path: Path, row: Any, number: int) -> CocoImage:
    if (
        not isinstance(row, dict)
        or not _has_ids(row, "id")
        or not isinstance(row.get("file_name"), str)
    ):
        raise BadDataError(
            f"{path}, image {number} has no id or no file_name", "Export the annotations again."
        )
    width, height = row.get("width"), row.get("height")
    size = (0, 0)
    if isinstance(width, int | float) and isinstance(height, int | float):
        is_size = math.isfinite(width) and math.isfinite(height)
        size = (round(width), round(height)) if is_size else (0, 0)
    return CocoImage(name=row["file_name"], size=size)


def _read_corners(row: Mapping[str, Any], place: _Place, counter: NoteCounter) -> Corners | None:
    """The edges of an object, from its box or around its polygons; None if it has neither."""
    bbox = row.get("bbox")
    if not bbox:
        return _around_polygons(row.get("segmentation"), place, counter)
    if not _is_numbers(bbox) or len(bbox) != 4:
        raise BadDataError(
            f"{place} has the bbox {bbox!r}", "A bbox is four numbers: x, y, width, height in px."
        )
    left, top, width, height = map(float, bbox)
    if width <= 0 or height <= 0:
        counter.add(_NO_AREA, place)
        return None
    return left, top, left + width, top + height


def _around_polygons(segmentation: Any, place: _Place, counter: NoteCounter) -> Corners | None:
    if isinstance(segmentation, dict):
        counter.add(_RLE, place)
        return None
    polygons = segmentation if isinstance(segmentation, list) else []
    if _is_numbers(polygons):
        polygons = [polygons]
    polygons = [p for p in polygons if p]
    if not polygons:
        counter.add(_NO_BOX, place)
        return None
    if not all(_is_numbers(p) and len(p) % 2 == 0 for p in polygons):
        raise BadDataError(
            f"{place} has a segmentation that is neither polygons nor a mask",
            "A polygon is a list of numbers: x, y, x, y and on, in px.",
        )
    xs = [float(x) for p in polygons for x in p[::2]]
    ys = [float(y) for p in polygons for y in p[1::2]]
    if max(xs) <= min(xs) or max(ys) <= min(ys):
        counter.add(_NO_AREA, place)
        return None
    counter.add(_POLYGON, place)
    return min(xs), min(ys), max(xs), max(ys)


def _is_numbers(values: Any) -> bool:
    return (
        isinstance(values, list)
        and bool(values)
        and all(
            isinstance(v, (float, int)) and not isinstance(v, bool) and math.isfinite(v)
            for v in values
        )
    )
