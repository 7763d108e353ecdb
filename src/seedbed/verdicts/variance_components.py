"""Variance components of a nested design: the sample of images and classes, and the training.

In: values [samples, trainings] of one or more arms. Out: both variances with 95 % intervals. The
model is value = mean + sample[i] + training[i, j], balanced and normal. The interval of the
training variance is chi-squared. That of the sample variance is the modified large-sample interval
of Ting et al. (1990, J. Stat. Comput. Simul. 35:135; Burdick and Graybill 1992, section 3.3), which
is exact if either variance is 0. Several arms are pooled by their degrees of freedom.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from seedbed.verdicts.variances import Floats, sample_variance

Interval = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class NestedVariances:
    """Variances of the sample, and of the training given the sample.

    Training includes initialisation, order of images and augmentation.
    """

    sample: float
    sample_interval: Interval
    training: float
    training_interval: Interval
    num_samples: int
    # per sample
    num_trainings: int
    num_arms: int


def nested_variances(tables: Sequence[Floats], level: float = 0.95) -> NestedVariances:
    """Variance components of balanced tables [samples, trainings], pooled over tables.

    Raises:
        ValueError: tables are smaller than 2 x 2 or differ in shape.
    """
    arrays = [np.asarray(t, dtype=np.float64) for t in tables]
    shape = arrays[0].shape
    if len(shape) != 2 or min(shape) < 2 or any(a.shape != shape for a in arrays):
        raise ValueError(
            "tables must be [samples, trainings], at least 2 x 2, of equal shape; got "
            f"{[a.shape for a in arrays]}"
        )
    num_samples, num_trainings = shape
    between = float(np.mean([num_trainings * sample_variance(a.mean(1)) for a in arrays]))
    within = float(np.mean([sample_variance(a).mean() for a in arrays]))
    df_between = len(arrays) * (num_samples - 1)
    df_within = len(arrays) * num_samples * (num_trainings - 1)
    low, high = _difference_interval(between, df_between, within, df_within, level)
    tail = (1 - level) / 2
    return NestedVariances(
        sample=max(0.0, (between - within) / num_trainings),
        sample_interval=(max(0.0, low) / num_trainings, max(0.0, high) / num_trainings),
        training=within,
        training_interval=(
            df_within * within / float(stats.chi2.ppf(1 - tail, df_within)),
            df_within * within / float(stats.chi2.ppf(tail, df_within)),
        ),
        num_samples=num_samples,
        num_trainings=num_trainings,
        num_arms=len(arrays),
    )


def _difference_interval(ms1: float, n1: int, ms2: float, n2: int, level: float) -> Interval:
    """Interval of the difference of two expected mean squares with n1 and n2 degrees of freedom."""
    tail = (1 - level) / 2
    f_high, f_low = float(stats.f.ppf(1 - tail, n1, n2)), float(stats.f.ppf(tail, n1, n2))
    g1, h1 = 1 - n1 / stats.chi2.ppf(1 - tail, n1), n1 / stats.chi2.ppf(tail, n1) - 1
    g2, h2 = 1 - n2 / stats.chi2.ppf(1 - tail, n2), n2 / stats.chi2.ppf(tail, n2) - 1
    g12 = ((f_high - 1) ** 2 - (g1 * f_high) ** 2 - h2**2) / f_high
    h12 = ((1 - f_low) ** 2 - (h1 * f_low) ** 2 - g2**2) / f_low
    below = (g1 * ms1) ** 2 + (h2 * ms2) ** 2 + g12 * ms1 * ms2
    above = (h1 * ms1) ** 2 + (g2 * ms2) ** 2 + h12 * ms1 * ms2
    return ms1 - ms2 - float(np.sqrt(max(0.0, below))), ms1 - ms2 + float(np.sqrt(max(0.0, above)))
