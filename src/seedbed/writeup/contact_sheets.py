"""Sheets of pictures: what detectors found in some test images, and what was ranked first for some
queries.

In: a task and the predictions of an outcome. Out: JPEG as bytes with what it shows in words. The
images are the same for every arm. Knows nothing of studies.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from seedbed.base.randomness import mix, stream
from seedbed.data.annotations import Boxes
from seedbed.data.decode import decode, decode_whole
from seedbed.data.voc_layout import pixels
from seedbed.metrics.detection import MIN_OVERLAP, overlaps
from seedbed.tasks.detection import DetectionTask
from seedbed.tasks.retrieval import RetrievalTask
from seedbed.writeup.box_drawing import Drawn, draw

if TYPE_CHECKING:
    from PIL import Image

ABOVE = 0.5  # scores of boxes that are drawn
_NUM_IMAGES, _IMAGE_PX = 3, 280
_NUM_QUERIES, _NUM_RANKS, _TILE_PX, _GAP_PX, _FRAME_PX = 5, 8, 64, 3, 3
_RIGHT, _WRONG, _GAP = "#12946b", "#d9620d", (128, 128, 128)


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A picture and what it shows."""

    jpeg: bytes
    width_px: int
    height_px: int
    words: str


def detections_sheet(
    task: DetectionTask, found: Mapping[str, np.ndarray], num: int = _NUM_IMAGES
) -> Sheet:
    """Some test images with what was found at a score of a half and more, and dashed what was
    missed."""
    from PIL import Image

    chosen = _some(task.store.hashes[task.test], num)
    tiles = [_with_boxes(task, int(i), found) for i in chosen]
    width = sum(t.width for t in tiles) + _GAP_PX * (len(tiles) - 1)
    sheet = Image.new("RGB", (width, max(t.height for t in tiles)), _GAP)
    left = 0
    for tile in tiles:
        sheet.paste(tile, (left, 0))
        left += tile.width + _GAP_PX
    told = ", ".join(str(task.store.ids[task.test[i]]).rpartition("/")[2] for i in chosen)
    mine = np.isin(found["detections.images"], chosen)
    best = float(found["detections.scores"][mine].max(initial=0.0))
    none = "" if best >= ABOVE else f" (there are none: the highest score is {best:.2f})"
    return _sheet(
        sheet,
        f"{told}: boxes found with a score of {ABOVE:g} or more{none}; dashed, boxes that were missed",
    )


def _with_boxes(task: DetectionTask, position: int, found: Mapping[str, np.ndarray]) -> Image.Image:
    row = int(task.test[position])
    picture, width, height = decode_whole(task.store.encoded(row), _IMAGE_PX, 2 * _IMAGE_PX)
    scale = np.array([picture.shape[1] / width, picture.shape[0] / height] * 2)
    mine = np.flatnonzero(
        (found["detections.images"] == position) & (found["detections.scores"] >= ABOVE)
    )
    labels, corners, scores = (
        found[f"detections.{name}"][mine] for name in ("labels", "corners", "scores")
    )
    truth = task.store.annotations
    assert isinstance(truth, Boxes)
    there = truth.of_image(row)
    drawn: list[Drawn] = []
    for i in there:
        label = int(
            truth.labels[i] if task.class_of_label is None else task.class_of_label[truth.labels[i]]
        )
        same = corners[labels == label]
        is_found = (
            len(same)
            and (
                overlaps(np.repeat(pixels(truth.corners[i : i + 1]), len(same), 0), pixels(same))
                > MIN_OVERLAP
            ).any()
        )
        if not is_found and not truth.difficult[i]:
            drawn.append(
                Drawn(corners=_corners(truth.corners[i] * scale), number=label, dashed=True)
            )
    for label, box, score in sorted(
        zip(labels, corners, scores, strict=True), key=lambda one: one[2]
    ):
        words = f"{task.classes[label]} {100 * score:.0f}"
        drawn.append(Drawn(corners=_corners(box * scale), number=int(label), words=words))
    return draw(picture, drawn)


def _corners(values: np.ndarray) -> tuple[float, float, float, float]:
    left, top, right, bottom = (float(v) for v in values)
    return left, top, right, bottom


def retrieval_sheet(
    task: RetrievalTask, found: Mapping[str, np.ndarray], num: int = _NUM_QUERIES
) -> Sheet:
    """Some queries, each at the left of what was ranked first: right ones framed in green, wrong
    ones in orange."""
    from PIL import Image

    chosen = _some(task.store.hashes[task.test], num)
    ranks = min(_NUM_RANKS, found["ranked"].shape[1])
    side = _TILE_PX + 2 * _FRAME_PX
    sheet = Image.new(
        "RGB",
        ((ranks + 1) * (side + _GAP_PX) + 2 * _GAP_PX, len(chosen) * (side + _GAP_PX) - _GAP_PX),
        "white",
    )
    told = []
    for line, i in enumerate(chosen):
        top = line * (side + _GAP_PX)
        sheet.paste(_tile(task, int(task.test[i])), (_FRAME_PX, top + _FRAME_PX))
        right = found["right"][i][:ranks]
        # found, and not left out of the ranking
        for rank in np.flatnonzero((found["ranked"][i][:ranks] >= 0) & (right >= 0)):
            frame = Image.new("RGB", (side, side), _RIGHT if right[rank] > 0 else _WRONG)
            frame.paste(
                _tile(task, int(task.gallery[found["ranked"][i][rank]])), (_FRAME_PX, _FRAME_PX)
            )
            sheet.paste(frame, ((int(rank) + 1) * (side + _GAP_PX) + 2 * _GAP_PX, top))
        told.append(f"{(right > 0).sum()} of the first {ranks} right")
    return _sheet(
        sheet,
        f"Queries at the left, what was ranked first beside, right in green, wrong in orange: {'; '.join(told)}",
    )


def _tile(task: RetrievalTask, row: int) -> Image.Image:
    from PIL import Image

    store = task.store
    pixels_hw3 = (
        decode(store.encoded(row), _TILE_PX, store.fit)[0]
        if store.is_encoded
        else np.asarray(store.pixels[row])
    )
    return Image.fromarray(pixels_hw3).resize((_TILE_PX, _TILE_PX))


def _some(hashes: np.ndarray, num: int) -> np.ndarray:
    """Positions of some images, the same whatever is asked of them: the lowest ranks of a draw."""
    return np.sort(np.argsort(mix(hashes, stream(0, "sheet")))[:num])


def _sheet(picture: Image.Image, words: str) -> Sheet:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=85)
    return Sheet(
        jpeg=file.getvalue(), width_px=picture.width, height_px=picture.height, words=words
    )
