"""A ratio of two differences that share arms, with its confidence set: Fieller's theorem (1954, J.
R. Stat. Soc. B 16:175), by inversion.

The retained gain of an arm is rho = (arm - floor) / (reference - floor). A value of rho is in the
set where the linear combination arm - rho reference - (1 - rho) floor, whose mean is 0 at the
truth, does not differ from 0 by the very test that contrasts use, with their variances over seeds
and test images and their degrees of freedom. Where the reference's gain over the floor is itself in
doubt the set is unbounded, and there is no interval. Knows nothing of results.
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
_FAR = 1e4  # times the spread of the ratio: beyond, the set counts as unbounded


@dataclass(frozen=True, kw_only=True)
class Retained:
    """What an arm keeps of the reference's gain over the floor; 1 is all of it. `interval` is None
    where it is unbounded."""

    ratio: float
    interval: Interval | None
    gain: float  # of the reference over the floor


def retained_gain(
    arm: ArmScores, reference: ArmScores, floor: ArmScores | float, level: float = 0.95
) -> Retained | None:
    """The retained gain; None where the reference does not lie above the floor, or an arm has fewer
    than 2 seeds.

    Args:
        arm, reference: scores, higher is better (turn errors beforehand).
        floor: another arm's scores, such as random initialisation, or a known number, such as
            chance.
        level: coverage of the interval, of this ratio alone.
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
        """By how much the combination lies outside what is compatible with 0; below 0 inside the
        set."""
        found = spreads.combine(groups, (1.0, -rho, -(1.0 - rho))[: len(groups)])
        constant = 0.0 if isinstance(floor, ArmScores) else (1.0 - rho) * low
        return abs(found.estimate - constant) - _half_width(found, level)

    return Retained(ratio=ratio, interval=_interval(excess, ratio), gain=gain)


def _half_width(found: Combination, level: float) -> float:
    return found.half_width(
        _SINGLE.quantile(level, found.df), _SINGLE.quantile(level, found.df_seed)
    )


def _interval(excess: Callable[[float], float], ratio: float) -> Interval | None:
    """The ends of the set around the ratio; None where it has none within reach on either side."""
    ends = []
    for side in (-1.0, 1.0):
        inside, step = ratio, 1e-3 * max(1.0, abs(ratio))
        while excess(outside := ratio + side * step) <= 0:
            inside, step = outside, 2 * step
            if step > _FAR:
                return None
        if excess(inside) > 0:
            ends.append(ratio)
        else:
            root: Any = brentq(excess, inside, outside, xtol=1e-9)
            ends.append(float(root))
    return ends[0], ends[1]


def difference_of_ratios(one: Retained, other: Retained) -> tuple[float, Interval] | None:
    """`one` less `other` with an interval by MOVER (Zou and Donner 2008, Statistics in Medicine
    27:1693): from both intervals, as if the two were independent; None where either has none. Both
    measured on the same nets usually agree in sign, and it is then too wide."""
    if one.interval is None or other.interval is None:
        return None
    value = one.ratio - other.ratio
    below = np.hypot(one.ratio - one.interval[0], other.interval[1] - other.ratio)
    above = np.hypot(one.interval[1] - one.ratio, other.ratio - other.interval[0])
    return value, (value - float(below), value + float(above))
