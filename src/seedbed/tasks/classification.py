"""Classification: one label an image; test labels are read in scoring alone.

In: a store, and how many training images per class to use. Out: training and validation rows with
labels, test rows without, and `score`. Knows nothing of backbones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from seedbed.metrics.accuracy import accuracies, rank
from seedbed.tasks.task import HeldOut, Measurement, Task

__all__ = ["HeldOut", "Measurement", "Task"]


@final
@dataclass(frozen=True, kw_only=True)
class ClassificationTask(Task):
    """Classification of a target.

    A recipe may have left some of the store's classes, or merged them: `classes` and
    `class_of_leaf` then say which.
    """

    kind: ClassVar[str] = "classification"

    primary: str = "top1"
    class_of_leaf: np.ndarray | None = None  # int32 [num_leaves], into `chosen`, -1 where dropped

    def labels(self, rows: np.ndarray) -> np.ndarray:
        """Labels of training or validation rows: int64 [n]. Others are refused: test labels are
        read in `score` alone."""
        self.check_known(rows)
        return self._labels(rows).astype(np.int64)

    def _labels(self, rows: np.ndarray) -> np.ndarray:
        leaves = self.store.leaves[rows]
        return leaves if self.class_of_leaf is None else self.class_of_leaf[leaves]

    def truth(self, rows: np.ndarray) -> list[np.ndarray]:
        return [self._labels(rows).astype("<i4")]

    def meaning(self) -> str:
        return f"{self.store.meaning} {self.primary} {self.num_classes}"

    def measure(
        self, scores: np.ndarray, facts: Mapping[str, object], model: Any = None
    ) -> Measurement:
        """The measurement of class scores float [t, K] on the test rows."""
        return self.score(rank(scores), facts, model)

    def score(
        self, ranked: np.ndarray, facts: Mapping[str, object], model: Any = None
    ) -> Measurement:
        """The measurement of predictions on the test rows, best class first: int [t, >=1]; `model`
        made them."""
        labels = self._labels(self.test)
        return Measurement(
            metrics=accuracies(labels, ranked, self.num_classes),
            primary=self.primary,
            predictions={"ids": self.store.hashes[self.test], "labels": labels, "ranked": ranked},
            task=self.fingerprint,
            facts=facts,
            fitted=model,
        )
