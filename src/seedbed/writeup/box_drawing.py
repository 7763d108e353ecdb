"""Boxes drawn on pictures: detections and missed objects.

In: pixels and boxes. Out: pictures. A colour per class; detections have a solid line, missed
objects a dashed one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from seedbed.base.errors import BadDataError

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

    from seedbed.readout.prediction import Prediction

# Distinct on light and on dark pictures; assigned to classes in order, cyclically.
COLOURS = ("#e6194b", "#1f77ff", "#ffb000", "#00b140", "#b04de0", "#00b8c4", "#ff7f0e", "#8c564b")
_DASH_PX = 6
Corners = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class Box:
    """A box to draw; corners in px of the picture."""

    corners: Corners
    # index of its class
    class_index: int
    label: str = ""
    dashed: bool = False


def draw_boxes(pixels: np.ndarray, boxes: Sequence[Box]) -> Image.Image:
    """Draw boxes on a picture uint8 [h, w, 3]."""
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.fromarray(np.asarray(pixels))
    canvas = ImageDraw.Draw(picture)
    width = max(1, round(min(picture.size) / 160))
    font = ImageFont.load_default(max(9, round(min(picture.size) / 34)))
    for box in boxes:
        colour = COLOURS[box.class_index % len(COLOURS)]
        left, top, right, bottom = (round(c) for c in box.corners)
        if box.dashed:
            _dashed_rectangle(canvas, (left, top, right, bottom), colour, width)
        else:
            canvas.rectangle(
                (left, top, max(left, right - 1), max(top, bottom - 1)), outline=colour, width=width
            )
        if box.label:
            anchor = "lb" if top > 14 else "lt"
            area = canvas.textbbox((left, top), box.label, font=font, anchor=anchor)
            canvas.rectangle((area[0] - 1, area[1] - 1, area[2] + 1, area[3] + 1), fill=colour)
            canvas.text((left, top), box.label, fill="white", font=font, anchor=anchor)
    return picture


def _dashed_rectangle(
    canvas: ImageDraw.ImageDraw, corners: tuple[int, int, int, int], colour: str, width: int
) -> None:
    left, top, right, bottom = corners
    for start in range(left, right, 2 * _DASH_PX):
        for y in (top, bottom - 1):
            canvas.line((start, y, min(start + _DASH_PX, right - 1), y), fill=colour, width=width)
    for start in range(top, bottom, 2 * _DASH_PX):
        for x in (left, right - 1):
            canvas.line((x, start, x, min(start + _DASH_PX, bottom - 1)), fill=colour, width=width)


def draw_files(predictions: Sequence[Prediction], classes: Sequence[str], folder: Path) -> None:
    """Draw the boxes of each file that was read, and save it in a folder as PNG of the same name.

    Files of equal names are numbered.
    """
    from PIL import Image, ImageOps

    class_index = {label: i for i, label in enumerate(classes)}
    used_names: set[str] = set()
    for prediction in predictions:
        if prediction.boxes is None or prediction.error:
            continue
        try:
            with Image.open(prediction.path) as image:
                pixels = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        except OSError as error:
            raise BadDataError(
                f"cannot read {prediction.path} any more: {error}", "Run the command again."
            ) from None
        boxes = [
            Box(
                corners=b.corners,
                class_index=class_index[b.label],
                label=f"{b.label} {100 * b.probability:.0f}",
            )
            for b in reversed(prediction.boxes)
        ]
        name = _unused_name(Path(prediction.path).stem, used_names)
        draw_boxes(pixels, boxes).save(folder / name, "PNG")


def _unused_name(stem: str, used: set[str]) -> str:
    """`stem.png`, or `stem-2.png` and so on; adds the name to `used`."""
    candidates = (f"{stem}.png", *(f"{stem}-{i}.png" for i in range(2, len(used) + 3)))
    name = next(n for n in candidates if n not in used)
    used.add(name)
    return name
