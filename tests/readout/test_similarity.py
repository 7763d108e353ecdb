"""Similarity of two data sets: against slow implementations, and on a scale with known ends."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seedbed.readout.similarity import SIMILAR_BELOW, kid, proxy_a_distance, similarity


def _slow_kid(x: np.ndarray, y: np.ndarray) -> float:
    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return float((a @ b / len(a) + 1) ** 3)

    n, m = len(x), len(y)
    xx = sum(kernel(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    yy = sum(kernel(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    xy = sum(kernel(a, b) for a in x for b in y) / (n * m)
    return xx + yy - 2 * xy


def _codes(num: int, shift: float = 0.0, seed: int = 0, dim: int = 16) -> torch.Tensor:
    values = np.random.default_rng(seed).normal(size=(num, dim)) + shift * np.linspace(0, 1, dim)
    return torch.from_numpy(values).float()


def test_kid_equals_its_definition() -> None:
    x, y = _codes(12), _codes(9, 0.7, seed=1)
    assert kid(x, y)[0] == pytest.approx(
        _slow_kid(x.double().numpy(), y.double().numpy()), rel=1e-9
    )


def test_kid_of_equal_distributions_is_zero_for_any_number_of_images() -> None:
    """Unbiased: the mean over many pairs of small data sets is zero."""
    values = [kid(_codes(20, seed=2 * i), _codes(30, seed=2 * i + 1))[0] for i in range(200)]
    assert abs(np.mean(values)) < 4 * np.std(values) / 200**0.5
    assert min(values) < 0 < max(values)


def test_the_standard_error_of_kid_matches_repetitions() -> None:
    results = [kid(_codes(200, seed=2 * i), _codes(200, 0.5, seed=2 * i + 1)) for i in range(60)]
    spread, error = np.std([v for v, _ in results]), np.mean([e for _, e in results])
    assert 0.5 < error / spread < 3


def test_proxy_a_distance_is_near_0_and_near_2() -> None:
    assert proxy_a_distance(_codes(300), _codes(300, seed=1)) < 0.3
    assert proxy_a_distance(_codes(300), _codes(300, 30.0, seed=1)) > 1.95


def test_the_position_is_0_at_the_source_and_1_at_the_distant_images() -> None:
    source, far = _codes(400, 3.0), _codes(400, -3.0, seed=5)
    assert similarity(source[::2], source[1::2], far).position == pytest.approx(0.0, abs=0.1)
    assert similarity(source, _codes(400, -3.0, seed=6), far).position == pytest.approx(
        1.0, abs=0.05
    )
    near, away = (
        similarity(source, _codes(400, 2.0, seed=7), far),
        similarity(source, _codes(400, -2.0, seed=8), far),
    )
    assert near.position < SIMILAR_BELOW < away.position
    assert (near.word, away.word) == ("similar", "different")
    assert similarity(source, source).position is None


def test_the_position_does_not_depend_on_the_scale_of_the_codes() -> None:
    source, target, far = _codes(100, 2.0), _codes(100, 1.0, seed=1), _codes(100, -2.0, seed=2)
    a, b = similarity(source, target, far), similarity(50 * source, 50 * target, 50 * far)
    assert a.position == pytest.approx(b.position, rel=1e-4)
