"""Slow, obvious versions of VOC's average precision: exact fractions, and one loop over all
decisions for each distinct score.

Tied scores are one step: a threshold takes all of them or none. So precision and recall are looked
at only at "score >= t" for the distinct scores t, and the order of the decisions cannot matter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction


def points(scores: Sequence[float], hits: Sequence[bool]) -> list[tuple[int, int]]:
    """How many of the decisions at or above each distinct score are right, and how many there are;
    the highest score first."""
    found = []
    for threshold in sorted(set(scores), reverse=True):
        right = made = 0
        for score, hit in zip(scores, hits, strict=True):
            if score >= threshold:
                made += 1
                if hit:
                    right += 1
        found.append((right, made))
    return found


def best_precision(
    steps: Sequence[tuple[int, int]], num_positives: int, recall: Fraction
) -> Fraction:
    """The highest precision of any threshold that has this recall or a higher one; 0 where none
    has."""
    best = Fraction(0)
    for right, made in steps:
        if Fraction(right, num_positives) >= recall:
            best = max(best, Fraction(right, made))
    return best


def voc07(scores: Sequence[float], hits: Sequence[bool], num_positives: int) -> float:
    """Percent: the mean of the best precision at recalls of 0, 1/10, ..., 1; nan without a
    positive."""
    if num_positives == 0:
        return math.nan
    steps = points(scores, hits)
    total = Fraction(0)
    for j in range(11):
        total += best_precision(steps, num_positives, Fraction(j, 10))
    return float(100 * total / 11)


def voc10(scores: Sequence[float], hits: Sequence[bool], num_positives: int) -> float:
    """Percent: the area under the best precision at each recall; nan without a positive.

    Recall can only be 0, 1/P, 2/P, ..., 1 for P positives, so the area is P strips of width 1/P,
    each as high as at its right edge.
    """
    if num_positives == 0:
        return math.nan
    steps = points(scores, hits)
    area = Fraction(0)
    for i in range(1, num_positives + 1):
        area += Fraction(1, num_positives) * best_precision(
            steps, num_positives, Fraction(i, num_positives)
        )
    return float(100 * area)


RULES = {"voc07": voc07, "voc10": voc10}


def of_marks(
    marks: Sequence[Sequence[int]], scores: Sequence[Sequence[float]], num_classes: int, rule: str
) -> list[float]:
    """Of each class over images: a mark of 1 is a positive, -1 a negative, 0 difficult, as if the
    image were not there."""
    found = []
    for c in range(num_classes):
        kept_scores, hits = [], []
        for image_marks, image_scores in zip(marks, scores, strict=True):
            if image_marks[c] != 0:
                kept_scores.append(image_scores[c])
                hits.append(image_marks[c] == 1)
        found.append(RULES[rule](kept_scores, hits, sum(hits)))
    return found


def mean(each: Sequence[float]) -> float:
    """Over the classes that have a positive; nan where none has."""
    known = [one for one in each if not math.isnan(one)]
    return sum(known) / len(known) if known else math.nan
