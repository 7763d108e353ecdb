"""How many seeds would decide a contrast.

In: an estimated difference and the variances of the contrast as measured. Out: a range of seed
counts. Knows nothing of arms' names, margins or verdicts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from seedbed.verdicts.quantiles import Joint, two_sided_power
from seedbed.verdicts.variances import crossed, satterthwaite

POWER = 0.8
LEVEL = 0.95
MAX_SEEDS = 1000  # an answer beyond this is no plan


@dataclass(frozen=True, kw_only=True)
class MeasuredSpread:
    """What a contrast's variance is made of.

    Args:
        variances: of a single seed's value, of each group, times its coefficient squared (shrunk
            where the family shrinks).
        lost_dfs: seeds less degrees of freedom, of each group: 0 where shrunk, else 1.
        df: degrees of freedom of the variance over seeds, as measured.
        v_image: variance that the test images add and more seeds do not remove.
        num_images: test images behind it, 0 if none were looked at.
    """

    variances: tuple[float, ...]
    lost_dfs: tuple[float, ...]
    df: float
    v_image: float
    num_images: int


def seeds_needed(difference: float, spread: MeasuredSpread, joint: Joint) -> tuple[int, int] | None:
    """Fewest seeds per arm for 80 % power at `difference`, at both ends of the variance's 95 %
    interval.

    None if the difference is 0, or if 1,000 seeds would not do at the wider end (test images, say,
    limit it).
    """
    ends = []
    for probability in (0.975, 0.025):
        ratio = _variance_ratio(spread.df, probability)
        fewest = _fewest_seeds(abs(difference), spread, ratio, joint)
        if fewest is None:
            return None
        ends.append(fewest)
    return ends[0], ends[1]


def limiting_images(difference: float, spread: MeasuredSpread, joint: Joint) -> int:
    """How many test images there are, if these alone keep a difference of this size from being
    shown four times in five, however many the seeds; else 0."""
    if (
        not spread.num_images
        or not difference
        or seeds_needed(difference, spread, joint) is not None
    ):
        return 0
    certain = replace(spread, variances=tuple(0.0 for _ in spread.variances))
    return (
        spread.num_images if _power(abs(difference), certain, 1.0, joint, MAX_SEEDS) < POWER else 0
    )


def _variance_ratio(df: float, probability: float) -> float:
    """True over estimated variance where the estimate sits at this probability of its
    distribution."""
    return 1.0 if math.isinf(df) else df / float(special.gammaincinv(df / 2, probability) * 2)


def _fewest_seeds(
    distance: float, spread: MeasuredSpread, ratio: float, joint: Joint
) -> int | None:
    low, high = 2, MAX_SEEDS
    if _power(distance, spread, ratio, joint, high) < POWER:
        return None
    while low < high:
        middle = (low + high) // 2
        enough = _power(distance, spread, ratio, joint, middle) >= POWER
        low, high = (low, middle) if enough else (middle + 1, high)
    return low


def _power(
    distance: float, spread: MeasuredSpread, ratio: float, joint: Joint, num_seeds: int
) -> float:
    """Chance that the interval excludes 0 with this many seeds in both arms and the same test
    images."""
    parts = ratio * np.array(spread.variances) / num_seeds
    v_seed, df_seed = satterthwaite(parts, num_seeds - np.array(spread.lost_dfs))
    v, df = v_seed, df_seed
    if spread.num_images:
        v, df = crossed(v_seed, df_seed, (np.array(spread.v_image), 0.0, spread.num_images))
    if v == 0:
        return float(distance > 0)
    quantile, quantile_seed = joint.quantiles(LEVEL, [float(df), float(df_seed)])
    critical = max(quantile, quantile_seed * math.sqrt(v_seed / v))
    return two_sided_power(distance / math.sqrt(v), float(critical), float(df))
