"""Accuracies against slow twins, loop by loop."""

from __future__ import annotations

import numpy as np
import pytest

from seedbed.metrics import METRICS
from seedbed.metrics.accuracy import accuracies, rank
from seedbed.metrics.intervals import share_interval

ACCURACIES = ("top1", "top5", "mean_class_accuracy")


def _slow(metric: str, labels: np.ndarray, ranked: np.ndarray) -> float:
    hits = [
        int(label) in [int(r) for r in row[: 5 if metric == "top5" else 1]]
        for label, row in zip(labels, ranked, strict=True)
    ]
    if metric != "mean_class_accuracy":
        return 100.0 * sum(hits) / len(hits)
    shares = []
    for c in sorted(set(labels.tolist())):
        own = [hit for hit, label in zip(hits, labels, strict=True) if label == c]
        shares.append(sum(own) / len(own))
    return 100.0 * sum(shares) / len(shares)


def _contributions(metric: str, labels: np.ndarray, ranked: np.ndarray) -> np.ndarray:
    each = METRICS.get(metric).per_image({"labels": labels, "ranked": ranked, "within": ranked})
    assert each is not None
    return each


def _case(seed: int, n: int = 60, num_classes: int = 7) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    # the last class is absent
    labels = np.concatenate([rng.integers(0, num_classes - 1, n - 3), [0, 0, 1]])
    scores = rng.normal(size=(n, num_classes))
    scores[np.arange(n), labels] += 1.0
    return labels, rank(scores)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("metric", ACCURACIES)
def test_each_metric_equals_its_slow_twin(metric: str, seed: int) -> None:
    labels, ranked = _case(seed)
    assert accuracies(labels, ranked, 7)[metric] == pytest.approx(
        _slow(metric, labels, ranked), rel=1e-12
    )


@pytest.mark.parametrize("metric", ACCURACIES)
def test_the_mean_of_the_contributions_is_the_metric(metric: str) -> None:
    labels, ranked = _case(3)
    each = _contributions(metric, labels, ranked)
    assert each.shape == labels.shape
    assert each.mean() == pytest.approx(accuracies(labels, ranked, 7)[metric], rel=1e-12)


@pytest.mark.parametrize("metric", ACCURACIES)
def test_the_order_of_the_images_does_not_matter(metric: str) -> None:
    labels, ranked = _case(4)
    order = np.random.default_rng(0).permutation(len(labels))
    assert np.array_equal(
        _contributions(metric, labels[order], ranked[order]),
        _contributions(metric, labels, ranked)[order],
    )


def test_by_hand() -> None:
    labels = np.array([0, 0, 0, 1])
    ranked = np.array([[0, 1], [0, 1], [1, 0], [1, 0]])
    found = accuracies(labels, ranked, 2)
    assert found == {"top1": 75.0, "mean_class_accuracy": pytest.approx(100 * (2 / 3 + 1) / 2)}


def test_top5_is_given_only_beyond_five_classes() -> None:
    labels, ranked = np.arange(5), rank(np.eye(5))
    assert "top5" not in accuracies(labels, ranked, 5)
    assert "top5" in accuracies(labels, ranked, 6)


def test_ties_go_to_the_lower_class() -> None:
    assert rank(np.zeros((2, 7))).tolist() == [[0, 1, 2, 3, 4]] * 2
    assert rank(np.array([[1.0, 3.0, 3.0, 2.0, 3.0]]), k=3).tolist() == [[1, 2, 4]]


def test_rank_gives_no_more_than_there_are_classes() -> None:
    assert rank(np.zeros((1, 3))).shape == (1, 3)


def test_perfect_predictions_reach_the_best_value() -> None:
    labels, ranked = np.arange(6), rank(np.eye(6))
    for metric in (m for m in METRICS if m.startswith(("top", "mean_class", "induction"))):
        best = 100 if METRICS.get(metric).higher_is_better else 0
        assert _contributions(metric, labels, ranked).mean() == best


@pytest.mark.parametrize(("num_right", "num"), [(0, 4), (2, 4), (4, 4), (37, 61), (999, 10_000)])
def test_the_interval_of_a_share_is_scipys(num_right: int, num: int) -> None:
    from scipy.stats import binomtest

    expected = binomtest(num_right, num).proportion_ci(method="wilson")
    assert share_interval(100 * num_right / num, num) == pytest.approx(
        (100 * expected.low, 100 * expected.high), abs=1e-4
    )
