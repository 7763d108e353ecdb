"""The expected accuracy is corrected for selection bias."""

from __future__ import annotations

import numpy as np
import pytest

from seedbed.advice.selection_bias import corrected_accuracy, paired_difference


def _candidates(num: int, accuracies: list[float], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random((num, len(accuracies))) < np.array(accuracies)


def test_many_equal_candidates_cause_no_optimism() -> None:
    """All are correct on 70 % of the population; the best of twenty looks better on a sample."""
    uncorrected, corrected, num_covered = [], [], 0
    for seed in range(60):
        correct = _candidates(150, [0.7] * 20, seed)
        expected = corrected_accuracy(correct, np.arange(150), seed)
        uncorrected.append(100 * correct.mean(0).max())
        corrected.append(expected.value)
        num_covered += expected.interval[0] <= 70 <= expected.interval[1]
    assert np.mean(uncorrected) > 75
    assert abs(np.mean(corrected) - 70) < 1.0
    assert num_covered >= 52  # of 60, at 95 %


def test_a_clear_winner_is_barely_corrected() -> None:
    correct = _candidates(400, [0.9, 0.6, 0.6], 0)
    expected = corrected_accuracy(correct, np.arange(400))
    assert expected.value == pytest.approx(100 * correct[:, 0].mean(), abs=0.5)
    assert abs(expected.optimism) < 0.5


def test_near_duplicates_count_as_one_image() -> None:
    correct = _candidates(50, [0.7, 0.6], 0)
    repeated, groups = np.repeat(correct, 8, axis=0), np.repeat(np.arange(50), 8)
    together, apart = (
        corrected_accuracy(repeated, groups),
        corrected_accuracy(repeated, np.arange(400)),
    )
    width = lambda expected: expected.interval[1] - expected.interval[0]  # noqa: E731
    assert width(together) == pytest.approx(
        width(corrected_accuracy(correct, np.arange(50))), rel=0.15
    )
    assert width(together) > 2 * width(apart)


def test_differences_are_paired_by_image() -> None:
    generator = np.random.default_rng(0)
    a = generator.random(300) < 0.8
    b = a & (generator.random(300) < 0.95)
    difference, (low, high) = paired_difference(a, b, np.arange(300))
    assert difference == pytest.approx(100 * (a.mean() - b.mean()))
    assert 0 < low < difference < high < 12
    assert paired_difference(a, a, np.arange(300)) == (0.0, (0.0, 0.0))


def test_a_winner_without_mistakes_has_a_positive_interval_width() -> None:
    expected = corrected_accuracy(np.ones((20, 2), bool), np.arange(20))
    assert expected.value == 100
    assert expected.interval[0] == pytest.approx(83.9, abs=0.1)  # Wilson's, of 20 images
