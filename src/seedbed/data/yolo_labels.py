"""Read YOLO's label files: a line for each object, its class and its box as shares of the image.

In: the text of label files. Out: classes and boxes, as edges in shares of width and height. What is
passed over is counted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from seedbed.base.errors import BadDataError
from seedbed.data.boxed_images import Corners
from seedbed.data.note_counter import NoteCounter

_NUM_BOX = 5  # class, centre x, centre y, width, height
_NUM_POLYGON = 7  # class and three points
# Values are written with a few digits, so that a box may end a little outside.
_TOLERANCE = 0.001
_POLYGON = "{num} box{es} around a polygon"
_KEYPOINTS = "{num} label{s} with keypoints, of which the box is read"
_NO_AREA = "{num} box{es} without area left out"


class YoloBox(NamedTuple):
    """One object: its class, and edges from 0 to 1 in the upright image; None without area."""

    label: str
    corners: Corners | None


@dataclass(kw_only=True)
class LabelReader:
    """Reads label files of one data set."""

    names: Mapping[int, str]  # number of a class -> its name; empty: numbers are names
    num_keypoint_values: int  # values behind each box that are no box; 0 without keypoints
    counter: NoteCounter  # receives what is passed over
    outside: list[str] = field(default_factory=list)  # lines with values outside of 0 to 1

    def read(self, path: Path) -> list[YoloBox]:
        """The objects of an image; raises BadDataError for a line that is no label."""
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError:
            raise BadDataError(f"{path} is not UTF-8 text", "Export the labels again.") from None
        return [
            self._read_line(line.split(), f"{path}, line {number}")
            for number, line in enumerate(lines, 1)
            if line.strip()
        ]

    def refuse_outside(self) -> None:
        """Raise BadDataError if values were outside of 0 to 1."""
        if self.outside:
            num = len(self.outside)
            lines = "1 label has" if num == 1 else f"{num:,} labels have"
            raise BadDataError(
                f"{lines} values outside of 0 to 1, the first in {self.outside[0]}",
                "YOLO's values are shares of the width and height of the image, and not px: "
                "export the labels again, or correct these lines.",
            )

    def _read_line(self, texts: list[str], place: str) -> YoloBox:
        try:
            values = [float(text) for text in texts]
        except ValueError:
            values = []
        if not values or not all(map(math.isfinite, values)):
            raise BadDataError(
                f"{place}: {' '.join(texts)[:80]!r} is not a class and a box",
                "A line is five numbers: the number of the class, x and y of the centre, width, "
                "height.",
            )
        label = self._class_name(values[0], place)
        if self.num_keypoint_values and len(values) == _NUM_BOX + self.num_keypoint_values:
            self.counter.add(_KEYPOINTS, place)
            values = values[:_NUM_BOX]
        if len(values) == _NUM_BOX + 1:
            raise BadDataError(
                f"{place} has six numbers: a class, a box, and a confidence",
                "These are detections of a network. Labels have five numbers: export without "
                "confidences (save_conf=False).",
            )
        if len(values) == _NUM_BOX:
            x, y, width, height = values[1:]
            corners = x - width / 2, y - height / 2, x + width / 2, y + height / 2
        elif len(values) >= _NUM_POLYGON and len(values) % 2 == 1:
            corners = min(values[1::2]), min(values[2::2]), max(values[1::2]), max(values[2::2])
            self.counter.add(_POLYGON, place)
        else:
            raise BadDataError(
                f"{place} has {len(values)} numbers",
                "A box has five: the number of the class, x and y of the centre, width, height. A "
                "polygon has a class and three points or more.",
            )
        if not all(-_TOLERANCE <= value <= 1 + _TOLERANCE for value in values[1:]):
            self.outside.append(f"{place}: {' '.join(texts)[:80]}")
        if not (corners[2] > corners[0] and corners[3] > corners[1]):
            self.counter.add(_NO_AREA, place)
            return YoloBox(label, None)
        return YoloBox(label, corners)

    def _class_name(self, value: float, place: str) -> str:
        number = int(value)
        if value == number and not self.names and number >= 0:
            return str(number)
        if value != number or number not in self.names:
            valid = ", ".join(f"{i} {name}" for i, name in sorted(self.names.items()))
            raise BadDataError(
                f"{place}: {value:g} is not the number of a class",
                f"Classes: {valid}." if valid else "Classes are numbered from 0.",
            )
        return self.names[number]


def is_label_file(path: Path) -> bool:
    """Whether the first line of a file is a class and a box, or a polygon; false for an empty
    file."""
    try:
        with path.open("rb") as file:
            line = file.readline(4096).decode("utf-8-sig")
        values = [float(text) for text in line.split()]
    except (OSError, ValueError):  # UnicodeDecodeError is a ValueError
        return False
    return len(values) >= _NUM_BOX and values[0] == int(values[0]) >= 0 and max(values[1:]) <= 1.5
