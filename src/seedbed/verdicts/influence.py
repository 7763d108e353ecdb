"""The influence of source classes on a target (Jain et al. 2022, section 2).

In: for each of m networks, which of K classes it was trained on, and its value on a target. Out:
the influence of each class with an interval, the reliability of the ranking, and the number of
networks needed for a reliable one. The influence of a class is the mean value of the networks
trained on it minus the mean of the others. With enough networks it is estimated by a regression on
all classes at once, which removes the effect of the other classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from seedbed.verdicts.quantiles import Joint
from seedbed.verdicts.variances import Floats

NUM_SPLITS = 200
MIN_NETS = 8
# reliability from which on a ranking is meaningful
RELIABLE = 0.8
_MAX_NETS = 100_000


@dataclass(frozen=True, kw_only=True)
class Influence:
    """The influence of each of K classes, in the value's unit: the gain from training on it."""

    # [K]
    values: Floats
    # [K], of the 95 % interval of a single class
    half_widths: Floats
    # [K], of simultaneous 95 % intervals
    half_widths_joint: Floats
    # correlation of the influences from two halves of the networks, mean over random halves
    split_half: float
    # the split-half correlation extrapolated to all networks (Spearman-Brown)
    reliability: float
    # number of networks for a reliability of RELIABLE; None if it cannot be reached
    nets_needed: int | None
    # number of networks in each half, split-half correlation
    curve: tuple[tuple[int, float], ...]
    num_nets: int
    by_regression: bool


def influence(seen: ArrayLike, values: ArrayLike) -> Influence:
    """Estimate the influence of each class.

    Args:
        seen: bool [m, K], which classes each network was trained on.
        values: [m], higher is better.

    Raises:
        ValueError: too few networks, or a class that fewer than two networks were trained on, or
            that fewer than two were not trained on.
    """
    seen, values = np.asarray(seen, dtype=np.float64), np.asarray(values, dtype=np.float64)
    num_nets, num_classes = seen.shape
    counts = seen.sum(0)
    if num_nets < MIN_NETS:
        raise ValueError(
            f"{num_nets} networks are too few: influence needs at least {MIN_NETS}, and a reliable "
            "ranking many more"
        )
    if (counts < 2).any() or (counts > num_nets - 2).any():
        raise ValueError(
            "each class needs at least two networks that were trained on it, and at least two that "
            "were not"
        )
    by_regression = num_nets >= 2 * (num_classes + 1)
    estimate, errors, df = (
        _regression(seen, values) if by_regression else _mean_differences(seen, values)
    )
    curve = _split_half_curve(seen, values)
    split_half = curve[-1][1]
    reliability = max(0.0, 2 * split_half / (1 + split_half)) if split_half > -1 else 0.0
    return Influence(
        values=estimate,
        half_widths=Joint(1).quantile(0.95, df) * errors,
        half_widths_joint=Joint(num_classes, shared=False).quantile(0.95, df) * errors,
        split_half=split_half,
        reliability=reliability,
        nets_needed=_nets_needed(num_nets, reliability),
        curve=curve,
        num_nets=num_nets,
        by_regression=by_regression,
    )


def _mean_differences(seen: Floats, values: Floats) -> tuple[Floats, Floats, float]:
    """Differences of means, standard errors from the pooled variance, and degrees of freedom."""
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
    """Least squares on all classes at once.

    If all networks were trained on equally many classes, coefficients are relative to their mean.
    """
    centred = seen - seen.mean(0)
    u, s, vt = np.linalg.svd(centred, full_matrices=False)
    is_nonzero = s > 1e-9 * s[0]
    inverse = (vt[is_nonzero].T / s[is_nonzero]) @ u[:, is_nonzero].T
    estimate = inverse @ (values - values.mean())
    df = len(values) - 1 - int(is_nonzero.sum())
    residual = values - values.mean() - centred @ estimate
    return estimate, np.sqrt((residual**2).sum() / df * (inverse**2).sum(1)), df


def _split_half_curve(seen: Floats, values: Floats) -> tuple[tuple[int, float], ...]:
    """Split-half correlations with a quarter, a half and all of the networks."""
    num_nets = len(values)
    sizes = sorted({n for n in (num_nets // 8, num_nets // 4, num_nets // 2) if n >= 3})
    rng = np.random.default_rng(0)
    curve = []
    for size in sizes:
        correlations = []
        for _ in range(NUM_SPLITS):
            order = rng.permutation(num_nets)
            a, b = (
                _half_influences(seen[half], values[half])
                for half in (order[:size], order[size : 2 * size])
            )
            is_known = np.isfinite(a) & np.isfinite(b)
            a, b = a[is_known], b[is_known]
            if is_known.sum() > 2 and min(a.std(), b.std()) > 0:
                correlations.append(np.corrcoef(a, b)[0, 1])
        curve.append((size, float(np.mean(correlations)) if correlations else 0.0))
    return tuple(curve)


def _half_influences(seen: Floats, values: Floats) -> Floats:
    """Differences of means; NaN for a class that all or none of the networks were trained on."""
    with_it, without = seen.sum(0), (1 - seen).sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(
            (with_it > 0) & (without > 0),
            values @ seen / with_it - values @ (1 - seen) / without,
            np.nan,
        )


def _nets_needed(num_nets: int, reliability: float) -> int | None:
    """The number of networks for a reliability of RELIABLE (Spearman-Brown)."""
    if reliability <= 0:
        return None
    factor = RELIABLE * (1 - reliability) / (reliability * (1 - RELIABLE))
    needed = math.ceil(num_nets * factor)
    return needed if needed <= _MAX_NETS else None
