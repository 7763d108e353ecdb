"""Retained gain: the set by inversion against Fieller's closed form, and where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from seedbed.verdicts.arm_scores import ArmScores
from seedbed.verdicts.ratios import Retained, difference_of_ratios, retained_gain


def scored(arm: str, *values: float) -> ArmScores:
    return ArmScores(arm=arm, values=np.array(values))


def test_agrees_with_fiellers_closed_form_where_the_floor_is_known_and_spreads_are_alike() -> None:
    """With equal variances and a known floor the set is Fieller's for two independent means with
    equal known-df variances."""
    arm, reference = scored("a", 9.0, 10.0, 11.0), scored("r", 19.0, 20.0, 21.0)
    found = retained_gain(arm, reference, 4.0)
    assert found is not None and found.interval is not None
    a, b, v, s = 10.0 - 4.0, 20.0 - 4.0, 1.0, 3
    # at the ends the statistic is the quantile at its own degrees of freedom
    for rho in found.interval:
        variance = v / s * (1 + rho**2)
        df = (1 + rho**2) ** 2 / (1 / s + rho**4 / s)
        assert abs(a - rho * b) == pytest.approx(
            stats.t.ppf(0.975, df) * np.sqrt(variance), rel=1e-6
        )
    assert found.ratio == pytest.approx(a / b)
    assert found.interval[0] < found.ratio < found.interval[1]


def test_all_of_the_gain_is_one_and_none_is_zero() -> None:
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


def test_a_gain_that_is_in_doubt_has_no_interval() -> None:
    found = retained_gain(scored("a", 1.0, 3.0), scored("r", 2.0, 5.0), scored("f", 1.0, 3.0))
    assert found is not None and found.interval is None


def test_there_is_no_share_of_a_loss_nor_with_one_seed() -> None:
    assert (
        retained_gain(scored("a", 1.0, 2.0), scored("r", 0.0, 0.5), scored("f", 1.0, 2.0)) is None
    )
    assert retained_gain(scored("a", 1.0), scored("r", 5.0, 5.5), 0.0) is None


def test_identical_seeds_give_a_point() -> None:
    found = retained_gain(scored("a", 3.0, 3.0), scored("r", 5.0, 5.0), 1.0)
    assert found is not None and found.interval == pytest.approx((0.5, 0.5))


def test_difference_of_two_shares() -> None:
    one, other = (
        Retained(ratio=0.9, interval=(0.8, 1.0), gain=1.0),
        Retained(ratio=0.5, interval=(0.4, 0.6), gain=1.0),
    )
    found = difference_of_ratios(one, other)
    assert found is not None
    value, (low, high) = found
    assert value == pytest.approx(0.4)
    assert (low, high) == pytest.approx((0.4 - np.hypot(0.1, 0.1), 0.4 + np.hypot(0.1, 0.1)))
    assert difference_of_ratios(one, Retained(ratio=0.5, interval=None, gain=1.0)) is None
