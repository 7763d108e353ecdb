"""The number of seeds needed to show a difference: a power analysis.

In: an estimated difference and the measured variances of a contrast. Out: a range of numbers of
seeds.
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
# more seeds than this are no realistic plan
MAX_SEEDS = 1000


@dataclass(frozen=True, kw_only=True)
class MeasuredSpread:
    """The components of a contrast's variance.

    Args:
        variances: per group, the variance of one seed's value times the squared coefficient
            (shrunk where the family's variances are).
        lost_dfs: per group, seeds minus degrees of freedom: 0 with shrinkage, else 1.
        df: measured degrees of freedom of the variance over seeds.
        v_image: variance from test images, which more seeds do not reduce.
        num_images: number of test images behind `v_image`; 0 if it was not estimated.
    """

    variances: tuple[float, ...]
    lost_dfs: tuple[float, ...]
    df: float
    v_image: float
    num_images: int


def seeds_needed(difference: float, spread: MeasuredSpread, joint: Joint) -> tuple[int, int] | None:
    """Seeds per arm for 80 % power at `difference`, at both ends of the variance's 95 % interval.

    None if the difference is 0, or if 1,000 seeds do not suffice at the upper end, for example
    because there are too few test images.
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
    """The number of test images if it limits the power to below 80 % at any number of seeds.

    0 if it does not.
    """
    if (
        not spread.num_images
        or not difference
        or seeds_needed(difference, spread, joint) is not None
    ):
        return 0
    images_only = replace(spread, variances=tuple(0.0 for _ in spread.variances))
    power = _power(abs(difference), images_only, 1.0, joint, MAX_SEEDS)
    return spread.num_images if power < POWER else 0


def _variance_ratio(df: float, probability: float) -> float:
    """True over estimated variance, if the estimate is at this quantile of its distribution."""
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
    """Probability that the interval excludes 0 with this many seeds in both arms."""
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
