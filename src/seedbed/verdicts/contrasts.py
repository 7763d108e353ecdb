"""Simultaneous contrasts of a family of arms with one reference, and the verdict on each.

In: each arm's `ArmScores`. Out: one `Contrast` per arm with intervals, p-value and verdict. Knows nothing of
questions, targets or sentences, nor of how a value came about.

The variance of a contrast is in `variances`, the quantiles are in `quantiles`. Arms may differ in their number
of seeds (cells fail): each arm then uses its own, as `variances.shrunk_variances` says. Arms with fewer than 2
seeds are no part of the family's statistics: they are neither counted among its contrasts nor among the
variances, and their contrast is undecided, without an interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from seedbed.verdicts.power import MeasuredSpread, seeds_needed
from seedbed.verdicts.quantiles import dunnett_p_value, dunnett_quantile
from seedbed.verdicts.scores import ArmScores
from seedbed.verdicts.variances import (
    crossed,
    half_width,
    image_variance,
    sample_mean,
    sample_variance,
    satterthwaite,
    shrunk_variances,
)

Floats = NDArray[np.float64]
Interval = tuple[float, float]
Verdict = Literal["worse", "equivalent", "better", "undecided"]

UNITS = ("percent", "score")


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """An arm against its reference; positive differences are better for the arm. Intervals are simultaneous.

    `num_seeds` is the smaller of the two arms' counts. `covers_images` tells whether `interval` speaks of new
    test images too.
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
    arm_is_checkpoint: bool = False
    reference_is_checkpoint: bool = False


def contrast_family(
    reference: ArmScores,
    arms: Sequence[ArmScores],
    *,
    margin: float,
    higher_is_better: bool = True,
    unit: str = "percent",
) -> list[Contrast]:
    """Contrasts every arm with the reference, as one family.

    Args:
        reference, arms: the family; names are distinct.
        margin: difference that is not worth having, in the metric's unit, 0 or more.
        higher_is_better: False for errors.
        unit: "percent" or "score"; values, contributions and margin are all in it.

    Returns:
        One contrast per arm, in the order of `arms`.

    Raises:
        ValueError: an argument lies outside its range, or arms do not share their test images.

    >>> full = ArmScores(arm="all", values=[62.1, 61.8, 62.4])
    >>> half = ArmScores(arm="half", values=[58.0, 58.5, 57.9])
    >>> [contrast] = contrast_family(full, [half], margin=1.0)
    >>> contrast.verdict, contrast.beyond_margin
    ('worse', True)
    """
    _check_family(reference, arms, margin, unit)
    sign = 1.0 if higher_is_better else -1.0
    tested = [arm for arm in arms if min(arm.num_seeds, reference.num_seeds) >= 2]
    spreads = _spreads(reference, tested)
    contrasts = [_untested(reference, arm, sign, margin) for arm in arms]
    return [
        _tested(contrast, spreads[contrast.arm], len(tested)) if contrast.arm in spreads else contrast for contrast in contrasts
    ]


def verdict_of(interval: Interval, interval_90: Interval, margin: float) -> Verdict:
    """Equivalent if `interval_90` lies inside the margin, else the side of 0 on which `interval` lies."""
    if -margin < interval_90[0] and interval_90[1] < margin:
        return "equivalent"
    if excludes_zero(interval):
        return "better" if interval[0] > 0 else "worse"
    return "undecided"


def excludes_zero(interval: Interval) -> bool:
    return interval[0] > 0 or interval[1] < 0


@dataclass(frozen=True, kw_only=True)
class _Spread:
    """Variance of a contrast over seeds alone, over seeds and images, and what it is made of."""

    v_seed: float
    df_seed: float
    v: float
    df: float
    measured: MeasuredSpread

    def around(self, difference: float, level: float, num_contrasts: int) -> Interval:
        quantile = dunnett_quantile(level, num_contrasts, self.df)
        quantile_seed = dunnett_quantile(level, num_contrasts, self.df_seed)
        half = float(half_width(np.array(self.v), quantile, np.array(self.v_seed), quantile_seed))
        return difference - half, difference + half

    def around_seeds(self, difference: float, level: float, num_contrasts: int) -> Interval:
        half = dunnett_quantile(level, num_contrasts, self.df_seed) * math.sqrt(self.v_seed)
        return difference - half, difference + half

    def p_value(self, difference: float, num_contrasts: int) -> float:
        """The larger of both p-values, as the interval is the wider of both intervals."""
        both = dunnett_p_value(_abs_t(difference, self.v), num_contrasts, self.df)
        return max(both, dunnett_p_value(_abs_t(difference, self.v_seed), num_contrasts, self.df_seed))


def _abs_t(difference: float, variance: float) -> float:
    if variance > 0:
        return abs(difference) / math.sqrt(variance)
    return math.inf if difference else 0.0


def _check_family(reference: ArmScores, arms: Sequence[ArmScores], margin: float, unit: str) -> None:
    names = [reference.arm, *(arm.arm for arm in arms)]
    if len(set(names)) < len(names):
        raise ValueError(f"arms of a family need distinct names, the reference's included; got {names}")
    if not (math.isfinite(margin) and margin >= 0):
        raise ValueError(f"margin is {margin}; it must be finite and 0 or more, for instance 1.0")
    if unit not in UNITS:
        raise ValueError(f"unit is {unit!r}; choose one of {', '.join(UNITS)}")
    for arm in arms:
        if arm.images != reference.images:
            raise ValueError(
                f"arm {arm.arm!r} has test images {arm.images}, the reference {reference.arm!r} "
                f"{reference.images}; all arms must be measured on the same images in the same way"
            )


def _spreads(reference: ArmScores, tested: Sequence[ArmScores]) -> dict[str, _Spread]:
    """The spread of every contrast that has at least 2 seeds on both sides."""
    if not tested:
        return {}
    family = [reference, *tested]
    num_seeds = np.array([arm.num_seeds for arm in family])
    own = np.array([sample_variance(arm.values) for arm in family])
    variances, dfs = shrunk_variances(own, num_seeds, [not arm.checkpoint for arm in family])
    images = _image_variances(reference, tested)
    return {
        arm.arm: _spread(variances[[i, 0]], dfs[[i, 0]], num_seeds[[i, 0]], images[i - 1], arm.images[1])
        for i, arm in enumerate(tested, start=1)
    }


def _spread(
    variances: Floats,
    dfs: Floats,
    num_seeds: NDArray[np.intp],
    images: tuple[Floats, Floats],
    num_images: int,
) -> _Spread:
    """`variances`, `dfs` and `num_seeds` are [arm, reference]; `images` is (V_image, V_both)."""
    v_seed, df_seed = satterthwaite(variances / num_seeds, dfs)
    v, df = v_seed, df_seed
    if num_images:
        v, df = crossed(v_seed, df_seed, *images, num_images)
    lost = num_seeds - dfs
    measured = MeasuredSpread(
        variances=(float(variances[0]), float(variances[1])),
        lost_dfs=(float(lost[0]), float(lost[1])),
        df=float(df_seed),
        v_image=max(0.0, float(images[0] - images[1])),
        num_images=num_images,
    )
    return _Spread(v_seed=float(v_seed), df_seed=float(df_seed), v=float(v), df=float(df), measured=measured)


def _image_variances(reference: ArmScores, tested: Sequence[ArmScores]) -> list[tuple[Floats, Floats]]:
    """(V_image, V_both) of every contrast; V_both is 0 where no residual can be told apart."""
    if reference.per_image is not None:
        return [image_variance(arm.per_image, reference.per_image) for arm in tested if arm.per_image is not None]
    zero = np.zeros(())
    if reference.statistic is None:
        return [(zero, zero) for _ in tested]
    resampled = reference.bootstrap_means()
    return [(np.asarray(sample_variance(arm.bootstrap_means() - resampled)), zero) for arm in tested]


def _tested(contrast: Contrast, spread: _Spread, num_contrasts: int) -> Contrast:
    """The contrast with everything that its spread tells."""
    difference, margin = contrast.difference, contrast.margin
    interval = spread.around(difference, 0.95, num_contrasts)
    interval_90 = spread.around(difference, 0.90, num_contrasts)
    return replace(
        contrast,
        interval=interval,
        interval_90=interval_90,
        interval_seeds=spread.around_seeds(difference, 0.95, num_contrasts),
        p_value=spread.p_value(difference, num_contrasts),
        significant=excludes_zero(interval),
        verdict=verdict_of(interval, interval_90, margin),
        beyond_margin=interval[0] > margin or interval[1] < -margin,
        seeds_needed=seeds_needed(difference, spread.measured, num_contrasts),
    )


def _untested(reference: ArmScores, arm: ArmScores, sign: float, margin: float) -> Contrast:
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
