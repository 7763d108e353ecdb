"""Variance components of a nested design."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from seedbed.verdicts.variance_components import nested_variances


def test_components_of_a_table_by_hand() -> None:
    components = nested_variances([np.array([[1.0, 3.0], [5.0, 7.0], [9.0, 11.0]])])
    assert components.training == pytest.approx(2.0)  # each row: 1 and 3, with mean 2
    # means 2, 6, 10 have variance 16; half of 2 is the trainings'
    assert components.sample == pytest.approx(16.0 - 1.0)
    low, high = components.training_interval
    assert (low, high) == pytest.approx(
        (3 * 2 / stats.chi2.ppf(0.975, 3), 3 * 2 / stats.chi2.ppf(0.025, 3))
    )
    assert components.sample_interval[0] < components.sample < components.sample_interval[1]


def test_identical_trainings_give_the_exact_interval_of_the_means() -> None:
    table = np.repeat(np.array([[1.0], [2.0], [4.0], [7.0]]), 3, axis=1)
    components = nested_variances([table])
    variance = np.var([1, 2, 4, 7], ddof=1)
    exact = [3 * variance / stats.chi2.ppf(p, 3) for p in (0.975, 0.025)]
    assert components.sample_interval == pytest.approx(exact)


def test_without_a_sample_effect_the_interval_includes_zero() -> None:
    rng = np.random.default_rng(0)
    components = nested_variances([rng.standard_normal((6, 4))])
    assert components.sample_interval[0] == 0


def test_arms_are_pooled() -> None:
    rng = np.random.default_rng(1)
    tables = [rng.standard_normal((4, 3)) + rng.standard_normal((4, 1)) for _ in range(8)]
    pooled, alone = nested_variances(tables), nested_variances(tables[:1])
    assert pooled.num_arms == 8
    assert np.diff(pooled.sample_interval)[0] < np.diff(alone.sample_interval)[0]


def test_unbalanced_or_small_tables_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 x 2"):
        nested_variances([np.zeros((3, 1))])
