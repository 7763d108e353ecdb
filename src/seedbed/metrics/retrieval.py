"""Retrieval: how high the relevant images are ranked.

In: for each query the ranks of its relevant images. Out: each query's average precision, N-S score
or recall; a metric is their mean over queries. Tasks compute these values where the whole ranking
is at hand and store them as `unit.NAME`.

Average precision is the area under the precision-recall curve by trapezoids, as in the programs of
Oxford Buildings (Philbin et al. 2007) and Holidays (Jegou et al. 2008); it differs from VOC's. Junk
images are removed from a ranking before ranks are counted, on Holidays the query itself too.
N-S score: Nister and Stewenius 2006.
"""

from __future__ import annotations

from collections.abc import Sequence, Set

import numpy as np

from seedbed.metrics.metric import QUERIES, MeanMetric

GROUP = 4  # images of one object in UKBench

MAP_HOLIDAYS = MeanMetric(
    name="map_holidays", title="mean average precision (Holidays)", counted_in=QUERIES
)
MAP_OXFORD = MeanMetric(
    name="map_oxford", title="mean average precision (Oxford, Paris)", counted_in=QUERIES
)
MAP_RETRIEVAL = MeanMetric(
    name="map_retrieval", title="mean average precision of retrieval", counted_in=QUERIES
)
NS_SCORE = MeanMetric(
    name="ns_score",
    title="N-S score",
    unit="score",
    highest=float(GROUP),
    counted_in=QUERIES,
    default_margin=0.04,
)
RECALL_AT_1 = MeanMetric(name="recall_at_1", title="recall at 1", counted_in=QUERIES, is_share=True)
RECALL_AT_4 = MeanMetric(name="recall_at_4", title="recall at 4", counted_in=QUERIES)


def trapezoid_ap(ranks: np.ndarray, num_positives: int) -> float:
    """Average precision of one query in percent; nan without a relevant image.

    Args:
        ranks: int [k], ranks of its relevant images from 0; k is below `num_positives` where some
            are not in the ranking.
        num_positives: relevant images of the query, ranked or not.

    Example:
        >>> import numpy as np
        >>> trapezoid_ap(np.array([0, 2]), 2)
        79.16666666666666
    """
    if not num_positives:
        return float("nan")
    ordered = np.sort(np.asarray(ranks, np.int64))
    assert len(ordered) <= num_positives, "the ranking has more relevant images than there are"
    return float(100.0 * _areas(np.arange(1, len(ordered) + 1), ordered + 1).sum() / num_positives)


def _areas(counts: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """Area under the curve at each relevant image, in steps of recall: the `counts`-th relevant
    image (from 1) has rank `ranks` (from 1)."""
    # Precision just before this image.
    before = np.where(ranks > 1, (counts - 1) / np.maximum(ranks - 1, 1), 1.0)
    return (before + counts / ranks) / 2


def relevant_ranks(
    ranked: Sequence[object],
    positives: Set[object],
    junk: Set[object] = frozenset(),
    ranks: Sequence[int] | None = None,
) -> np.ndarray:
    """Ranks of the positives once junk is removed, from 0: int64 [k].

    An image that is ranked twice counts at its first rank.

    Args:
        ranks: the rank of each image in `ranked`, ascending from 0, where the list leaves some
            out; by default 0, 1, 2, ...
    """
    relevant: list[int] = []
    num_removed, seen = 0, set()
    listed = zip(range(len(ranked)) if ranks is None else ranks, ranked, strict=True)
    for rank, image in listed:
        if image in junk or image in seen:
            num_removed += 1
            continue
        seen.add(image)
        if image in positives:
            relevant.append(rank - num_removed)
    return np.array(relevant, np.int64)


def trapezoid_aps(relevant: np.ndarray, num_positives: np.ndarray) -> np.ndarray:
    """`trapezoid_ap` of many rankings at once, in percent: float64 [q], nan without a relevant
    image.

    Args:
        relevant: int8 [q, n], best first: 1 relevant, 0 not, -1 removed before ranks are counted.
        num_positives: int [q], relevant images of each query, ranked or not.
    """
    queries, columns = np.nonzero(relevant > 0)
    # Ranks from 1.
    ranks = np.cumsum(relevant >= 0, axis=1, dtype=np.int32)[queries, columns]
    counts = np.arange(len(queries)) - np.searchsorted(queries, queries) + 1
    areas = np.bincount(queries, _areas(counts, ranks), minlength=len(relevant))
    return np.where(num_positives > 0, 100.0 * areas / np.maximum(num_positives, 1), np.nan)


def group_hits(right: np.ndarray, num: int = GROUP) -> np.ndarray:
    """How many of the first `num` of each ranking are right, the query itself included: int64 [q],
    0..num.

    Args:
        right: bool [q, >=num], best first: whether the image belongs to the query's group.
    """
    assert right.shape[1] >= num, f"a ranking of {right.shape[1]} has no first {num}"
    return right[:, :num].sum(1)


def recall_at(right: np.ndarray, num: int) -> np.ndarray:
    """Whether one of the first `num` is right, in percent: bool [q, n] -> float64 [q], 0 or 100.

    The query itself must not be in the ranking.
    """
    return np.where(right[:, :num].any(1), 100.0, 0.0)
