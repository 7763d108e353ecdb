"""Classification: one label per image.

In: a store, training, validation and test rows. Out: labels of the first two, and the score of
class scores, or of ranked classes, on the test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, final

import numpy as np

from seedbed.metrics import METRICS
from seedbed.metrics.accuracy import TOP1, accuracies, accuracy_metrics, rank
from seedbed.tasks.class_scores import ClassScoresTask
from seedbed.tasks.task import Measurement

if TYPE_CHECKING:
    import torch


@final
@dataclass(frozen=True, kw_only=True)
class ClassificationTask(ClassScoresTask):
    """Classification of images with one label each.

    Where a recipe removed or merged some of the store's classes, `chosen` and `class_of_leaf` say
    which classes the task has.
    """

    kind: ClassVar[str] = "classification"
    several_labels: ClassVar[bool] = False

    primary: str = "top1"
    class_of_leaf: np.ndarray | None = None  # int32 [num_leaves], into `chosen`, -1 if removed

    @property
    def metrics(self) -> tuple[str, ...]:
        names = [metric.name for metric in accuracy_metrics(self.num_classes)]
        return tuple(dict.fromkeys((self.primary, *names)))

    @property
    def selection_metric(self) -> str:
        return TOP1.name

    def labels(self, rows: np.ndarray) -> np.ndarray:
        """Labels of training or validation rows: int64 [n]. Other rows are refused."""
        self.check_known(rows)
        return self._labels(rows).astype(np.int64)

    def _labels(self, rows: np.ndarray) -> np.ndarray:
        leaves = self.store.leaves[rows]
        return leaves if self.class_of_leaf is None else self.class_of_leaf[leaves]

    def truth(self, rows: np.ndarray) -> list[np.ndarray]:
        return [self._labels(rows).astype("<i4")]

    def meaning(self) -> str:
        return f"{self.store.meaning} {self.primary} {self.num_classes}"

    def value(self, scores: torch.Tensor, labels: torch.Tensor) -> float:
        """Top-1 accuracy in percent, whatever the primary metric is."""
        return 100.0 * float((scores.argmax(1) == labels).double().mean())

    def score(
        self, predictions: np.ndarray, /, facts: Mapping[str, object], model: Any = None
    ) -> Measurement:
        """The measurement of class scores float [t, K] on the test rows."""
        return self.score_ranked(rank(predictions), facts, model)

    def score_ranked(
        self, ranked: np.ndarray, facts: Mapping[str, object], model: Any = None
    ) -> Measurement:
        """The measurement of ranked classes int [t, >=1], best first, on the test rows."""
        labels = self._labels(self.test)
        predictions = {"ids": self.store.hashes[self.test], "labels": labels, "ranked": ranked}
        values = accuracies(labels, ranked, self.num_classes)
        if self.primary not in values:
            values[self.primary] = METRICS.get(self.primary).value(predictions)
        return Measurement(
            metrics={name: values[name] for name in self.metrics},
            primary=self.primary,
            predictions=predictions,
            task=self.fingerprint,
            facts=facts,
            fitted=model,
        )

    def write_results(self, measured: Measurement, folder: Path) -> None:
        """Write nothing: no official scorer reads one label per image."""
