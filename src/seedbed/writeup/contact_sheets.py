"""Contact sheets: detections in some test images, and the first ranks of some queries.

In: a task and the predictions of an outcome. Out: a JPEG as bytes with a caption. Every arm is
shown on the same images.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from seedbed.base.randomness import mix, stream
from seedbed.data.annotations import Boxes
from seedbed.data.voc_annotations import to_voc_boxes
from seedbed.data.whole_images import decode_whole
from seedbed.metrics.detection import MIN_OVERLAP, overlaps
from seedbed.tasks.detection import DetectionTask
from seedbed.tasks.retrieval import RetrievalTask
from seedbed.writeup.box_drawing import Box, draw_boxes

if TYPE_CHECKING:
    from PIL import Image

# lowest score of the boxes that are drawn
MIN_SCORE = 0.5
_NUM_IMAGES, _IMAGE_PX = 3, 280
_NUM_QUERIES, _NUM_RANKS, _TILE_PX, _GAP_PX, _FRAME_PX = 5, 8, 64, 3, 3
_GREEN, _ORANGE, _GREY = "#12946b", "#d9620d", (128, 128, 128)


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A picture and its caption."""

    jpeg: bytes
    width_px: int
    height_px: int
    caption: str


def detections_sheet(
    task: DetectionTask, predictions: Mapping[str, np.ndarray], num: int = _NUM_IMAGES
) -> Sheet:
    """Some test images with their detections, and with missed objects dashed."""
    from PIL import Image

    chosen = _choose_images(task.store.hashes[task.test], num)
    tiles = [_tile_with_boxes(task, int(i), predictions) for i in chosen]
    width = sum(t.width for t in tiles) + _GAP_PX * (len(tiles) - 1)
    sheet = Image.new("RGB", (width, max(t.height for t in tiles)), _GREY)
    left = 0
    for tile in tiles:
        sheet.paste(tile, (left, 0))
        left += tile.width + _GAP_PX
    names = ", ".join(str(task.store.ids[task.test[i]]).rpartition("/")[2] for i in chosen)
    is_chosen = np.isin(predictions["detections.images"], chosen)
    best = float(predictions["detections.scores"][is_chosen].max(initial=0.0))
    none = "" if best >= MIN_SCORE else f" (none: the highest score is {best:.2f})"
    return _sheet(
        sheet, f"{names}: detections with a score of at least {MIN_SCORE:g}{none}; dashed: missed"
    )


def _tile_with_boxes(
    task: DetectionTask, position: int, predictions: Mapping[str, np.ndarray]
) -> Image.Image:
    row = int(task.test[position])
    picture, width, height = decode_whole(
        task.store.encoded(row), _IMAGE_PX, 2 * _IMAGE_PX, white=task.store.white
    )
    scale = np.array([picture.shape[1] / width, picture.shape[0] / height] * 2)
    shown = np.flatnonzero(
        (predictions["detections.images"] == position)
        & (predictions["detections.scores"] >= MIN_SCORE)
    )
    labels, corners, scores = (
        predictions[f"detections.{name}"][shown] for name in ("labels", "corners", "scores")
    )
    boxes = [
        Box(corners=_corners(box * scale), class_index=label, dashed=True)
        for label, box in _missed_objects(task, row, labels, corners)
    ]
    by_score = sorted(zip(labels, corners, scores, strict=True), key=lambda one: one[2])
    for label, box, score in by_score:
        text = f"{task.classes[label]} {100 * score:.0f}"
        boxes.append(Box(corners=_corners(box * scale), class_index=int(label), label=text))
    return draw_boxes(picture, boxes)


def _missed_objects(
    task: DetectionTask, row: int, labels: np.ndarray, corners: np.ndarray
) -> Iterator[tuple[int, np.ndarray]]:
    """Label and corners of each object that no detection of its class overlaps enough.

    Difficult objects are left out.
    """
    truth = task.store.annotations
    assert isinstance(truth, Boxes)
    for i in truth.boxes_of_image(row):
        label = int(truth.labels[i])
        if task.class_of_label is not None:
            label = int(task.class_of_label[label])
        of_class = to_voc_boxes(corners[labels == label])
        repeated = np.repeat(to_voc_boxes(truth.corners[i : i + 1]), len(of_class), 0)
        is_detected = (overlaps(repeated, of_class) > MIN_OVERLAP).any()
        if not is_detected and not truth.difficult[i]:
            yield label, truth.corners[i]


def _corners(values: np.ndarray) -> tuple[float, float, float, float]:
    left, top, right, bottom = (float(v) for v in values)
    return left, top, right, bottom


def retrieval_sheet(
    task: RetrievalTask, predictions: Mapping[str, np.ndarray], num: int = _NUM_QUERIES
) -> Sheet:
    """Some queries with their first ranks: correct ones framed in green, wrong ones in orange."""
    from PIL import Image

    chosen = _choose_images(task.store.hashes[task.test], num)
    ranked, relevant = predictions["ranked"], predictions["right"]
    num_ranks = min(_NUM_RANKS, ranked.shape[1])
    side = _TILE_PX + 2 * _FRAME_PX
    width = (num_ranks + 1) * (side + _GAP_PX) + 2 * _GAP_PX
    sheet = Image.new("RGB", (width, len(chosen) * (side + _GAP_PX) - _GAP_PX), "white")
    counts = []
    for line, i in enumerate(chosen):
        top = line * (side + _GAP_PX)
        sheet.paste(_tile(task, int(task.test[i])), (_FRAME_PX, top + _FRAME_PX))
        of_query = relevant[i][:num_ranks]
        # Skip empty ranks and images that do not count.
        for rank in np.flatnonzero((ranked[i][:num_ranks] >= 0) & (of_query >= 0)):
            frame = Image.new("RGB", (side, side), _GREEN if of_query[rank] > 0 else _ORANGE)
            frame.paste(_tile(task, int(task.gallery[ranked[i][rank]])), (_FRAME_PX, _FRAME_PX))
            sheet.paste(frame, ((int(rank) + 1) * (side + _GAP_PX) + 2 * _GAP_PX, top))
        counts.append(f"{(of_query > 0).sum()} of the first {num_ranks} correct")
    return _sheet(
        sheet,
        "Queries at the left, their first ranks beside them, correct in green, wrong in orange: "
        + "; ".join(counts),
    )


def _tile(task: RetrievalTask, row: int) -> Image.Image:
    from PIL import Image

    store = task.store
    pixels_hw3 = store.decoded(row, _TILE_PX) if store.is_encoded else np.asarray(store.pixels[row])
    return Image.fromarray(pixels_hw3).resize((_TILE_PX, _TILE_PX))


def _choose_images(hashes: np.ndarray, num: int) -> np.ndarray:
    """Positions of some images, the same for every arm: the lowest ranks of a random draw."""
    return np.sort(np.argsort(mix(hashes, stream(0, "sheet")))[:num])


def _sheet(picture: Image.Image, caption: str) -> Sheet:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=85)
    return Sheet(
        jpeg=file.getvalue(), width_px=picture.width, height_px=picture.height, caption=caption
    )
