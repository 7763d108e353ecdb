"""Influence of source classes on a target: what nets that saw a class do better than nets that did
not (Jain et al. 2022, section 2).

In: for each of m nets which of K classes it saw, and its value on a target. Out: each class's
influence with an interval, how reliable the ranking is, and how many nets would make it so.
Influence of a class = mean value of the nets that saw it less that of the others; where there are
more nets than classes, by a regression on all classes at once, which takes the other classes' share
out. Knows nothing of results.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from seedbed.verdicts.quantiles import Joint
from seedbed.verdicts.variances import Floats

NUM_SPLITS = 200
LEAST_NETS = 8
# split-half correlation, stepped up to all nets, from which on a ranking means something
RELIABLE = 0.8
_MOST_NETS = 100_000


@dataclass(frozen=True, kw_only=True)
class Influence:
    """Influence of each of K classes, in the value's unit: what seeing the class adds."""

    values: Floats  # [K]
    half_widths: Floats  # [K], of a single class's 95 % interval
    half_widths_joint: Floats  # [K], of 95 % intervals that hold for all classes at once
    # correlation of the influences from two halves of the nets, mean over random halves
    split_half: float
    # the same stepped up to all nets (Spearman and Brown): the squared correlation with the truth
    reliability: float
    # for a reliability of RELIABLE; None where no number would do, by what is seen
    nets_needed: int | None
    curve: tuple[tuple[int, float], ...]  # (nets in each half, split-half correlation)
    num_nets: int
    by_regression: bool


def influence(seen: ArrayLike, values: ArrayLike) -> Influence:
    """Influence of each class.

    Args:
        seen: bool [m, K], which classes a net's training images were of.
        values: [m], higher is better.

    Raises:
        ValueError: too few nets, or a class that all nets saw, or none or one.
    """
    seen, values = np.asarray(seen, dtype=np.float64), np.asarray(values, dtype=np.float64)
    num_nets, num_classes = seen.shape
    counts = seen.sum(0)
    if num_nets < LEAST_NETS:
        raise ValueError(
            f"{num_nets} nets: influence needs {LEAST_NETS} at least, and a ranking many more"
        )
    if (counts < 2).any() or (counts > num_nets - 2).any():
        raise ValueError(
            "a class was seen by all nets but one, or by one at most: two on either side are needed"
        )
    by_regression = num_nets >= 2 * (num_classes + 1)
    estimate, errors, df = (
        _regression(seen, values) if by_regression else _differences(seen, values)
    )
    curve = _curve(seen, values)
    split_half = curve[-1][1]
    reliability = max(0.0, 2 * split_half / (1 + split_half)) if split_half > -1 else 0.0
    return Influence(
        values=estimate,
        half_widths=Joint(1).quantile(0.95, df) * errors,
        half_widths_joint=Joint(num_classes, shared=False).quantile(0.95, df) * errors,
        split_half=split_half,
        reliability=reliability,
        nets_needed=_needed(num_nets, reliability),
        curve=curve,
        num_nets=num_nets,
        by_regression=by_regression,
    )


def _differences(seen: Floats, values: Floats) -> tuple[Floats, Floats, float]:
    """Differences of means, standard errors from the variance within both groups pooled, degrees of
    freedom."""
    with_it, without = seen.sum(0), (1 - seen).sum(0)
    centred = values - values.mean()
    means_with, means_without = centred @ seen / with_it, centred @ (1 - seen) / without
    squares = (centred**2).sum() - with_it * means_with**2 - without * means_without**2
    df = len(values) - 2
    return (
        means_with - means_without,
        np.sqrt(np.maximum(squares, 0) / df * (1 / with_it + 1 / without)),
        df,
    )


def _regression(seen: Floats, values: Floats) -> tuple[Floats, Floats, float]:
    """Least squares on all classes at once; where each net saw equally many, the coefficients are
    relative to their mean."""
    centred = seen - seen.mean(0)
    u, s, vt = np.linalg.svd(centred, full_matrices=False)
    kept = s > 1e-9 * s[0]
    inverse = (vt[kept].T / s[kept]) @ u[:, kept].T
    estimate = inverse @ (values - values.mean())
    df = len(values) - 1 - int(kept.sum())
    residual = values - values.mean() - centred @ estimate
    return estimate, np.sqrt((residual**2).sum() / df * (inverse**2).sum(1)), df


def _curve(seen: Floats, values: Floats) -> tuple[tuple[int, float], ...]:
    """Split-half correlations at a quarter, a half and all of the nets, each mean over random
    halves."""
    num_nets = len(values)
    sizes = sorted({n for n in (num_nets // 8, num_nets // 4, num_nets // 2) if n >= 3})
    rng = np.random.default_rng(0)
    found = []
    for size in sizes:
        correlations = []
        for _ in range(NUM_SPLITS):
            order = rng.permutation(num_nets)
            halves = [
                _halved(seen[half], values[half]) for half in (order[:size], order[size : 2 * size])
            ]
            known = np.isfinite(halves[0]) & np.isfinite(halves[1])
            if known.sum() > 2 and min(h[known].std() for h in halves) > 0:
                correlations.append(np.corrcoef(halves[0][known], halves[1][known])[0, 1])
        found.append((size, float(np.mean(correlations)) if correlations else 0.0))
    return tuple(found)


def _halved(seen: Floats, values: Floats) -> Floats:
    """Differences of means, not a number for a class that all or none saw."""
    with_it, without = seen.sum(0), (1 - seen).sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(
            (with_it > 0) & (without > 0),
            values @ seen / with_it - values @ (1 - seen) / without,
            np.nan,
        )


def _needed(num_nets: int, reliability: float) -> int | None:
    """Nets for RELIABLE, by Spearman and Brown."""
    if reliability <= 0:
        return None
    factor = RELIABLE * (1 - reliability) / (reliability * (1 - RELIABLE))
    needed = math.ceil(num_nets * factor)
    return needed if needed <= _MOST_NETS else None
