"""Which detections are right, by the rules of PASCAL VOC.

In: boxes that are there and boxes that were found, of many images and classes. Out: decisions, of
which `average_precision` makes AP.

The rules (the paper's own code, py-faster-rcnn; docs/metrics.md): a detection belongs to the box of
its class and image that it overlaps most, the first of equals; it is right if their intersection
over union is above 0.5, counted with the +1 of whole pixels, and no detection with a higher score
took that box before. What belongs to a difficult box counts neither way. A second hit is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seedbed.base.errors import BadDataError
from seedbed.metrics.average_precision import Decisions

MIN_OVERLAP = 0.5  # exceeded, not reached


@dataclass(frozen=True, kw_only=True)
class BoxRows:
    """Boxes of many images as rows; corners are pixels and belong to the box, so that (1, 1, 1, 1)
    is one pixel."""

    images: np.ndarray  # int [m]
    labels: np.ndarray  # int [m]
    boxes: np.ndarray  # float [m, 4]: xmin, ymin, xmax, ymax

    def __len__(self) -> int:
        return len(self.images)


def overlaps(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes row by row, with the +1 of whole pixels: float [m, 4], float
    [m, 4] -> float64 [m], 0..1."""
    a, b = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    sides = np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]) + 1
    shared = np.clip(sides, 0, None).prod(1)
    areas = (a[:, 2:] - a[:, :2] + 1).prod(1) + (b[:, 2:] - b[:, :2] + 1).prod(1)
    return shared / (areas - shared)


def decisions_of_boxes(
    truth: BoxRows,
    difficult: np.ndarray,
    found: BoxRows,
    scores: np.ndarray,
    num_images: int,
    num_classes: int,
) -> Decisions:
    """What of the detections is right.

    Args:
        truth: the boxes that are there; difficult: bool [g] of them.
        found: the detections; scores: float [m] of them, higher is more confident.
        num_images, num_classes: rows of both lie in 0..num_images-1 and 0..num_classes-1.
    """
    scores = _checked(truth, found, scores, num_images, num_classes)
    box, overlap = _best(truth, found, num_classes)
    belongs = overlap > MIN_OVERLAP
    ignored = belongs & difficult[box] if len(difficult) else np.zeros(len(found), bool)
    order = np.argsort(-scores, kind="stable")
    claims = order[belongs[order]]
    _, first = np.unique(box[claims], return_index=True)
    hits = np.zeros(len(found), bool)
    hits[claims[first]] = True
    positives = np.zeros((num_images, num_classes), np.int32)
    np.add.at(positives, (truth.images[~difficult], truth.labels[~difficult]), 1)
    kept = ~ignored
    return Decisions(
        units=found.images[kept].astype(np.int32),
        classes=found.labels[kept].astype(np.int32),
        scores=scores[kept],
        hits=hits[kept],
        positives=positives,
    )


def _checked(
    truth: BoxRows, found: BoxRows, scores: np.ndarray, num_images: int, num_classes: int
) -> np.ndarray:
    """The scores as float64; raises BadDataError for what is no number."""
    for rows in (truth, found):
        if not np.isfinite(rows.boxes).all():
            raise BadDataError(
                "some corners of boxes are no numbers", "A box is four finite numbers."
            )
        for values, end in ((rows.images, num_images), (rows.labels, num_classes)):
            assert not len(values) or (values.min() >= 0 and values.max() < end), (
                "a row of no image or class"
            )
    given = np.asarray(scores, np.float64)
    if np.isnan(given).any():
        raise BadDataError("some scores are no numbers (nan)", "A ranking needs a number for each.")
    return given


def _best(truth: BoxRows, found: BoxRows, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """For each detection the row of the box that it overlaps most, and by how much: int64 [m],
    float64 [m] (-1 where there is none)."""
    key = truth.images.astype(np.int64) * num_classes + truth.labels
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    wanted = found.images.astype(np.int64) * num_classes + found.labels
    start, end = np.searchsorted(ordered, wanted), np.searchsorted(ordered, wanted, side="right")
    num = end - start
    box, overlap = np.zeros(len(found), np.int64), np.full(len(found), -1.0)
    some = np.flatnonzero(num)
    if not len(some):
        return box, overlap
    mine = np.repeat(some, num[some])
    firsts = np.concatenate([[0], np.cumsum(num[some])[:-1]])
    theirs = order[
        np.arange(len(mine)) - np.repeat(firsts, num[some]) + np.repeat(start[some], num[some])
    ]
    each = overlaps(found.boxes[mine], truth.boxes[theirs])
    highest = np.maximum.reduceat(each, firsts)
    is_best = each == np.repeat(highest, num[some])
    # The first of equals, in the order of the truth: rows of one key stand in it, and argmax takes
    # the first.
    places = np.where(is_best, np.arange(len(mine)), len(mine))
    box[some], overlap[some] = theirs[np.minimum.reduceat(places, firsts)], highest
    return box, overlap
