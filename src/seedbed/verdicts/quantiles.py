"""Two-sided simultaneous quantiles, p-values and power, by quadrature.

In: a level or an absolute t statistic, the number of contrasts, whether they share one reference,
and degrees of freedom, fractional or infinite. Out: floats.

With z_0, ..., z_k standard normal and s^2 ~ chi^2_df / df, contrast i is t_i = (z_i - z_0) /
(sqrt(2) s), so any two contrasts have a correlation of 1/2 (Dunnett 1955, JASA 50:1096) and, with
x = sqrt(2) c s,

    P(max |t_i| <= c) = E_s  integral phi(z) [Phi(z + x) - Phi(z - x)]^k dz.

Contrasts that do not all share a reference may have any correlation. The maximum of independent
|t_i| with one s,

    P(max |t_i| <= c) = E_s  [Phi(c s) - Phi(-c s)]^k,

the studentized maximum modulus, is an upper bound for all of them (Sidak 1967, JASA 62:626).

Both integrands are smooth and decay on both sides (the one over s when it is written in log s,
which also removes the singularity at s = 0 for df < 1), so the trapezoid rule converges
exponentially.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.polynomial import Chebyshev
from numpy.typing import ArrayLike, NDArray
from scipy import special
from scipy.optimize import brentq

Floats = NDArray[np.float64]

# Relative error of a quantile with this number: 1e-6 from df 0.8 on, 1e-4 at df 0.4.
_NUM_SCALE_NODES = 192
# mass cut from either end of the distribution of s
_TAIL_MASS = 1e-12
# From here on the quantiles agree to 1e-8 with those of infinite df.
_DF_TREATED_AS_INFINITE = 1e8
# The smallest df of a contrast is 0.5: two seeds in arms without shrinkage, two test images.
_MIN_DF = 0.4
_TABLE_DEGREE = 24
_Z = np.linspace(-8.5, 8.5, 41)
_Z_WEIGHTS = np.exp(-(_Z**2) / 2) / np.exp(-(_Z**2) / 2).sum()


@dataclass(frozen=True)
class Joint:
    """Contrasts with simultaneous intervals.

    Args:
        num: number of contrasts, at least 1 (1 gives Student's t).
        shared: whether all contrasts share one reference (Dunnett); otherwise they may have any
            correlation.
    """

    num: int
    shared: bool = True

    def __post_init__(self) -> None:
        if self.num < 1:
            raise ValueError(f"num must be at least 1, got {self.num}")

    def quantile(self, level: float, df: float) -> float:
        """The critical value c: all |t| statistics are below c with probability `level`.

        Args:
            level: simultaneous coverage, inside (0, 1).
            df: degrees of freedom, at least 0.4, may be `math.inf`.

        Raises:
            ValueError: an argument lies outside its range.

        >>> round(Joint(3).quantile(0.95, 10), 2)
        2.76
        """
        if not 0 < level < 1:
            raise ValueError(f"level must lie between 0 and 1, for example 0.95; got {level}")
        _check_df(df)
        return _quantile(float(level), self, float(df))

    def p_value(self, abs_t: float, df: float) -> float:
        """The probability that the largest |t| statistic exceeds `abs_t` under the null.

        Args:
            abs_t: absolute t statistic, at least 0, may be `math.inf`.
            df: as in `quantile`.

        >>> round(Joint(3).p_value(2.76, 10), 2)
        0.05
        """
        if not abs_t >= 0:
            raise ValueError(f"abs_t must be at least 0, got {abs_t}")
        _check_df(df)
        return _p_value(float(abs_t), self, float(df))

    def quantiles(self, level: float, df: ArrayLike) -> Floats:
        """`quantile` for an array of df, from a cached table that agrees with it to 1e-4."""
        df = np.asarray(df, dtype=np.float64)
        if df.size and not df.min() >= _MIN_DF:
            raise ValueError(f"df must be at least {_MIN_DF}, got {df.min()}")
        return np.exp(_log_quantile_table(float(level), self)(1 / df))


def two_sided_power(noncentrality: float, critical: float, df: float) -> float:
    """Power of a two-sided t test: P(|T| > critical) for a noncentral t."""
    scale, weights = _scale_nodes(float(df))
    over = special.ndtr(noncentrality - critical * scale)
    under = special.ndtr(-noncentrality - critical * scale)
    return float(weights @ (over + under))


def _check_df(df: float) -> None:
    if not df >= _MIN_DF:
        raise ValueError(f"df must be at least {_MIN_DF} (infinity is allowed), got {df}")


@functools.cache
def _quantile(level: float, joint: Joint, df: float) -> float:
    low = _student_quantile(level, df)
    if joint.num == 1:
        return low
    # A single contrast is a lower bound of the quantile, Bonferroni an upper bound.
    high = _student_quantile(1 - (1 - level) / joint.num, df)
    gap = functools.partial(_coverage_gap, level=level, joint=joint, df=df)
    root: Any = brentq(gap, low * (1 - 1e-6), high * (1 + 1e-6), xtol=1e-10)
    return float(root)


def _coverage_gap(critical: float, *, level: float, joint: Joint, df: float) -> float:
    return 1 - level - _tail_probability(critical, joint, df)


@functools.cache
def _p_value(abs_t: float, joint: Joint, df: float) -> float:
    if math.isinf(abs_t):
        return 0.0
    if joint.num == 1:
        return 2 * float(special.ndtr(-abs_t) if math.isinf(df) else special.stdtr(df, -abs_t))
    return min(1.0, max(0.0, _tail_probability(abs_t, joint, df)))


def _student_quantile(level: float, df: float) -> float:
    upper = (1 + level) / 2
    return float(special.ndtri(upper) if math.isinf(df) else special.stdtrit(df, upper))


def _tail_probability(critical: float, joint: Joint, df: float) -> float:
    """P(max |t_i| > critical)."""
    scale, weights = _scale_nodes(df)
    if not joint.shared:
        outside = np.minimum(2 * special.ndtr(-critical * scale), 1 - 1e-15)
        return float(weights @ -np.expm1(joint.num * np.log1p(-outside)))
    x = math.sqrt(2) * critical * scale[:, None]
    inside = special.ndtr(_Z + x) - special.ndtr(_Z - x)
    return float(weights @ ((1 - inside**joint.num) @ _Z_WEIGHTS))


@functools.lru_cache(maxsize=1024)
def _scale_nodes(df: float) -> tuple[Floats, Floats]:
    """Nodes and weights for the expectation over s = sqrt(chi^2_df / df)."""
    if df >= _DF_TREATED_AS_INFINITE:
        return np.ones(1), np.ones(1)
    half = df / 2
    low = math.log(special.gammaincinv(half, _TAIL_MASS) / half) / 2
    high = math.log(special.gammainccinv(half, _TAIL_MASS) / half) / 2
    log_scale = np.linspace(low, high, _NUM_SCALE_NODES)
    # d P / d log s is proportional to exp(df (log s - s^2 / 2)); the shift by 1/2 avoids underflow.
    weights = np.exp(df * (log_scale - np.exp(2 * log_scale) / 2 + 0.5))
    return np.exp(log_scale), weights / weights.sum()


@functools.cache
def _log_quantile_table(level: float, joint: Joint) -> Chebyshev:
    """log c as a polynomial in 1/df.

    It is nearly linear in 1/df, because c grows like a power 1/df of the odds.
    """

    def log_quantile(inverse_df: Floats) -> Floats:
        df = [1 / x if x > 1e-9 else math.inf for x in inverse_df]
        return np.log([_quantile(level, joint, value) for value in df])

    return Chebyshev.interpolate(log_quantile, _TABLE_DEGREE, domain=[0, 1 / _MIN_DF])
