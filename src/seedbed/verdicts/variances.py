"""Variances and degrees of freedom of the difference between two arms.

In: arrays of values or variances with any leading axes (one family, or thousands of simulated
ones). Out: arrays of variances and degrees of freedom.

Axes: S = seeds of an arm, N = test images, A = arms of a family, ... = anything, broadcast.

The model of a value x[s, i] of one arm, seed s and test image i is

    x[s, i] = mean + seed[s] + image[i] + residual[s, i],    with residual variance r.

Every arm has its own seeds; test images are the same for all arms and seeds. For the contrast of
two arms

    V_seed  = var_s(mean_i x) / S summed over the two arms: estimates  sum (var(seed) + r / N) / S
    V_image = var_i(difference of the arms' mean_s x) / N:  estimates  (var(image difference) + sum
    r / S) / N

and the truth is sum var(seed) / S + var(image difference) / N + sum r / (N S). The residual's
share, sum of r / (N S) over the two arms, is thus counted twice, and V_both estimates it from the
two-way residuals.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def sample_mean(values: Floats) -> Floats:
    """Mean over the last axis, exact where all values are identical."""
    first = values[..., :1]
    return first[..., 0] + (values - first).mean(-1)


def sample_variance(values: Floats) -> Floats:
    """Unbiased variance over the last axis, exactly 0 where all values are identical."""
    return (values - values[..., :1]).var(-1, ddof=1)


def shrunk_variances(
    variances: Floats, num_seeds: ArrayLike, pooled: ArrayLike
) -> tuple[Floats, Floats]:
    """Shrink each arm's variance to the family's mean with the weight of one degree of freedom.

    v* = (mean v + (S - 1) v) / S with S degrees of freedom. If arms differ in S, "mean v" weights
    each arm by its S - 1, and every arm uses its own S; for equal S it is the plain mean. An arm
    that is not pooled, or the only pooled one, has its unshrunk v with S - 1 degrees of freedom.

    Args:
        variances: [..., A] over seeds.
        num_seeds: [A], at least 2 each.
        pooled: [A] booleans: whether the arm's variance is part of the mean, and is shrunk.

    Returns:
        Variances [..., A] and their degrees of freedom [A].
    """
    num_seeds = np.asarray(num_seeds, dtype=np.float64)
    pooled = np.asarray(pooled, dtype=bool)
    if pooled.sum() < 2:
        return variances, num_seeds - 1
    weights = np.where(pooled, num_seeds - 1, 0)
    mean = (variances * weights).sum(-1, keepdims=True) / weights.sum()
    shrunk = (mean + (num_seeds - 1) * variances) / num_seeds
    return np.where(pooled, shrunk, variances), np.where(pooled, num_seeds, num_seeds - 1)


def satterthwaite(variances: Floats, dfs: ArrayLike) -> tuple[Floats, Floats]:
    """The sum of independent variance estimates [..., terms], and its degrees of freedom.

    Welch-Satterthwaite (Satterthwaite 1946, Biometrics Bulletin 2:110). A sum of zeros has infinite
    degrees of freedom.
    """
    total = variances.sum(-1)
    spread = (variances**2 / np.asarray(dfs, dtype=np.float64)).sum(-1)
    return total, _ratio(total**2, spread)


def image_variance(
    per_image: Sequence[Floats], coefficients: Sequence[float]
) -> tuple[Floats, Floats]:
    """V_image and V_both of a linear combination of groups' means.

    Args:
        per_image: per group [..., S_g, N], N >= 2, S_g >= 2, on the same images.
        coefficients: 1 and -1 for a contrast.
    """
    num_images = per_image[0].shape[-1]
    combined = sum(c * x.mean(-2) for c, x in zip(coefficients, per_image, strict=True))
    v_both = sum(c**2 * _residual_share(x) for c, x in zip(coefficients, per_image, strict=True))
    return sample_variance(np.asarray(combined)) / num_images, np.asarray(v_both)


def _residual_share(per_image: Floats) -> Floats:
    """r / (N S), where r is the mean square of the seed x image residual, df (S - 1)(N - 1).

    The residual sum of squares is that within images minus that between the seeds' means.
    """
    num_seeds, num_images = per_image.shape[-2:]
    centred = per_image - per_image.mean(-2, keepdims=True)
    residual = centred - centred.mean(-1, keepdims=True)
    squares = (residual**2).sum((-2, -1))
    return squares / ((num_seeds - 1) * (num_images - 1) * num_seeds * num_images)


def crossed(
    v_seed: Floats, df_seed: Floats, *parts: tuple[Floats, ArrayLike, int]
) -> tuple[Floats, Floats]:
    """V = max(V_seed + V_image - V_both, V_seed, V_image) and its degrees of freedom, elementwise.

    `parts` holds (V_image, V_both, number of images) of each set of test images; variances of
    several sets add up.
    """
    v_image = sum((part[0] for part in parts), np.zeros(()))
    v_both = sum((np.asarray(part[1]) for part in parts), np.zeros(()))
    total = np.maximum(v_seed + v_image - v_both, np.maximum(v_seed, v_image))
    return total, _ratio(total**2, v_seed**2 / df_seed + sum(v**2 / (n - 1) for v, _, n in parts))


def half_width(v: Floats, quantile: ArrayLike, v_seed: Floats, quantile_seed: ArrayLike) -> Floats:
    """Half the interval over seeds and test images, never less than over seeds alone.

    V >= V_seed does not guarantee this: a precise image variance raises the degrees of freedom, and
    the quantile may decrease faster than the root of V increases.
    """
    with_images = np.asarray(quantile) * np.sqrt(v)
    return np.maximum(with_images, np.asarray(quantile_seed) * np.sqrt(v_seed))


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Quotient, infinite where the denominator is 0."""
    is_finite = denominator > 0
    return np.where(is_finite, numerator / np.where(is_finite, denominator, 1), np.inf)
