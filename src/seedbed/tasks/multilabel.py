"""Several labels per image (or person): each class is a question of its own, and difficult ones do
not count.

In: a store with marks, training, validation and test rows. Out: marks of the first two, and the
score of class scores on the test: mean average precision, as PASCAL VOC has it for classification
and actions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, final

import numpy as np

from seedbed.data.annotations import Marks
from seedbed.metrics.average_precision import Decisions, by_name
from seedbed.tasks.class_scores import ClassScoresTask
from seedbed.tasks.export_results import write_marks
from seedbed.tasks.task import Measurement

if TYPE_CHECKING:
    import torch


@final
@dataclass(frozen=True, kw_only=True)
class MultiLabelTask(ClassScoresTask):
    """Which of the classes each image has."""

    kind: ClassVar[str] = "multilabel"
    several_labels: ClassVar[bool] = True

    primary: str = "map_voc07"

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(metric.name for metric in by_name(self.primary))

    @property
    def selection_metric(self) -> str:
        return self.primary

    def labels(self, rows: np.ndarray) -> np.ndarray:
        """Marks of training or validation rows: int8 [n, K], 1 yes, -1 no, 0 difficult. Other rows
        are refused."""
        self.check_known(rows)
        return self._marks(rows)

    def _marks(self, rows: np.ndarray) -> np.ndarray:
        annotations = self.store.annotations
        assert isinstance(annotations, Marks)
        return annotations.marks[rows]

    def meaning(self) -> str:
        return f"{self.kind} {self.store.meaning} {self.primary} {self.classes}"

    def truth(self, rows: np.ndarray) -> list[np.ndarray]:
        return [self._marks(rows)]

    def value(self, scores: torch.Tensor, labels: torch.Tensor) -> float:
        """The primary metric in percent; 0 without a positive."""
        marks = labels.cpu().numpy().astype(np.int8)
        decisions = Decisions.of_marks(marks, scores.cpu().numpy())
        value = decisions.mean(by_name(self.primary)[0].rule)
        return 0.0 if np.isnan(value) else value

    def score(
        self, predictions: np.ndarray, /, facts: Mapping[str, object], model: Any = None
    ) -> Measurement:
        """The measurement of class scores float [t, K] on the test rows."""
        marks = self._marks(self.test)
        decisions = Decisions.of_marks(marks, predictions)
        constant = self._constant_classes()
        metrics = by_name(self.primary)
        return Measurement(
            metrics={metric.name: decisions.mean(metric.rule) for metric in metrics},
            primary=self.primary,
            predictions={
                "ids": self.store.hashes[self.test],
                "marks": marks,
                "scores": np.asarray(predictions, np.float32),
            },
            task=self.fingerprint,
            facts={
                **facts,
                **({"not_told_apart": constant} if constant else {}),
                "per_class": metrics[0].by_class(decisions, self.classes),
            },
            fitted=model,
        )

    def _constant_classes(self) -> list[str]:
        """Classes that all of the known images have, or none: nothing can be learnt of them."""
        known = self._marks(self.known)
        return [
            label
            for k, label in enumerate(self.classes)
            if not ((known[:, k] > 0).any() and (known[:, k] < 0).any())
        ]

    def write_results(self, measured: Measurement, folder: Path) -> None:
        """Write a file `image score` (or `image object score`, for actions) for each class."""
        scores = measured.predictions["scores"]
        write_marks(folder, self.store, self.test, self.classes, scores)
