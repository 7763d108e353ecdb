"""Simultaneous contrasts of the arms of a family, and the verdict on each.

In: pairs of arms' `ArmScores`: with one reference, or each arm with its own. Out: one `Contrast`
per pair with intervals, p-value and verdict. Knows nothing of questions, targets or sentences, nor
of how a value came about.

The variance of a contrast is in `combinations`, the quantiles are in `quantiles`. Arms with fewer
than 2 seeds are no part of the family's
statistics: they are neither counted among its contrasts nor among the variances, and their contrast
    is undecided, without an interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from seedbed.metrics.metric import UNIT_NAMES
from seedbed.verdicts.arm_scores import ArmScores
from seedbed.verdicts.linear_combinations import Combination, Interval, Spreads
from seedbed.verdicts.power import limiting_images, seeds_needed
from seedbed.verdicts.quantiles import Joint
from seedbed.verdicts.variances import sample_mean

Verdict = Literal["worse", "equivalent", "better", "undecided"]


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """An arm against its reference; positive differences are better for the arm. Intervals are
    simultaneous.

    `num_seeds` is the smaller of the two arms' counts. `covers_images` tells whether `interval`
    speaks of new test images too.
    """

    arm: str
    reference: str
    difference: float
    interval: Interval | None
    interval_90: Interval | None
    interval_seeds: Interval | None
    p_value: float | None
    significant: bool
    margin: float
    verdict: Verdict
    beyond_margin: bool
    num_seeds: int
    seeds_needed: tuple[int, int] | None
    covers_images: bool = False
    chance_false_worse: float | None = None  # that "worse" is found where nothing differs
    # at most, that "equivalent" is found where the difference is the margin
    chance_false_equivalent: float | None = None
    # test images, where they alone keep such a difference, beyond the margin, from being shown
    limiting_images: int = 0
    arm_is_checkpoint: bool = False
    reference_is_checkpoint: bool = False


def contrast_pairs(
    pairs: Sequence[tuple[ArmScores, ArmScores]],
    *,
    margin: float,
    higher_is_better: bool = True,
    unit: str = "percent",
) -> list[Contrast]:
    """Contrasts the first of each pair with the second, all as one family; an arm may stand in
    several pairs.

    Where every pair has the same second, the quantiles are Dunnett's; otherwise they allow for any
    correlation between the contrasts.

    Args:
        pairs: of arms and their references; names are distinct.
        margin: difference that is not worth having, in the metric's unit, 0 or more.
        higher_is_better: False for errors.
        unit: "percent" or "score"; values, contributions and margin are all in it.

    Returns:
        One contrast per pair, in their order.

    Raises:
        ValueError: an argument lies outside its range, or arms do not share their test images.

    >>> full = ArmScores(arm="all", values=[62.1, 61.8, 62.4])
    >>> half = ArmScores(arm="half", values=[58.0, 58.5, 57.9])
    >>> [contrast] = contrast_pairs([(half, full)], margin=1.0)
    >>> contrast.verdict, contrast.beyond_margin
    ('worse', True)
    """
    _check_family(pairs, margin, unit)
    sign = 1.0 if higher_is_better else -1.0
    tested = [pair for pair in pairs if min(arm.num_seeds for arm in pair) >= 2]
    spreads = Spreads(list({arm.arm: arm for pair in tested for arm in reversed(pair)}.values()))
    joint = Joint(max(1, len(tested)), shared=len({reference.arm for _, reference in tested}) < 2)
    found = []
    for pair in pairs:
        contrast = _untested(*pair, sign, margin)
        if pair in tested:
            contrast = _tested(contrast, spreads.combine(pair, (sign, -sign)), joint)
        found.append(contrast)
    return found


def verdict_of(interval: Interval, interval_90: Interval, margin: float) -> Verdict:
    """Equivalent if `interval_90` lies inside the margin, else the side of 0 on which `interval`
    lies."""
    if -margin < interval_90[0] and interval_90[1] < margin:
        return "equivalent"
    if excludes_zero(interval):
        return "better" if interval[0] > 0 else "worse"
    return "undecided"


def excludes_zero(interval: Interval) -> bool:
    return interval[0] > 0 or interval[1] < 0


def _check_family(pairs: Sequence[tuple[ArmScores, ArmScores]], margin: float, unit: str) -> None:
    scores = {arm.arm: arm for pair in pairs for arm in pair}
    names = [(arm.arm, reference.arm) for arm, reference in pairs]
    if (
        any(a == b for a, b in names)
        or len(set(names)) < len(names)
        or any(scores[a.arm] is not a for p in pairs for a in p)
    ):
        raise ValueError(
            f"arms of a family need distinct names, the reference's included; got {names}"
        )
    if not (math.isfinite(margin) and margin >= 0):
        raise ValueError(f"margin is {margin}; it must be finite and 0 or more, for instance 1.0")
    if unit not in UNIT_NAMES:
        raise ValueError(f"unit is {unit!r}; choose one of {', '.join(UNIT_NAMES)}")
    for arm, reference in pairs:
        if arm.images != reference.images:
            raise ValueError(
                f"arm {arm.arm!r} has test images {arm.images}, the reference {reference.arm!r} "
                f"{reference.images}; all arms must be measured on the same images in the same way"
            )


def _tested(contrast: Contrast, found: Combination, joint: Joint) -> Contrast:
    """The contrast with everything that its spread tells."""
    margin = contrast.margin
    interval, interval_90 = found.interval(0.95, joint), found.interval(0.90, joint)
    return replace(
        contrast,
        interval=interval,
        interval_90=interval_90,
        interval_seeds=found.interval_seeds(0.95, joint),
        p_value=found.p_value(joint),
        significant=excludes_zero(interval),
        verdict=verdict_of(interval, interval_90, margin),
        beyond_margin=interval[0] > margin or interval[1] < -margin,
        seeds_needed=seeds_needed(contrast.difference, found.measured, joint),
        limiting_images=limiting_images(contrast.difference, found.measured, joint)
        if abs(contrast.difference) > margin
        else 0,
        chance_false_worse=found.chance_beyond(joint.quantile(0.95, found.df)),
        chance_false_equivalent=found.chance_beyond(joint.quantile(0.90, found.df)),
    )


def _untested(arm: ArmScores, reference: ArmScores, sign: float, margin: float) -> Contrast:
    return Contrast(
        arm=arm.arm,
        reference=reference.arm,
        difference=sign * float(sample_mean(arm.values) - sample_mean(reference.values)),
        interval=None,
        interval_90=None,
        interval_seeds=None,
        p_value=None,
        significant=False,
        margin=margin,
        verdict="undecided",
        beyond_margin=False,
        num_seeds=min(arm.num_seeds, reference.num_seeds),
        seeds_needed=None,
        covers_images=arm.images[1] > 0,
        arm_is_checkpoint=arm.checkpoint,
        reference_is_checkpoint=reference.checkpoint,
    )
