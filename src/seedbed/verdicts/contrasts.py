"""Simultaneous contrasts of the arms of a family, and the verdict on each.

In: pairs of arms' `ArmScores`, with one reference or each arm with its own. Out: one `Contrast` per
pair with intervals, p-value and verdict.

Variances of contrasts are in `linear_combinations`, quantiles in `quantiles`. Pairs with an arm of
fewer than 2 seeds are not part of the family: they count neither among its contrasts nor in its
variances. Their contrast is undecided and has no interval.
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
    """An arm compared with its reference; positive differences are better for the arm.

    Intervals are simultaneous. `num_seeds` is the smaller of the two arms' numbers of seeds.
    `covers_images`: whether `interval` covers new test images as well as new seeds.
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
    # probability of the verdict "worse" if there is no difference
    chance_false_worse: float | None = None
    # largest probability of the verdict "equivalent" if the difference equals the margin
    chance_false_equivalent: float | None = None
    # number of test images, if it limits the power to show a difference beyond the margin
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
    """Compare the first arm of each pair with the second, all pairs as one family.

    An arm may occur in several pairs. If all pairs have the same reference, the quantiles are
    Dunnett's; otherwise they allow for any correlation between the contrasts.

    Args:
        pairs: arms and their references, with distinct names.
        margin: largest difference that is too small to matter, in the metric's unit, 0 or more.
        higher_is_better: False for errors.
        unit: of values, contributions and margin: "percent" or "score".

    Returns:
        One contrast per pair, in their order.

    Raises:
        ValueError: an argument lies outside its range, or arms have different test images.

    >>> full = ArmScores(arm="all", values=[62.1, 61.8, 62.4])
    >>> half = ArmScores(arm="half", values=[58.0, 58.5, 57.9])
    >>> [contrast] = contrast_pairs([(half, full)], margin=1.0)
    >>> contrast.verdict, contrast.beyond_margin
    ('worse', True)
    """
    _check_family(pairs, margin, unit)
    sign = 1.0 if higher_is_better else -1.0
    family = [pair for pair in pairs if min(arm.num_seeds for arm in pair) >= 2]
    spreads = Spreads(list({arm.arm: arm for pair in family for arm in reversed(pair)}.values()))
    joint = Joint(max(1, len(family)), shared=len({reference.arm for _, reference in family}) < 2)
    contrasts = []
    for pair in pairs:
        contrast = _without_statistics(*pair, sign, margin)
        if pair in family:
            contrast = _with_statistics(contrast, spreads.combine(pair, (sign, -sign)), joint)
        contrasts.append(contrast)
    return contrasts


def verdict_of(interval: Interval, interval_90: Interval, margin: float) -> Verdict:
    """Equivalent if `interval_90` lies inside the margin, else by the sign of `interval`."""
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
            f"arms of a family, including references, need distinct names; got {names}"
        )
    if not (math.isfinite(margin) and margin >= 0):
        raise ValueError(f"margin must be finite and at least 0, for example 1.0; got {margin}")
    if unit not in UNIT_NAMES:
        raise ValueError(f"unit must be one of {', '.join(UNIT_NAMES)}; got {unit!r}")
    for arm, reference in pairs:
        if arm.images != reference.images:
            raise ValueError(
                f"arm {arm.arm!r} has test images {arm.images}, the reference {reference.arm!r} "
                f"{reference.images}; all arms of a family need the same test images"
            )


def _with_statistics(contrast: Contrast, combination: Combination, joint: Joint) -> Contrast:
    """The contrast with its intervals, p-value, verdict and power analysis."""
    margin, measured = contrast.margin, combination.measured
    interval, interval_90 = combination.interval(0.95, joint), combination.interval(0.90, joint)
    return replace(
        contrast,
        interval=interval,
        interval_90=interval_90,
        interval_seeds=combination.interval_seeds(0.95, joint),
        p_value=combination.p_value(joint),
        significant=excludes_zero(interval),
        verdict=verdict_of(interval, interval_90, margin),
        beyond_margin=interval[0] > margin or interval[1] < -margin,
        seeds_needed=seeds_needed(contrast.difference, measured, joint),
        limiting_images=limiting_images(contrast.difference, measured, joint)
        if abs(contrast.difference) > margin
        else 0,
        chance_false_worse=combination.chance_beyond(joint.quantile(0.95, combination.df)),
        chance_false_equivalent=combination.chance_beyond(joint.quantile(0.90, combination.df)),
    )


def _without_statistics(
    arm: ArmScores, reference: ArmScores, sign: float, margin: float
) -> Contrast:
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
