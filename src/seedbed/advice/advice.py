"""The result of `advise`: one record behind the report, the terminal text and the JSON document.

In: what was measured. Out: sentences, lines of text, a JSON document.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from seedbed.advice.candidate import Candidate, short_name
from seedbed.advice.learning_curve import LearningCurve
from seedbed.advice.negative_transfer import NegativeTransfer
from seedbed.advice.scenario import Scenario
from seedbed.advice.selection_bias import ExpectedAccuracy
from seedbed.metrics.intervals import share_interval
from seedbed.tasks.task import Measurement

# the folder of the trained model, beside the report
MODEL = "model"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """The cs231n rule of thumb, compared with the winner.

    Differences in points, positive where the winner is better.
    """

    words: str
    # None: the rule's candidate was not measured
    method: str | None
    accuracy: float | None = None
    difference: float | None = None
    interval: tuple[float, float] | None = None
    has_won: bool = False
    # whether its predictions for the held-out images are those of the winner
    predicts_as_winner: bool = False

    @property
    def sentence(self) -> str:
        rule = f"The cs231n rule of thumb says: {self.words}."
        if self.method is None or self.interval is None or self.difference is None:
            return f"{rule} This was not measured within the time."
        if self.has_won:
            return f"{rule} This is the winner."
        if self.predicts_as_winner:
            return (
                f"{rule} It reaches {self.accuracy:.1f} %, and predicts the same as the winner for "
                "every held-out image."
            )
        low, high = self.interval
        comparison = "not significantly worse than the winner" if low <= 0 else "worse"
        return (
            f"{rule} It reaches {self.accuracy:.1f} %, {comparison}: the winner is better by "
            f"{self.difference:.1f} points (95 % interval {low:+.1f} to {high:+.1f})."
        )


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A held-out image that the winner misclassifies with high confidence: often a wrong label."""

    # in the store
    row: int
    id: str
    label: str
    predicted: str
    probability: float


@dataclass(frozen=True, kw_only=True, repr=False)
class Advice:
    """The result of `advise`. Accuracies are in percent, on held-out images."""

    data: str
    num_images: int
    num_classes: int
    classes: tuple[str, ...]
    scenario: Scenario
    winner: Candidate
    candidates: tuple[Candidate, ...]
    # selection-bias-corrected accuracy of the winner
    expected: ExpectedAccuracy
    test: Measurement
    curve: LearningCurve
    negative_transfer: tuple[NegativeTransfer, ...]
    rule: Rule
    # int64 [K, K]: rows true classes, columns predicted classes, held-out images
    confusion: np.ndarray
    mistakes: tuple[Mistake, ...]
    notes: tuple[str, ...]
    # of each backbone, in order of depth
    layers: Mapping[str, tuple[str, ...]]
    seconds: float
    folder: Path | None = None
    # how to get a larger network, where none was compared
    larger_network_hint: str = ""
    report: Path | None = None
    # seconds since the start, sentence
    events: tuple[tuple[float, str], ...] = field(default=())

    @property
    def recommendation(self) -> dict[str, str]:
        return {"backbone": self.winner.backbone, "method": self.winner.method, "why": self.why}

    @property
    def num_test(self) -> int:
        return len(self.test.predictions["labels"])

    @property
    def test_interval(self) -> tuple[float, float]:
        """95 % interval of the test accuracy, percent."""
        return share_interval(self.test.metrics["top1"], self.num_test)

    @property
    def test_warning(self) -> str:
        """A warning if chance does not explain the test score; otherwise an empty string."""
        expected, (low, high) = self.expected.value, self.expected.interval
        least, most = self.test_interval
        gap = self.test.metrics["top1"] - expected
        allowed = ((high - low) ** 2 + (most - least) ** 2) ** 0.5 / 2
        if abs(gap) <= allowed:
            return ""
        return (
            f"The test accuracy is {abs(gap):.1f} points {'below' if gap < 0 else 'above'} the "
            "expected one; chance alone explains such a gap at most once in twenty times. The test "
            "images may come from another distribution, or be near duplicates of the others."
        )

    @property
    def why(self) -> str:
        """Why the winner is recommended, and its expected accuracy."""
        low, high = self.expected.interval
        num = sum(not c.is_preliminary for c in self.candidates)
        return (
            f"the best of {num} candidates on held-out images. Expect {self.expected.value:.1f} % "
            f"on new images (95 % interval {low:.1f} to {high:.1f}, corrected for selection bias)"
        )

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    def to_dict(self, seed: int = 0) -> dict[str, Any]:
        """The document that `seedbed advise --json` prints."""
        ranked = sorted(self.candidates, key=lambda c: (c.is_preliminary, -c.accuracy))
        return {
            "num_images": self.num_images,
            "num_classes": self.num_classes,
            "scenario": {
                "size": self.scenario.size,
                "similarity": self.scenario.similarity,
                "evidence": self.scenario.evidence(),
            },
            "candidates": [_outcome_row(c, self.data, seed) for c in ranked],
            "recommendation": {
                **self.recommendation,
                "expected": self.expected.value,
                "interval": list(self.expected.interval),
                "test": {
                    "metrics": dict(self.test.metrics),
                    "interval": list(self.test_interval),
                    "num_test": self.num_test,
                },
            },
            "rule": asdict(self.rule) | {"interval": _as_list(self.rule.interval)},
            "negative_transfer": [
                asdict(n) | {"interval": _as_list(n.interval)} for n in self.negative_transfer
            ],
            "learning_curve": asdict(self.curve) | {"law": None},
            "mistakes": [_mistake_row(m) for m in self.mistakes],
            "notes": list(self.notes),
            "seconds": self.seconds,
            "model": str(self.folder / MODEL) if self.folder else None,
            "report": str(self.report) if self.report else None,
        }

    def lines(self) -> list[str]:
        """The advice as lines of text."""
        low, high = self.test_interval
        lines = [
            f"Use {short_name(self.winner.backbone)} with {self.winner.method}: {self.why}.",
            f"On the {self.num_test:,} test images, which were not used for selection, it reaches "
            f"{self.test.metrics['top1']:.1f} % (95 % interval {low:.1f} to {high:.1f}).",
            self.test_warning,
            self.scenario.sentence,
            self.rule.sentence,
            *(n.sentence for n in self.negative_transfer),
            self.curve.sentence,
            self.larger_network_hint,
            *(f"Note: {note}." for note in self.notes),
            f"The trained model is in {self.folder / MODEL}." if self.folder else "",
            f"Report: {self.report}" if self.report else "",
        ]
        return [line for line in lines if line]


def _as_list(interval: tuple[float, float] | None) -> list[float] | None:
    return list(interval) if interval else None


def _mistake_row(mistake: Mistake) -> dict[str, Any]:
    return {
        "row": mistake.row,
        "id": mistake.id,
        "label": mistake.label,
        "said": mistake.predicted,
        "probability": mistake.probability,
    }


def _outcome_row(candidate: Candidate, target: str, seed: int) -> dict[str, Any]:
    """A candidate as an outcome's row; its images are held-out images, not test images."""
    return {
        "study": None,
        "arm": candidate.backbone,
        "seed": seed,
        "images_seen": None,
        "target": target,
        "method": candidate.method,
        "backbone": candidate.backbone,
        "metric": "top1",
        "unit": "percent",
        "value": candidate.accuracy,
        "num_test": len(candidate.positions),
        "higher_is_better": True,
        "seconds": candidate.seconds,
        "key": None,
        "split": "held-out",
        "first_look": candidate.is_preliminary,
    }
