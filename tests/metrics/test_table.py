"""The table of metrics: every metric agrees with a plain computation from stored predictions."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

from seedbed.base.errors import UsageError
from seedbed.metrics import METRICS, MeanMetric, Metric, MetricTable, Predictions
from seedbed.metrics.average_precision import MeanAveragePrecision
from seedbed.testing import ContractError, check_metric

# The closed list of the command-line contract.
CONTRACT = {
    *("top1", "top5", "top1_error", "top5_error", "mean_class_accuracy"),
    *("map_voc07", "map_voc10", "map_holidays", "map_oxford", "map_retrieval"),
    *("ns_score", "recall_at_1", "recall_at_4"),
    *("induction_top1", "induction_top5", "induction_within_top1"),
}

LABELS = [0, 0, 0, 1, 2, 2]
RANKED = [
    [0, 1, 2, 3, 4, 5],
    [1, 0, 2, 3, 4, 5],
    [5, 4, 3, 2, 1, 0],
    [1, 0, 2, 3, 4, 5],
    [2, 1, 0, 3, 4, 5],
    [0, 1, 2, 3, 4, 5],
]
WITHIN = [[0, 1], [0, 1], [1, 0], [1, 0], [2, 3], [2, 3]]
MARKS = [[1, -1], [-1, 1], [1, 0], [-1, -1]]
SCORES = [[0.9, 0.1], [0.8, 0.7], [0.3, 0.9], [0.2, 0.8]]
OF_QUERIES = [100.0, 50.0, 0.0, 25.0, 100.0, 75.0]


def predictions_of(name: str) -> Predictions:
    """Predictions of a small test, as a measurement with this metric stores them."""
    if METRICS.get(name).counted_in == ("query", "queries"):
        each = np.array(OF_QUERIES) * METRICS.get(name).highest / 100
        return {"ids": np.arange(6), "labels": np.ones(6, int), f"unit.{name}": each}
    if isinstance(METRICS.get(name), MeanAveragePrecision):
        marks = np.array(MARKS, np.int8)
        return {"ids": np.arange(4), "marks": marks, "scores": np.array(SCORES)}
    return {
        "ids": np.arange(6),
        "labels": np.array(LABELS),
        "ranked": np.array(RANKED),
        "within": np.array(WITHIN),
    }


def _accuracy(ranked: list[list[int]], k: int) -> float:
    hits = [label in row[:k] for label, row in zip(LABELS, ranked, strict=True)]
    return 100 * sum(hits) / len(hits)


# By hand: in class 0 the right ones are at ranks 1 and 3 of 4; in class 1 the difficult image is
# left out, and the right one is at rank 2 of 3.
MEAN_PRECISION_10 = 100 * ((1 / 2 + 2 / 3 / 2) + 1 / 2) / 2
# Eleven recalls: class 0 reaches recall 0..0.5 with precision 1, 0.6..1 with 2/3.
MEAN_PRECISION_07 = 100 * ((6 + 5 * 2 / 3) / 11 + 1 / 2) / 2
EXPECTED = {
    "top1": _accuracy(RANKED, 1),
    "top5": _accuracy(RANKED, 5),
    "top1_error": 100 - _accuracy(RANKED, 1),
    "top5_error": 100 - _accuracy(RANKED, 5),
    "mean_class_accuracy": 100 * (1 / 3 + 1 + 1 / 2) / 3,
    "induction_top1": _accuracy(RANKED, 1),
    "induction_top5": _accuracy(RANKED, 5),
    "induction_within_top1": _accuracy(WITHIN, 1),
    "map_voc07": MEAN_PRECISION_07,
    "map_voc10": MEAN_PRECISION_10,
    "ns_score": 4 * sum(OF_QUERIES) / 600,
    **dict.fromkeys(
        ("map_holidays", "map_oxford", "map_retrieval", "recall_at_1", "recall_at_4"),
        sum(OF_QUERIES) / 6,
    ),
}


def test_the_built_in_names_are_those_of_the_contract() -> None:
    assert set(METRICS) == set(METRICS.names()) == CONTRACT == set(EXPECTED)
    assert "top1" in METRICS
    assert "top2" not in METRICS


@pytest.mark.parametrize("name", METRICS.names())
def test_a_metric_is_described(name: str) -> None:
    metric = METRICS.get(name)
    assert metric.name == name
    assert metric.title
    assert metric.unit in ("percent", "score")
    assert metric.sign == (1 if metric.higher_is_better else -1)
    assert 0 < metric.default_margin < metric.highest
    assert all(metric.counted_in)
    assert hash(metric) == hash(METRICS.get(name))
    assert metric.format(1.0) == ("1.00 %" if metric.unit == "percent" else "1.00 of 4")


def test_errors_alone_are_better_when_lower() -> None:
    lower = {name for name in METRICS if not METRICS.get(name).higher_is_better}
    assert lower == {"top1_error", "top5_error"}


@pytest.mark.parametrize("name", METRICS.names())
def test_the_value_agrees_with_a_computation_by_hand(name: str) -> None:
    assert METRICS.get(name).value(predictions_of(name)) == pytest.approx(EXPECTED[name])


@pytest.mark.parametrize("name", METRICS.names())
def test_it_keeps_the_contract_of_outside_packages(name: str) -> None:
    check_metric(name, predictions_of(name), EXPECTED[name])
    with pytest.raises(ContractError, match=name):
        check_metric(name, predictions_of(name), EXPECTED[name] + 1)


@pytest.mark.parametrize("name", METRICS.names())
def test_contributions_average_to_the_value(name: str) -> None:
    metric, predictions = METRICS.get(name), predictions_of(name)
    each = metric.per_image(predictions)
    if each is None:
        assert isinstance(metric, MeanAveragePrecision)
        return
    assert each.dtype == np.float64
    assert each.shape == predictions["ids"].shape
    assert each.mean() == pytest.approx(EXPECTED[name])


@pytest.mark.parametrize("name", METRICS.names())
def test_a_resample_of_all_images_twice_has_the_same_value(name: str) -> None:
    metric, predictions = METRICS.get(name), predictions_of(name)
    num = len(predictions["ids"])
    twice = np.concatenate([np.arange(num), np.arange(num)[::-1]])
    assert metric.statistic(predictions)(twice) == pytest.approx(EXPECTED[name])


@pytest.mark.parametrize("name", METRICS.names())
def test_the_truth_has_a_row_for_each_image_and_no_prediction(name: str) -> None:
    metric, predictions = METRICS.get(name), predictions_of(name)
    truth = metric.truth(predictions)
    assert len(truth) == len(predictions["ids"])
    others = {
        array: values[::-1] if array in ("ranked", "within", "scores") else values
        for array, values in predictions.items()
    }
    assert np.array_equal(metric.truth(others), truth)


def test_shares_alone_have_a_binomial_interval() -> None:
    low, high = METRICS.get("top1").interval(90.0, 100)  # pyright: ignore[reportGeneralTypeIssues]
    assert low < 90 < high
    assert METRICS.get("mean_class_accuracy").interval(90.0, 100) is None
    assert METRICS.get("map_voc07").interval(90.0, 100) is None


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        METRICS.get("map_voc7")
    assert "'map_voc7'" in caught.value.message
    assert "map_voc07" in caught.value.hint


OUTSIDE = """
import numpy as np
from seedbed.metrics import MeanMetric

BRIER = MeanMetric(
    name="brier_score", title="Brier score", unit="score", highest=2.0, higher_is_better=False,
    default_margin=0.01, contributions=lambda p: ((p["scores"] - p["targets"]) ** 2).sum(1),
)
"""


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MetricTable]:
    """A table in which an outside package registers two metrics, one under a wrong name."""
    (tmp_path / "outside_metrics.py").write_text(OUTSIDE)
    monkeypatch.syspath_prepend(str(tmp_path))
    points = [
        EntryPoint(name, "outside_metrics:BRIER", "seedbed.metrics")
        for name in ("brier_score", "brier")
    ]
    monkeypatch.setattr("seedbed.base.registry.entry_points", lambda group: points)
    yield MetricTable()
    sys.modules.pop("outside_metrics", None)


def test_a_metric_of_an_outside_package_is_read_like_a_built_in_one(outside: MetricTable) -> None:
    assert "brier_score" in outside
    metric = outside.get("brier_score")
    assert isinstance(metric, Metric)
    assert isinstance(metric, MeanMetric)
    predictions = {
        "ids": np.arange(2),
        "scores": np.array([[1.0, 0.0], [0.5, 0.5]]),
        "targets": np.array([[1.0, 0.0], [1.0, 0.0]]),
    }
    assert metric.value(predictions) == 0.25
    assert metric.sign == -1
    assert metric.format(0.25) == "0.25 of 2"


def test_a_metric_must_be_registered_under_its_own_name(outside: MetricTable) -> None:
    with pytest.raises(UsageError, match="brier"):
        outside.get("brier")
