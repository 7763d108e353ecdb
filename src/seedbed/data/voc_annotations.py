"""Read annotations in PASCAL VOC's form: objects with boxes and actions.

In: .xml files. Out: records. Boxes are kept as they are written: whole pixels counted from 1, with
both corners inside the box.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from seedbed.base.errors import BadDataError

_FIRST_PIXEL = np.array([1.0, 1.0, 0.0, 0.0])
_CORNERS = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True, kw_only=True)
class Object:
    """One object of an annotation."""

    name: str
    box: tuple[float, float, float, float]  # xmin, ymin, xmax, ymax, px, from 1
    difficult: bool
    actions: frozenset[str]  # of a person


@dataclass(frozen=True, kw_only=True)
class Record:
    """The objects of one annotation, in its order; lists of actions count them from 1."""

    objects: tuple[Object, ...]
    # width and height of the image in px, as the annotation states them; 0 where it does not
    size: tuple[int, int] = (0, 0)


def to_edges(boxes: np.ndarray) -> np.ndarray:
    """Convert boxes of pixels from 1, both ends included, to edges from 0: float [b, 4] -> [b, 4].

    Sides of a box are then differences.
    """
    return np.asarray(boxes, np.float64).reshape(-1, 4) - _FIRST_PIXEL


def to_voc_boxes(corners: np.ndarray) -> np.ndarray:
    """Convert edges from 0 to boxes of pixels from 1, the inverse of `to_edges`."""
    return np.asarray(corners, np.float64).reshape(-1, 4) + _FIRST_PIXEL


def label_mark(objects: Sequence[Object], label: str) -> int:
    """1 if an image shows an object of the class, 0 if only difficult ones, -1 if none.

    The development kit makes its lists by this rule.
    """
    of_label = [o for o in objects if o.name == label]
    return -1 if not of_label else int(any(not o.difficult for o in of_label))


def read_record(path: Path) -> Record:
    """Read an annotation; raises BadDataError for a file that is not one."""
    try:
        root = ElementTree.parse(path).getroot()
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise BadDataError(
            f"{path} cannot be read as XML: {error}",
            "Download or export the annotation again.",
        ) from None
    nodes = enumerate(root.findall("object"), 1)
    return Record(
        objects=tuple(_read_object(node, number, path) for number, node in nodes),
        size=(_read_side(root, "width"), _read_side(root, "height")),
    )


def _read_side(root: ElementTree.Element, name: str) -> int:
    """A side of the image in px; 0 for what is no number, since nothing depends on it."""
    text = (root.findtext(f"size/{name}") or "").strip()
    return int(text) if text.isdecimal() else 0


def _read_object(node: ElementTree.Element, number: int, path: Path) -> Object:
    name = (node.findtext("name") or "").strip()
    if not name:
        raise BadDataError(
            f"{path}: object {number} has no name",
            "Every object needs a <name>, the name of its class.",
        )
    if "/" in name or name.startswith("."):
        raise BadDataError(
            f"{path}: object {number} has the name {name!r}, and result files are named after "
            "classes",
            "Rename the class: no '/' in it, and no '.' at its start.",
        )
    actions = node.find("actions")
    return Object(
        name=name,
        box=_read_box(node, number, path),
        difficult=_is_set(node.findtext("difficult")),
        actions=frozenset(action.tag for action in actions if _is_set(action.text))
        if actions is not None
        else frozenset(),
    )


def _is_set(text: str | None) -> bool:
    return (text or "0").strip() not in ("0", "")


def _read_box(
    node: ElementTree.Element, number: int, path: Path
) -> tuple[float, float, float, float]:
    """The box of an object; the boxes of its parts are ignored."""
    texts = [node.findtext(f"bndbox/{corner}") for corner in _CORNERS]
    try:
        left, top, right, bottom = (float(str(text)) for text in texts)
    except ValueError:
        raise BadDataError(
            f"{path}: object {number} has no complete box: "
            f"{dict(zip(_CORNERS, texts, strict=True))}",
            "Every object needs a <bndbox> of four numbers: xmin, ymin, xmax, ymax.",
        ) from None
    if not (math.isfinite(right - left + bottom - top) and right >= left and bottom >= top):
        raise BadDataError(
            f"{path}: the box of object {number} ends before it begins: {left:g}, {top:g}, "
            f"{right:g}, {bottom:g}",
            "The corners are numbers in px; xmax must be at least xmin, and ymax at least ymin.",
        )
    return left, top, right, bottom
