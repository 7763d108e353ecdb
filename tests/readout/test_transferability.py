"""Transferability scores against slow implementations and published properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from sklearn.covariance import LedoitWolf
from sklearn.neighbors import KNeighborsClassifier

from seedbed.readout.transferability import h_score, knn_accuracy, leep, logme, nce


def _task(
    n: int = 90, d: int = 12, k: int = 3, signal: float = 1.0, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    generator = np.random.default_rng(seed)
    labels = generator.integers(k, size=n)
    codes = generator.normal(size=(n, d)) + signal * generator.normal(size=(k, d))[labels]
    return torch.from_numpy(codes), torch.from_numpy(labels)


def _slow_logme(codes: np.ndarray, labels: np.ndarray) -> float:
    """Log evidence of Bayesian linear regression as the Gaussian density of the targets; its two
    precisions are optimised by Nelder-Mead."""
    n = len(codes)

    def evidence(parameters: np.ndarray, target: np.ndarray) -> float:
        alpha, beta = np.exp(parameters)
        covariance = np.eye(n) / beta + codes @ codes.T / alpha
        _, log_det = np.linalg.slogdet(covariance)
        return -0.5 * (
            target @ np.linalg.solve(covariance, target) + log_det + n * math.log(2 * math.pi)
        )

    evidences = []
    for label in np.unique(labels):
        target = (labels == label).astype(float)
        best = minimize(
            lambda p, t=target: -evidence(p, t),
            np.zeros(2),
            method="Nelder-Mead",
            options={"xatol": 1e-7, "fatol": 1e-9},
        )
        evidences.append(-best.fun / n)
    return float(np.mean(evidences))


@pytest.mark.parametrize(("n", "d"), [(60, 8), (30, 50)])
def test_logme_is_the_maximum_of_the_evidence(n: int, d: int) -> None:
    codes, labels = _task(n, d)
    assert logme(codes, labels) == pytest.approx(
        _slow_logme(codes.numpy(), labels.numpy()), abs=1e-3
    )


def test_logme_grows_with_the_signal_in_the_codes() -> None:
    values = [logme(*_task(signal=s)) for s in (0.0, 1.0, 3.0)]
    assert values == sorted(values)
    assert values[2] > values[0] + 0.2


def test_h_score_equals_its_definition() -> None:
    codes, labels = (t.numpy() for t in _task())
    means = np.stack([codes[labels == label].mean(0) for label in labels])
    slow = np.trace(np.linalg.inv(np.cov(codes.T, bias=True)) @ np.cov(means.T, bias=True))
    assert h_score(
        torch.from_numpy(codes), torch.from_numpy(labels), shrink=False
    ) == pytest.approx(slow, rel=1e-8)


def test_the_shrunk_h_score_uses_ledoit_and_wolf() -> None:
    codes, labels = (t.numpy() for t in _task(40, 30))
    fitted = LedoitWolf().fit(codes)
    means = np.stack([codes[labels == label].mean(0) for label in labels])
    slow = (1 - fitted.shrinkage_) * np.trace(
        np.linalg.inv(fitted.covariance_) @ np.cov(means.T, bias=True)
    )
    assert h_score(torch.from_numpy(codes), torch.from_numpy(labels)) == pytest.approx(
        slow, rel=1e-6
    )


def test_without_shrinkage_the_h_score_counts_dimensions() -> None:
    noise, labels = _task(40, 60, signal=0.0)
    # K - 1, for any codes.
    assert h_score(noise, labels, shrink=False) == pytest.approx(2.0, abs=1e-6)
    assert h_score(noise, labels) < 0.5


def test_leep_and_nce_equal_their_definitions() -> None:
    generator = np.random.default_rng(1)
    probabilities, labels = generator.dirichlet(np.ones(5), size=50), generator.integers(3, size=50)
    joint = np.zeros((3, 5))
    for p, y in zip(probabilities, labels, strict=True):
        joint[y] += p / 50
    conditional = joint / joint.sum(0)
    slow = np.mean(
        [
            math.log(sum(conditional[y, z] * p[z] for z in range(5)))
            for p, y in zip(probabilities, labels, strict=True)
        ]
    )
    assert leep(torch.from_numpy(probabilities), torch.from_numpy(labels)) == pytest.approx(
        slow, rel=1e-9
    )
    predicted = probabilities.argmax(1)
    entropy = 0.0
    for z in np.unique(predicted):
        for y in range(3):
            both = np.mean((predicted == z) & (labels == y))
            entropy -= both * math.log(both / np.mean(predicted == z)) if both else 0.0
    assert nce(torch.from_numpy(predicted), torch.from_numpy(labels)) == pytest.approx(
        -entropy, rel=1e-9
    )


def test_perfect_source_labels_give_the_best_scores() -> None:
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    assert nce(labels, labels) == pytest.approx(0.0, abs=1e-9)
    assert leep(torch.nn.functional.one_hot(labels).double(), labels) == pytest.approx(
        0.0, abs=1e-9
    )


def test_knn_leaves_each_image_out() -> None:
    codes, labels = _task(60, 6)
    values = torch.nn.functional.normalize(codes.float()).numpy()
    right = []
    for i in range(60):
        others = np.arange(60) != i
        fitted = KNeighborsClassifier(1, metric="cosine").fit(
            values[others], labels.numpy()[others]
        )
        right.append(fitted.predict(values[i : i + 1])[0] == labels[i].item())
    assert knn_accuracy(codes, labels, k=1) == pytest.approx(100 * np.mean(right))
    same = torch.ones(8, 3)
    # With equal codes, no image votes for itself.
    assert 0 <= knn_accuracy(same, torch.tensor([0, 1] * 4), k=3) <= 100
