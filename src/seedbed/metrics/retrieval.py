"""Retrieval: how high the right images stand in rankings.

In: for each query the places of its right images among those that count. Out: each query's average
precision, N-S score or recall; a metric is their mean over queries. Pure functions on arrays.

Average precision is the area under the curve of precision against recall by trapezoids, as the
programs that came with Oxford Buildings (Philbin et al. 2007) and Holidays (Jegou et al. 2008)
compute it; not VOC's. Junk images are left out of a ranking before places are counted, and on
Holidays the query itself is. N-S score: Nister and Stewenius 2006.
"""

from __future__ import annotations

from collections.abc import Sequence, Set

import numpy as np

GROUP = 4  # images of one object in UKBench


def trapezoid_ap(places: np.ndarray, num_positives: int) -> float:
    """Average precision of one query in percent; nan where it has no right image.

    Args:
        places: int [k], where its right images stand, 0 the first; k is below `num_positives` where
            some are not in the ranking.
        num_positives: of the query, found or not.

    Example:
        >>> import numpy as np
        >>> trapezoid_ap(np.array([0, 2]), 2)
        79.16666666666666
    """
    if not num_positives:
        return float("nan")
    ordered = np.sort(np.asarray(places, np.int64))
    assert len(ordered) <= num_positives, "more right images were found than there are"
    return float(100.0 * _areas(np.arange(1, len(ordered) + 1), ordered + 1).sum() / num_positives)


def _areas(found: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Under the curve at each right image, in steps of recall: the n-th found (from 1) at its place
    (from 1)."""
    # precision just above it
    before = np.where(places > 1, (found - 1) / np.maximum(places - 1, 1), 1.0)
    return (before + found / places) / 2


def places_of(
    ranked: Sequence[object],
    positives: Set[object],
    junk: Set[object] = frozenset(),
    places: Sequence[int] | None = None,
) -> np.ndarray:
    """Where the positives stand in a ranking without its junk; an image that stands in it again
    counts at its first place: int64 [k].

    Args:
        places: of what is listed, ascending from 0, where some places are left out of the list;
            else one after the other.
    """
    found, omitted, seen = [], 0, set()
    for place, one in zip(range(len(ranked)) if places is None else places, ranked, strict=True):
        if one in junk or one in seen:
            omitted += 1
            continue
        seen.add(one)
        if one in positives:
            found.append(place - omitted)
    return np.array(found, np.int64)


def trapezoid_aps(relevant: np.ndarray, num_positives: np.ndarray) -> np.ndarray:
    """`trapezoid_ap` of many rankings at once, in percent: float64 [q], nan where there is no right
    image.

    Args:
        relevant: int8 [q, n], the best first: 1 right, 0 wrong, -1 left out before places are
            counted.
        num_positives: int [q], of each query, found or not.
    """
    queries, columns = np.nonzero(relevant > 0)
    places = np.cumsum(relevant >= 0, axis=1, dtype=np.int32)[queries, columns]  # from 1
    found = np.arange(len(queries)) - np.searchsorted(queries, queries) + 1
    areas = np.bincount(queries, _areas(found, places), minlength=len(relevant))
    return np.where(num_positives > 0, 100.0 * areas / np.maximum(num_positives, 1), np.nan)


def group_hits(right: np.ndarray, num: int = GROUP) -> np.ndarray:
    """How many of the first `num` of each ranking are right, the query itself included: int64 [q],
    0..num.

    Args:
        right: bool [q, >=num], the best first: whether what stands there is of the query's own
            group.
    """
    assert right.shape[1] >= num, f"a ranking of {right.shape[1]} has no first {num}"
    return right[:, :num].sum(1)


def recall_at(right: np.ndarray, num: int) -> np.ndarray:
    """Whether one of the first `num` is right, in percent: bool [q, n] -> float64 [q], 0 or 100;
    the query is in no ranking."""
    return np.where(right[:, :num].any(1), 100.0, 0.0)
