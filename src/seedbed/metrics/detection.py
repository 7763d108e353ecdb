"""Which detections are right, by the rules of PASCAL VOC.

In: true boxes and detected boxes of many images and classes. Out: `Decisions`, from which
`average_precision` computes AP.

The rules (py-faster-rcnn, the paper's code; docs/reference/metrics.md): a detection is matched with
the box of its class and image that it overlaps most, the first of equals. It is right if their
intersection over union is above 0.5, counted with the +1 of whole pixels, and no detection with a
higher score was matched with that box. A second match is wrong. A match with a difficult box does
not count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seedbed.base.errors import BadDataError
from seedbed.metrics.average_precision import Decisions, checked_scores

MIN_OVERLAP = 0.5  # intersection over union must be above it


@dataclass(frozen=True, kw_only=True)
class BoxRows:
    """Boxes of many images as rows; corners are pixels and belong to the box, so that (1, 1, 1, 1)
    is one pixel."""

    images: np.ndarray  # int [m]
    labels: np.ndarray  # int [m]
    boxes: np.ndarray  # float [m, 4]: xmin, ymin, xmax, ymax

    def __len__(self) -> int:
        return len(self.images)


def overlaps(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes row by row, with the +1 of whole pixels: float [m, 4], float
    [m, 4] -> float64 [m], 0..1."""
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    sides = np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]) + 1
    shared = np.clip(sides, 0, None).prod(1)
    areas = (a[:, 2:] - a[:, :2] + 1).prod(1) + (b[:, 2:] - b[:, :2] + 1).prod(1)
    return shared / (areas - shared)


def decisions_of_boxes(
    truth: BoxRows,
    difficult: np.ndarray,
    detections: BoxRows,
    scores: np.ndarray,
    num_images: int,
    num_classes: int,
) -> Decisions:
    """Match detections with true boxes.

    Args:
        truth: the true boxes; difficult: bool [g], of each.
        detections: the detected boxes; scores: float [m], of each, higher is more confident.
        num_images, num_classes: rows of both lie in 0..num_images-1 and 0..num_classes-1.
    """
    scores = _check(truth, detections, scores, num_images, num_classes)
    box, overlap = _best_boxes(truth, detections, num_classes)
    is_matched = overlap > MIN_OVERLAP
    counts = ~(is_matched & difficult[box]) if len(difficult) else np.ones(len(detections), bool)
    # Of the detections matched with one box, the one with the highest score is right.
    order = np.argsort(-scores, kind="stable")
    matched = order[is_matched[order]]
    _, first = np.unique(box[matched], return_index=True)
    hits = np.zeros(len(detections), bool)
    hits[matched[first]] = True
    positives = np.zeros((num_images, num_classes), np.int32)
    np.add.at(positives, (truth.images[~difficult], truth.labels[~difficult]), 1)
    return Decisions(
        units=detections.images[counts].astype(np.int32),
        classes=detections.labels[counts].astype(np.int32),
        scores=scores[counts],
        hits=hits[counts],
        positives=positives,
    )


def _check(
    truth: BoxRows, detections: BoxRows, scores: np.ndarray, num_images: int, num_classes: int
) -> np.ndarray:
    """The scores as float64; raises BadDataError for corners and scores that are not numbers."""
    for rows in (truth, detections):
        if not np.isfinite(rows.boxes).all():
            raise BadDataError(
                "some corners of boxes are not finite numbers", "A box is four finite numbers."
            )
        for values, end in ((rows.images, num_images), (rows.labels, num_classes)):
            assert not len(values) or (values.min() >= 0 and values.max() < end), (
                "a row of no image or class"
            )
    return checked_scores(scores)


def _best_boxes(
    truth: BoxRows, detections: BoxRows, num_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """For each detection the true box that it overlaps most, and by how much: int64 [m], float64
    [m] (-1 where its image has no box of its class)."""
    key = truth.images.astype(np.int64) * num_classes + truth.labels
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    keys = detections.images.astype(np.int64) * num_classes + detections.labels
    start, end = np.searchsorted(ordered, keys), np.searchsorted(ordered, keys, side="right")
    num = end - start
    box, overlap = np.zeros(len(detections), np.int64), np.full(len(detections), -1.0)
    some = np.flatnonzero(num)
    if not len(some):
        return box, overlap
    # Every pair of a detection and a true box of its image and class, detection by detection.
    pair_detections = np.repeat(some, num[some])
    firsts = np.concatenate([[0], np.cumsum(num[some])[:-1]])
    positions = np.arange(len(pair_detections))
    pair_boxes = order[positions - np.repeat(firsts, num[some]) + np.repeat(start[some], num[some])]
    each = overlaps(detections.boxes[pair_detections], truth.boxes[pair_boxes])
    highest = np.maximum.reduceat(each, firsts)
    is_best = each == np.repeat(highest, num[some])
    # The first of equals, in the order of the true boxes.
    places = np.where(is_best, positions, len(positions))
    box[some], overlap[some] = pair_boxes[np.minimum.reduceat(places, firsts)], highest
    return box, overlap
