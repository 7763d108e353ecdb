"""Retained gain: inversion against Fieller's closed form, and cases without an interval."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from seedbed.verdicts.arm_scores import ArmScores
from seedbed.verdicts.ratios import RetainedGain, difference_of_ratios, retained_gain


def scored(arm: str, *values: float) -> ArmScores:
    return ArmScores(arm=arm, values=np.array(values))


def test_agrees_with_fiellers_closed_form_for_a_known_floor_and_equal_variances() -> None:
    """Fieller's set for two independent means with equal variances of known df."""
    arm, reference = scored("a", 9.0, 10.0, 11.0), scored("r", 19.0, 20.0, 21.0)
    retained = retained_gain(arm, reference, 4.0)
    assert retained is not None and retained.interval is not None
    a, b, v, s = 10.0 - 4.0, 20.0 - 4.0, 1.0, 3
    # At the ends the statistic equals the quantile at its degrees of freedom.
    for rho in retained.interval:
        variance = v / s * (1 + rho**2)
        df = (1 + rho**2) ** 2 / (1 / s + rho**4 / s)
        assert abs(a - rho * b) == pytest.approx(
            stats.t.ppf(0.975, df) * np.sqrt(variance), rel=1e-6
        )
    assert retained.ratio == pytest.approx(a / b)
    assert retained.interval[0] < retained.ratio < retained.interval[1]


def test_the_whole_gain_is_one_and_no_gain_is_zero() -> None:
    floor, reference = scored("f", 1.0, 1.1, 0.9), scored("r", 5.0, 5.2, 4.8)
    whole, none = (
        retained_gain(scored("a", *x), reference, floor) for x in ((5.0, 5.2, 4.8), (1.0, 1.1, 0.9))
    )
    assert (
        whole is not None
        and whole.ratio == pytest.approx(1)
        and whole.interval
        and whole.interval[0] < 1 < whole.interval[1]
    )
    assert (
        none is not None
        and none.ratio == pytest.approx(0)
        and none.interval
        and none.interval[0] < 0 < none.interval[1]
    )


def test_an_insignificant_gain_has_no_interval() -> None:
    retained = retained_gain(scored("a", 1.0, 3.0), scored("r", 2.0, 5.0), scored("f", 1.0, 3.0))
    assert retained is not None and retained.interval is None


def test_a_loss_or_a_single_seed_has_no_retained_gain() -> None:
    assert (
        retained_gain(scored("a", 1.0, 2.0), scored("r", 0.0, 0.5), scored("f", 1.0, 2.0)) is None
    )
    assert retained_gain(scored("a", 1.0), scored("r", 5.0, 5.5), 0.0) is None


def test_identical_seeds_give_a_point() -> None:
    retained = retained_gain(scored("a", 3.0, 3.0), scored("r", 5.0, 5.0), 1.0)
    assert retained is not None and retained.interval == pytest.approx((0.5, 0.5))


def test_difference_of_two_retained_gains() -> None:
    one, other = (
        RetainedGain(ratio=0.9, interval=(0.8, 1.0), gain=1.0),
        RetainedGain(ratio=0.5, interval=(0.4, 0.6), gain=1.0),
    )
    difference = difference_of_ratios(one, other)
    assert difference is not None
    value, (low, high) = difference
    assert value == pytest.approx(0.4)
    assert (low, high) == pytest.approx((0.4 - np.hypot(0.1, 0.1), 0.4 + np.hypot(0.1, 0.1)))
    assert difference_of_ratios(one, RetainedGain(ratio=0.5, interval=None, gain=1.0)) is None
