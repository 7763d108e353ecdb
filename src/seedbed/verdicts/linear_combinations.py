"""A linear combination of arms' means, with its variance over seeds and over test images.

In: groups of scores (`ArmScores`) and a coefficient for each. Out: the estimate, its variances and
degrees of freedom. A contrast has the coefficients 1 and -1; an interaction 1, -1, -1 and 1.

Groups may have different numbers of seeds, for example after failed cells: see
`variances.shrunk_variances`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from seedbed.verdicts.arm_scores import ArmScores
from seedbed.verdicts.power import MeasuredSpread
from seedbed.verdicts.quantiles import Joint
from seedbed.verdicts.variances import (
    Floats,
    crossed,
    half_width,
    image_variance,
    sample_mean,
    sample_variance,
    satterthwaite,
    shrunk_variances,
)

Interval = tuple[float, float]
# V_image, V_both, number of images
ImagePart = tuple[Floats, ArrayLike, int]


@dataclass(frozen=True, kw_only=True)
class Combination:
    """An estimate with its variance over seeds, and over seeds and test images."""

    estimate: float
    v_seed: float
    df_seed: float
    v: float
    df: float
    measured: MeasuredSpread

    @property
    def covers_images(self) -> bool:
        return self.measured.num_images > 0

    def interval(self, level: float, joint: Joint) -> Interval:
        """The interval over seeds and test images, never narrower than over seeds alone."""
        half = self.half_width(joint.quantile(level, self.df), joint.quantile(level, self.df_seed))
        return self.estimate - half, self.estimate + half

    def half_width(self, quantile: float, quantile_seed: float) -> float:
        return float(half_width(np.array(self.v), quantile, np.array(self.v_seed), quantile_seed))

    def interval_seeds(self, level: float, joint: Joint) -> Interval:
        half = joint.quantile(level, self.df_seed) * math.sqrt(self.v_seed)
        return self.estimate - half, self.estimate + half

    def chance_beyond(self, quantile: float) -> float:
        """Probability that a t statistic of mean 0 exceeds a quantile (one-sided)."""
        return (
            float(special.stdtr(self.df, -quantile))
            if math.isfinite(self.df)
            else float(special.ndtr(-quantile))
        )

    def p_value(self, joint: Joint) -> float:
        """The larger p-value of both variances, consistent with the wider interval."""
        with_images = joint.p_value(_abs_t(self.estimate, self.v), self.df)
        return max(with_images, joint.p_value(_abs_t(self.estimate, self.v_seed), self.df_seed))


def _abs_t(estimate: float, variance: float) -> float:
    if variance > 0:
        return abs(estimate) / math.sqrt(variance)
    return math.inf if estimate else 0.0


# percent: one of n images, if classified correctly instead of wrongly, moves a mean by 100 / n
_ONE_IMAGE_VARIANCE = 100.0**2


class Spreads:
    """Variances over seeds of the groups of one family, shrunk to their mean.

    Each group has 2 seeds or more.
    """

    def __init__(self, groups: Sequence[ArmScores]) -> None:
        self._num_seeds = {g.arm: g.num_seeds for g in groups}
        variances, dfs = shrunk_variances(
            np.array([sample_variance(g.values) for g in groups]),
            [g.num_seeds for g in groups],
            [not g.checkpoint for g in groups],
        )
        self._variance_and_df: Mapping[str, tuple[float, float]] = {
            g.arm: (float(v), float(df)) for g, v, df in zip(groups, variances, dfs, strict=True)
        }

    def combine(
        self,
        groups: Sequence[ArmScores],
        coefficients: Sequence[float],
        image_parts: Sequence[ImagePart] | None = None,
    ) -> Combination:
        """The sum of coefficient times mean.

        `image_parts` replaces the variances over the groups' own test images.
        """
        parts = _image_parts(groups, coefficients) if image_parts is None else list(image_parts)
        squares = np.square(coefficients)
        variances, dfs = (
            np.array(column)
            for column in zip(*(self._variance_and_df[g.arm] for g in groups), strict=True)
        )
        num_seeds = np.array([self._num_seeds[g.arm] for g in groups])
        v_seed, df_seed = satterthwaite(squares * variances / num_seeds, dfs)
        v, df = crossed(v_seed, df_seed, *parts) if parts else (v_seed, df_seed)
        measured = MeasuredSpread(
            variances=tuple((squares * variances).tolist()),
            lost_dfs=tuple((num_seeds - dfs).tolist()),
            df=float(df_seed),
            v_image=max(0.0, float(sum(p[0] - np.asarray(p[1]) for p in parts))),
            num_images=min((p[2] for p in parts), default=0),
        )
        means = [float(sample_mean(g.values)) for g in groups]
        estimate = sum(c * m for c, m in zip(coefficients, means, strict=True))
        return Combination(
            estimate=estimate,
            v_seed=float(v_seed),
            df_seed=float(df_seed),
            v=float(v),
            df=float(df),
            measured=measured,
        )


def _image_parts(groups: Sequence[ArmScores], coefficients: Sequence[float]) -> list[ImagePart]:
    """V_image and V_both; V_both is 0 where the residual cannot be estimated."""
    resampling, num_images = groups[0].images
    if not num_images:
        return []
    if resampling == "per_image":
        arrays = [g.per_image for g in groups if g.per_image is not None]
        v_image, v_both = image_variance(arrays, coefficients)
        total = sum(c * float(x.mean()) for c, x in zip(coefficients, arrays, strict=True))
        # All groups agree on every image, but may differ on the next one.
        if not float(v_image) and not round(total, 9):
            v_image = np.asarray(_ONE_IMAGE_VARIANCE / num_images**2)
        return [(v_image, v_both, num_images)]
    resampled = sum(c * g.bootstrap_means() for c, g in zip(coefficients, groups, strict=True))
    return [(np.asarray(sample_variance(np.asarray(resampled))), 0.0, num_images)]
