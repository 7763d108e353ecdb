"""Several labels an image, or a person: each class is asked of each by itself, and difficult ones
count neither way.

In: a store with marks. Out: training and validation rows with marks, test rows without, and
`score`: mean average precision, as PASCAL VOC has it for classification and actions. Knows nothing
of backbones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from seedbed.data.annotations import Marks
from seedbed.metrics.average_precision import MEAN_AVERAGE_PRECISIONS, Decisions
from seedbed.tasks.task import Measurement, Task


@final
@dataclass(frozen=True, kw_only=True)
class MultiLabelTask(Task):
    """Which of the classes an image has."""

    kind: ClassVar[str] = "multilabel"

    primary: str = "map_voc07"

    def labels(self, rows: np.ndarray) -> np.ndarray:
        """Marks of training or validation rows: int8 [n, K], 1 yes, -1 no, 0 difficult. Test rows
        are refused."""
        self.check_known(rows)
        return self._marks(rows)

    def _marks(self, rows: np.ndarray) -> np.ndarray:
        found = self.store.annotations
        assert isinstance(found, Marks)
        return found.marks[rows]

    def meaning(self) -> str:
        return f"{super().meaning()} {self.classes}"

    def truth(self, rows: np.ndarray) -> list[np.ndarray]:
        return [self._marks(rows)]

    def measure(
        self, scores: np.ndarray, facts: Mapping[str, object], model: Any = None
    ) -> Measurement:
        """The same as `score`: what every task of class scores has."""
        return self.score(scores, facts, model)

    def value(self, scores: np.ndarray, marks: np.ndarray) -> float:
        """The primary metric of held-out images in percent: what settings are chosen by."""
        found = Decisions.of_marks(marks.astype(np.int8), scores).mean(rule_of(self.primary))
        return 0.0 if np.isnan(found) else found

    def score(
        self, scores: np.ndarray, facts: Mapping[str, object], model: Any = None
    ) -> Measurement:
        """The measurement of class scores float [t, K] on the test rows."""
        marks = self._marks(self.test)
        decisions = Decisions.of_marks(marks, scores)
        known = self._marks(self.known)
        alike = [
            label
            for k, label in enumerate(self.classes)
            if not ((known[:, k] > 0).any() and (known[:, k] < 0).any())
        ]
        facts = {**facts, **({"not_told_apart": alike} if alike else {})}
        return Measurement(
            metrics=mean_average_precisions(decisions, self.primary),
            primary=self.primary,
            predictions={
                "ids": self.store.hashes[self.test],
                "marks": marks,
                "scores": np.asarray(scores, np.float32),
            },
            task=self.fingerprint,
            facts={**facts, "per_class": per_class(decisions, self.primary, self.classes)},
            fitted=model,
        )


def rule_of(metric: str) -> str:
    """The rule of average precision that a metric follows."""
    return next(rule for rule, one in MEAN_AVERAGE_PRECISIONS.items() if one.name == metric)


def mean_average_precisions(decisions: Decisions, primary: str) -> dict[str, float]:
    """By both rules, the primary one first; 0 where the test has no positive at all would be a lie,
    so that is refused before."""
    metrics = sorted(MEAN_AVERAGE_PRECISIONS.values(), key=lambda metric: metric.name != primary)
    return {metric.name: decisions.mean(metric.rule) for metric in metrics}


def per_class(
    decisions: Decisions, primary: str, classes: tuple[str, ...]
) -> dict[str, float | None]:
    """Average precision of each class in percent, None where the test has no positive."""
    found = decisions.per_class(rule_of(primary))
    return {
        name: None if np.isnan(value) else float(value)
        for name, value in zip(classes, found, strict=True)
    }
