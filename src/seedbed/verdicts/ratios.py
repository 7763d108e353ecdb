"""Retained gain: a ratio of two differences, with its confidence interval by inversion.

The retained gain of an arm is rho = (arm - floor) / (reference - floor). The confidence set
(Fieller 1954, J. R. Stat. Soc. B 16:175) holds every rho for which the linear combination
arm - rho reference - (1 - rho) floor, whose mean is 0 for the true rho, does not differ from 0 by
the test of the contrasts, with variances over seeds and test images. If the gain of the reference
over the floor is not significant, the set is unbounded and there is no interval.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import brentq

from seedbed.verdicts.arm_scores import ArmScores
from seedbed.verdicts.linear_combinations import Combination, Interval, Spreads
from seedbed.verdicts.quantiles import Joint

_SINGLE = Joint(1)
# step from the ratio beyond which the set counts as unbounded
_MAX_STEP = 1e4


@dataclass(frozen=True, kw_only=True)
class RetainedGain:
    """The share of the reference's gain over the floor that an arm retains; 1 is all of it.

    `interval` is None where it is unbounded.
    """

    ratio: float
    interval: Interval | None
    # of the reference over the floor
    gain: float


def retained_gain(
    arm: ArmScores, reference: ArmScores, floor: ArmScores | float, level: float = 0.95
) -> RetainedGain | None:
    """The retained gain of an arm.

    None if the reference is not above the floor, or if an arm has fewer than 2 seeds.

    Args:
        arm, reference: scores, higher is better (negate errors beforehand).
        floor: another arm's scores, for example of random initialisation, or a known number, for
            example chance.
        level: coverage of the interval, which is not simultaneous.
    """
    groups = [arm, reference, *([floor] if isinstance(floor, ArmScores) else [])]
    if min(g.num_seeds for g in groups) < 2:
        return None
    low = float(floor.values.mean()) if isinstance(floor, ArmScores) else floor
    gain = float(reference.values.mean()) - low
    if gain <= 0:
        return None
    spreads = Spreads(groups)
    ratio = (float(arm.values.mean()) - low) / gain

    def excess(rho: float) -> float:
        """The distance of the combination from 0 beyond its half width; negative inside the set."""
        combination = spreads.combine(groups, (1.0, -rho, -(1.0 - rho))[: len(groups)])
        constant = 0.0 if isinstance(floor, ArmScores) else (1.0 - rho) * low
        return abs(combination.estimate - constant) - _half_width(combination, level)

    return RetainedGain(ratio=ratio, interval=_interval(excess, ratio), gain=gain)


def _half_width(combination: Combination, level: float) -> float:
    return combination.half_width(
        _SINGLE.quantile(level, combination.df), _SINGLE.quantile(level, combination.df_seed)
    )


def _interval(excess: Callable[[float], float], ratio: float) -> Interval | None:
    """The ends of the set around the ratio; None if the set is unbounded."""
    ends = []
    for side in (-1.0, 1.0):
        inside, step = ratio, 1e-3 * max(1.0, abs(ratio))
        while excess(outside := ratio + side * step) <= 0:
            inside, step = outside, 2 * step
            if step > _MAX_STEP:
                return None
        if excess(inside) > 0:
            ends.append(ratio)
        else:
            root: Any = brentq(excess, inside, outside, xtol=1e-9)
            ends.append(float(root))
    return ends[0], ends[1]


def difference_of_ratios(one: RetainedGain, other: RetainedGain) -> tuple[float, Interval] | None:
    """`one` minus `other`, with its interval by MOVER; None if either has no interval.

    MOVER (Zou and Donner 2008, Statistics in Medicine 27:1693) assumes independence. Ratios of the
    same networks are usually positively correlated; the interval is then too wide.
    """
    if one.interval is None or other.interval is None:
        return None
    value = one.ratio - other.ratio
    below = np.hypot(one.ratio - one.interval[0], other.interval[1] - other.ratio)
    above = np.hypot(one.interval[1] - one.ratio, other.ratio - other.interval[0])
    return value, (value - float(below), value + float(above))
