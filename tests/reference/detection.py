"""Slow, obvious versions of how detections are judged and of their average precision: every
detection against every box.

Corners are whole pixels and belong to the box. The tie of two scores decides nothing here that
average precision could see: of two equal claims to one box one is right and one is wrong, whichever
    comes first, and both lie on the same step.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from reference import average_precision

Box = tuple[int, int, int, int]  # xmin, ymin, xmax, ymax


class Truth(NamedTuple):
    """A box that is there."""

    image: int
    label: int
    box: Box
    difficult: bool = False


class Found(NamedTuple):
    """A detection."""

    image: int
    label: int
    box: Box
    score: float


def num_pixels(box: Box) -> int:
    """Columns times rows; both corners count."""
    xmin, ymin, xmax, ymax = box
    return len(range(xmin, xmax + 1)) * len(range(ymin, ymax + 1))


def overlap(a: Box, b: Box) -> Fraction:
    """Pixels in both over pixels in either; a range that ends before it begins is empty."""
    columns = range(max(a[0], b[0]), min(a[2], b[2]) + 1)
    rows = range(max(a[1], b[1]), min(a[3], b[3]) + 1)
    shared = len(columns) * len(rows)
    return Fraction(shared, num_pixels(a) + num_pixels(b) - shared)


def judge(truth: Sequence[Truth], found: Sequence[Found]) -> list[bool | None]:
    """Whether each detection is right; None where it counts neither way.

    From the highest score down: the box of the same image and class with the largest overlap, the
    first of equals, is the one that the detection is judged by, whatever else it overlaps. Half or
    less: wrong. A difficult box: neither. A box that was hit before: wrong.
    """
    verdicts: list[bool | None] = [None] * len(found)
    hit: set[int] = set()
    for i in sorted(range(len(found)), key=lambda i: found[i].score, reverse=True):
        best, most = None, Fraction(0)
        for g, there in enumerate(truth):
            if (
                there.image == found[i].image
                and there.label == found[i].label
                and overlap(there.box, found[i].box) > most
            ):
                best, most = g, overlap(there.box, found[i].box)
        if best is None or most <= Fraction(1, 2):
            verdicts[i] = False
        elif not truth[best].difficult:
            verdicts[i] = best not in hit
            hit.add(best)
    return verdicts


def average_precisions(
    truth: Sequence[Truth], found: Sequence[Found], num_classes: int, rule: str
) -> list[float]:
    """Percent of each class; nan of one without a box that is not difficult."""
    verdicts = judge(truth, found)
    each = []
    for c in range(num_classes):
        scores, hits = [], []
        for one, verdict in zip(found, verdicts, strict=True):
            if one.label == c and verdict is not None:
                scores.append(one.score)
                hits.append(verdict)
        num_positives = 0
        for there in truth:
            if there.label == c and not there.difficult:
                num_positives += 1
        each.append(average_precision.RULES[rule](scores, hits, num_positives))
    return each
