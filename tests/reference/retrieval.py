"""Slow, obvious versions of what retrieval is measured by, in exact fractions."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from fractions import Fraction


def oxford_ap(ranked: Sequence[int], positives: Collection[int], junk: Collection[int]) -> float:
    """Percent, walked as the program that came with Oxford Buildings walks the ranking: nan without
    a positive.

    Junk is passed over as if it were not there. Every other image moves the curve of precision
    against recall on by one point, from recall 0 and precision 1 on, and adds the trapezoid under
    that move; one that is wrong moves it straight down and adds nothing.
    """
    if not positives:
        return math.nan
    area, num_right, num_seen = Fraction(0), 0, 0
    old_recall, old_precision = Fraction(0), Fraction(1)
    for image in ranked:
        if image in junk:
            continue
        num_seen += 1
        if image in positives:
            num_right += 1
        recall, precision = Fraction(num_right, len(positives)), Fraction(num_right, num_seen)
        area += (recall - old_recall) * (old_precision + precision) / 2
        old_recall, old_precision = recall, precision
    return float(100 * area)


def holidays_ap(ranked: Sequence[int], query: int, positives: Collection[int]) -> float:
    """Percent: the query is struck from its ranking, and each right image adds a trapezoid as wide
    as 1 / positives.

    Its left side is the precision of all that stands before the image (1 where nothing does), its
    right side that with the image.
    """
    others = [image for image in ranked if image != query]
    area = Fraction(0)
    for place, image in enumerate(others):
        if image in positives:
            right_before = sum(other in positives for other in others[:place])
            left = Fraction(right_before, place) if place else Fraction(1)
            right = Fraction(right_before + 1, place + 1)
            area += Fraction(1, len(positives)) * (left + right) / 2
    return float(100 * area)


def group_hits(ranked: Sequence[int], groups: Sequence[int], own: int, num: int) -> int:
    """How many of the first `num` images are of the group `own`: one query's N-S score where num is
    4 and the query is ranked too."""
    found = 0
    for image in ranked[:num]:
        if groups[image] == own:
            found += 1
    return found


def recall_at(ranked: Sequence[int], groups: Sequence[int], own: int, num: int) -> float:
    """100 if any of the first `num` images is of the group `own`, else 0."""
    return 100.0 if group_hits(ranked, groups, own, num) else 0.0
