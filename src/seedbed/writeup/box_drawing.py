"""Boxes drawn on pictures: what a detector found, and what is there.

In: pixels and boxes. Out: pictures. A colour for each class; what was found has a whole line, what
is there and was not found a dashed one.
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

# Distinct on light and dark pictures alike; classes take them in order, again from the first when
# they run out.
COLOURS = ("#e6194b", "#1f77ff", "#ffb000", "#00b140", "#b04de0", "#00b8c4", "#ff7f0e", "#8c564b")
_DASH_PX = 6
Corners = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A box to draw: edges in px of the picture, the number of its class, what stands at it, and
    whether its line is dashed."""

    corners: Corners
    number: int
    words: str = ""
    dashed: bool = False


def draw(pixels: np.ndarray, boxes: Sequence[Drawn]) -> Image.Image:
    """A picture uint8 [h, w, 3] with boxes on it."""
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.fromarray(np.asarray(pixels))
    canvas = ImageDraw.Draw(picture)
    width = max(1, round(min(picture.size) / 160))
    font = ImageFont.load_default(max(9, round(min(picture.size) / 34)))
    for box in boxes:
        colour = COLOURS[box.number % len(COLOURS)]
        left, top, right, bottom = (round(c) for c in box.corners)
        if box.dashed:
            _dashed(canvas, (left, top, right, bottom), colour, width)
        else:
            canvas.rectangle(
                (left, top, max(left, right - 1), max(top, bottom - 1)), outline=colour, width=width
            )
        if box.words:
            place = canvas.textbbox(
                (left, top), box.words, font=font, anchor="lb" if top > 14 else "lt"
            )
            canvas.rectangle((place[0] - 1, place[1] - 1, place[2] + 1, place[3] + 1), fill=colour)
            canvas.text(
                (left, top), box.words, fill="white", font=font, anchor="lb" if top > 14 else "lt"
            )
    return picture


def _dashed(
    canvas: ImageDraw.ImageDraw, corners: tuple[int, int, int, int], colour: str, width: int
) -> None:
    left, top, right, bottom = corners
    for start in range(left, right, 2 * _DASH_PX):
        for y in (top, bottom - 1):
            canvas.line((start, y, min(start + _DASH_PX, right - 1), y), fill=colour, width=width)
    for start in range(top, bottom, 2 * _DASH_PX):
        for x in (left, right - 1):
            canvas.line((x, start, x, min(start + _DASH_PX, bottom - 1)), fill=colour, width=width)


def draw_files(found: Sequence[Prediction], classes: Sequence[str], folder: Path) -> None:
    """Draw the boxes of each file that was read, as PNG of the same name in a folder; a name that
    stands twice gets a number."""
    from PIL import Image, ImageOps

    place = {label: i for i, label in enumerate(classes)}
    taken: set[str] = set()
    for one in found:
        if one.boxes is None or one.error:
            continue
        try:
            with Image.open(one.path) as image:
                pixels = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        except OSError as error:
            raise BadDataError(
                f"cannot read {one.path} any more: {error}", "Run it again."
            ) from None
        boxes = [
            Drawn(
                corners=b.corners,
                number=place[b.label],
                words=f"{b.label} {100 * b.probability:.0f}",
            )
            for b in reversed(one.boxes)
        ]
        draw(pixels, boxes).save(folder / _free_name(Path(one.path).stem, taken), "PNG")


def _free_name(stem: str, taken: set[str]) -> str:
    name = next(
        n for n in (f"{stem}.png", *(f"{stem}-{i}.png" for i in range(2, 10**6))) if n not in taken
    )
    taken.add(name)
    return name
