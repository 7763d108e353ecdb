"""Metrics *(plug-ins)*: predictions -> numbers, one module per family, pure functions on arrays.

`METRICS` is the table of all metrics. The rest of the program asks it for the unit, the direction,
the title and the computation of a metric; it compares no name. The names of the built-in metrics
are the closed list of the command-line contract.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, final

from seedbed.base.errors import UsageError
from seedbed.base.registry import Registry
from seedbed.metrics.metric import MeanMetric, Metric, Predictions


@final
class MetricTable:
    """Metrics by name: one line each below, or an entry point of an outside package."""

    def __init__(self) -> None:
        self._registry: Registry[Any] = Registry("metric", "seedbed.metrics")

    def add(self, name: str, place: str) -> None:
        """Register `name` as the metric at "module:OBJECT"."""
        self._registry.add(name, place)

    def names(self) -> list[str]:
        """Every registered name, sorted."""
        return self._registry.names()

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __contains__(self, name: object) -> bool:
        return name in self.names()

    def get(self, name: str) -> Metric:
        """The metric of this name.

        Raises UsageError for an unknown name (with the nearest valid one), and for an outside
        metric that is registered under another name than its own.
        """
        metric: Any = self._registry.get(name)
        if not isinstance(metric, Metric) or metric.name != name:
            raise UsageError(
                f"the entry point {name!r} of the group seedbed.metrics is {metric!r}",
                f"Register an instance of seedbed.metrics.Metric whose name is {name!r}.",
            )
        return metric

    def describe(self) -> list[dict[str, Any]]:
        """For `seedbed list`: name, call and title of each."""
        return [
            {"name": name, "call": name, "summary": self.get(name).title} for name in self.names()
        ]


METRICS = MetricTable()
METRICS.add("top1", "seedbed.metrics.accuracy:TOP1")
METRICS.add("top5", "seedbed.metrics.accuracy:TOP5")
METRICS.add("top1_error", "seedbed.metrics.accuracy:TOP1_ERROR")
METRICS.add("top5_error", "seedbed.metrics.accuracy:TOP5_ERROR")
METRICS.add("mean_class_accuracy", "seedbed.metrics.accuracy:MEAN_CLASS_ACCURACY")
METRICS.add("induction_top1", "seedbed.metrics.accuracy:INDUCTION_TOP1")
METRICS.add("induction_top5", "seedbed.metrics.accuracy:INDUCTION_TOP5")
METRICS.add("induction_within_top1", "seedbed.metrics.accuracy:INDUCTION_WITHIN_TOP1")
METRICS.add("map_voc07", "seedbed.metrics.average_precision:MAP_VOC07")
METRICS.add("map_voc10", "seedbed.metrics.average_precision:MAP_VOC10")
METRICS.add("map_holidays", "seedbed.metrics.retrieval:MAP_HOLIDAYS")
METRICS.add("map_oxford", "seedbed.metrics.retrieval:MAP_OXFORD")
METRICS.add("map_retrieval", "seedbed.metrics.retrieval:MAP_RETRIEVAL")
METRICS.add("ns_score", "seedbed.metrics.retrieval:NS_SCORE")
METRICS.add("recall_at_1", "seedbed.metrics.retrieval:RECALL_AT_1")
METRICS.add("recall_at_4", "seedbed.metrics.retrieval:RECALL_AT_4")

__all__ = ["METRICS", "MeanMetric", "Metric", "MetricTable", "Predictions"]
