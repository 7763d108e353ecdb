"""Dunnett quantiles against SciPy and a direct simulation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from seedbed.verdicts.quantiles import Joint, two_sided_power


@pytest.mark.parametrize("df", [0.8, 1, 2.5, 7.3, 100, 1e6, math.inf])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_one_contrast_is_student_t(level: float, df: float) -> None:
    quantile = float(stats.t.ppf((1 + level) / 2, df))
    assert Joint(1).quantile(level, df) == pytest.approx(quantile, rel=1e-9)
    assert Joint(1).p_value(quantile, df) == pytest.approx(1 - level, rel=1e-9)


@pytest.mark.parametrize(
    "num_contrasts, df", [(3, 0.8), (2, 1.7), (5, 2.5), (3, 10), (8, math.inf)]
)
def test_simulated_statistics_exceed_the_quantile_at_the_nominal_rate(
    num_contrasts: int, df: float
) -> None:
    rng = np.random.default_rng(1)
    num_draws = 400_000
    z = rng.standard_normal((num_draws, num_contrasts + 1))
    scale = 1.0 if math.isinf(df) else np.sqrt(rng.chisquare(df, num_draws) / df)
    largest = np.abs(z[:, 1:] - z[:, :1]).max(1) / math.sqrt(2) / scale
    assert (largest > Joint(num_contrasts).quantile(0.95, df)).mean() == pytest.approx(
        0.05, abs=0.0015
    )


@pytest.mark.parametrize(
    "level, num_contrasts, df", [(0.95, 3, 10), (0.95, 2, 3), (0.9, 5, 20), (0.95, 3, 1)]
)
def test_agrees_with_scipy_multivariate_t(level: float, num_contrasts: int, df: int) -> None:
    shape: Any = np.full((num_contrasts, num_contrasts), 0.5) + 0.5 * np.eye(num_contrasts)
    bound = np.full(num_contrasts, Joint(num_contrasts).quantile(level, df))
    options: Any = {
        "lower_limit": -bound,
        "maxpts": 200_000,
        "random_state": np.random.default_rng(0),
    }
    inside = stats.multivariate_t(shape=shape, df=df).cdf(bound, **options)
    assert inside == pytest.approx(level, abs=5e-4)


def test_agrees_with_scipy_dunnett() -> None:
    rng = np.random.default_rng(2)
    control, *samples = (rng.normal(0.4 * i, 1, 6) for i in range(4))
    options: Any = {"random_state": np.random.default_rng(0)}
    result = stats.dunnett(*samples, control=control, **options)
    p_values = [Joint(3).p_value(abs(t), 4 * 5) for t in result.statistic]
    np.testing.assert_allclose(p_values, result.pvalue, atol=2e-3)


@given(
    level=st.floats(0.5, 0.999),
    num_contrasts=st.integers(1, 12),
    df=st.one_of(st.floats(0.5, 1e9), st.just(math.inf)),
)
def test_p_value_inverts_the_quantile(level: float, num_contrasts: int, df: float) -> None:
    quantile = Joint(num_contrasts).quantile(level, df)
    assert Joint(num_contrasts).p_value(quantile, df) == pytest.approx(1 - level, abs=1e-7)


@pytest.mark.parametrize("num_contrasts", [1, 2, 5])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_the_table_agrees_with_the_quantile(level: float, num_contrasts: int) -> None:
    dfs = [*np.geomspace(0.8, 1e6, 40), math.inf]
    exact = [Joint(num_contrasts).quantile(level, df) for df in dfs]
    np.testing.assert_allclose(Joint(num_contrasts).quantiles(level, dfs), exact, rtol=1e-5)


def test_the_p_value_at_zero_and_infinity() -> None:
    assert Joint(3).p_value(0.0, 4.0) == pytest.approx(1)
    assert Joint(3).p_value(math.inf, 4.0) == 0


def test_power_is_that_of_the_noncentral_t() -> None:
    expected = stats.nct.sf(2.3, 6.5, 1.8) + stats.nct.cdf(-2.3, 6.5, 1.8)
    assert two_sided_power(1.8, 2.3, 6.5) == pytest.approx(expected, abs=1e-8)


def test_arguments_out_of_range_are_errors() -> None:
    with pytest.raises(ValueError, match="level must lie between 0 and 1.* got 95"):
        Joint(3).quantile(95, 10)
    with pytest.raises(ValueError, match="num must be at least 1, got 0"):
        Joint(0).quantile(0.95, 10)
    with pytest.raises(ValueError, match="df must be at least .* got nan"):
        Joint(2).p_value(1.0, math.nan)
    with pytest.raises(ValueError, match="abs_t must be at least 0, got -1"):
        Joint(2).p_value(-1.0, 3.0)
    with pytest.raises(ValueError, match="df must be at least"):
        Joint(2).quantiles(0.95, [0.1])
