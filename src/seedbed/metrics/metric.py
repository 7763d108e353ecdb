"""What a metric is: its name, unit and direction, and how it is computed from stored predictions.

In: the arrays that a measurement stores of its test (`Predictions`). Out: the value, each test
image's contribution to it, its value on a resample of the test, and how it is written.

Arrays of a measurement, n test images or queries:

| array | what |
|---|---|
| `ids` | uint64 [n], a hash of each image's content |
| `labels`, `ranked` | int [n], int [n, k]: the label, and the most probable classes, best first |
| `within` | int [n, k]: the same among the classes of the right coarse class (induction) |
| `marks`, `scores` | int8 [n, K] (1 yes, -1 no, 0 difficult), float [n, K] |
| `decisions.*` | the fields of `average_precision.Decisions` |
| `unit.NAME` | float64 [n]: what each image or query contributes to the metric NAME |
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, final, get_args

import numpy as np

from seedbed.metrics.intervals import share_interval

Predictions = Mapping[str, np.ndarray]
# Positions of test images (a resample has repeated ones): int [k] -> the metric on these images.
Statistic = Callable[[np.ndarray], float]

Unit = Literal["percent", "score"]
UNIT_NAMES: tuple[str, ...] = get_args(Unit)
IMAGES = ("test image", "test images")
QUERIES = ("query", "queries")


@dataclass(frozen=True, kw_only=True)
class Metric(ABC):
    """One metric.

    A mean over test images or queries is a `MeanMetric`; mean average precision is a
    `MeanAveragePrecision`. An outside package registers an instance of either, or of a subclass
    of its own, under the entry-point group `seedbed.metrics`.

    Args:
        name: as in files and JSON.
        title: as in reports: "top-1 accuracy".
        unit: "percent" (differences are points), or "score".
        highest: the upper end of the range, which begins at 0.
        higher_is_better: False for errors.
        counted_in: what the test consists of, singular and plural.
        default_margin: a difference that does not matter, in the metric's unit.
        is_share: whether it is the share of test images (or queries) that are right, so that a
            binomial interval applies.
        primary_for: kinds of single-label tasks, "classification" and "adaptation", whose targets
            may choose it as their primary metric: `folder('photos/', metric='NAME')`.
    """

    name: str
    title: str
    unit: Unit = "percent"
    highest: float = 100.0
    higher_is_better: bool = True
    counted_in: tuple[str, str] = IMAGES
    default_margin: float = 1.0
    is_share: bool = False
    primary_for: tuple[str, ...] = ()

    @abstractmethod
    def per_image(self, predictions: Predictions) -> np.ndarray | None:
        """Contribution of each test image or query, whose mean is the metric: float64 [n].

        None where the metric is not a mean over images; then `statistic` is resampled.
        """

    @abstractmethod
    def statistic(self, predictions: Predictions) -> Statistic:
        """The metric as a function of the test images that are drawn, for a bootstrap."""

    @abstractmethod
    def truth(self, predictions: Predictions) -> np.ndarray:
        """The ground truth of each test image: [n, ...].

        Two measurements with the same ids and the same truth can be compared image by image.
        """

    def value(self, predictions: Predictions) -> float:
        """The metric of all test images."""
        return self.statistic(predictions)(np.arange(len(predictions["ids"])))

    @property
    def sign(self) -> float:
        """1 where higher is better, else -1."""
        return 1.0 if self.higher_is_better else -1.0

    @property
    def symbol(self) -> str:
        """What follows a value: "%", or "of 4"."""
        return "%" if self.unit == "percent" else f"of {self.highest:g}"

    @property
    def decimals(self) -> int:
        """Decimals of means and differences in reports."""
        return 1 if self.unit == "percent" else 2

    def format(self, value: float) -> str:
        """A value with its unit.

        Example:
            >>> from seedbed.metrics import METRICS
            >>> METRICS.get("top1").format(91.3), METRICS.get("ns_score").format(3.2)
            ('91.30 %', '3.20 of 4')
        """
        return f"{value:.2f} {self.symbol}"

    def interval(self, value: float, num: int) -> tuple[float, float] | None:
        """95 % interval of the value by `num` test images; None where it is not a share of them."""
        return share_interval(value, num) if self.is_share else None


@final
@dataclass(frozen=True, kw_only=True)
class MeanMetric(Metric):
    """A metric that is the mean over test images, or queries, of what each contributes.

    `contributions` computes them from the predictions: float64 [n]. Without it they are the stored
    array `unit.NAME`, which a task writes.
    """

    contributions: Callable[[Predictions], np.ndarray] | None = None

    def per_image(self, predictions: Predictions) -> np.ndarray:
        if self.contributions is None or f"unit.{self.name}" in predictions:
            return predictions[f"unit.{self.name}"]
        return self.contributions(predictions)

    def statistic(self, predictions: Predictions) -> Statistic:
        each = self.per_image(predictions)
        return lambda drawn: float(each[drawn].mean())

    def truth(self, predictions: Predictions) -> np.ndarray:
        return predictions["labels"]
