"""The winner's score is not flattered by its having won."""

from __future__ import annotations

import numpy as np
import pytest

from seedbed.advice.selection_bias import nested_accuracy, paired_difference


def _candidates(num: int, accuracies: list[float], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random((num, len(accuracies))) < np.array(accuracies)


def test_many_equal_candidates_do_not_flatter_the_winner() -> None:
    """All are right on 70 % of all images there are; the best of twenty looks better on these."""
    own, corrected, covered = [], [], 0
    for seed in range(60):
        right = _candidates(150, [0.7] * 20, seed)
        found = nested_accuracy(right, np.arange(150), seed)
        own.append(100 * right.mean(0).max())
        corrected.append(found.value)
        covered += found.interval[0] <= 70 <= found.interval[1]
    assert np.mean(own) > 75
    assert abs(np.mean(corrected) - 70) < 1.0
    assert covered >= 52  # of 60, at 95 %


def test_one_that_is_far_ahead_is_not_held_back() -> None:
    right = _candidates(400, [0.9, 0.6, 0.6], 0)
    found = nested_accuracy(right, np.arange(400))
    assert found.value == pytest.approx(100 * right[:, 0].mean(), abs=0.5)
    assert abs(found.optimism) < 0.5


def test_near_duplicates_count_as_one_image() -> None:
    right = _candidates(50, [0.7, 0.6], 0)
    repeated, groups = np.repeat(right, 8, axis=0), np.repeat(np.arange(50), 8)
    together, apart = nested_accuracy(repeated, groups), nested_accuracy(repeated, np.arange(400))
    width = lambda found: found.interval[1] - found.interval[0]  # noqa: E731
    assert width(together) == pytest.approx(width(nested_accuracy(right, np.arange(50))), rel=0.15)
    assert width(together) > 2 * width(apart)


def test_differences_are_of_the_same_images() -> None:
    generator = np.random.default_rng(0)
    a = generator.random(300) < 0.8
    b = a & (generator.random(300) < 0.95)
    difference, (low, high) = paired_difference(a, b, np.arange(300))
    assert difference == pytest.approx(100 * (a.mean() - b.mean()))
    assert 0 < low < difference < high < 12
    assert paired_difference(a, a, np.arange(300)) == (0.0, (0.0, 0.0))


def test_a_winner_that_is_never_wrong_is_not_certain() -> None:
    found = nested_accuracy(np.ones((20, 2), bool), np.arange(20))
    assert found.value == 100
    assert found.interval[0] == pytest.approx(83.9, abs=0.1)  # Wilson's, of 20 images
