"""What `advise` found: one record, which the page, the terminal and the JSON document are made of.

In: what was raced and measured. Out: sentences, lines, a document. Computes no more than
differences of what it holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from seedbed.advice.candidate import Entry, short
from seedbed.advice.learning_curve import LearningCurve
from seedbed.advice.negative_transfer import NegativeTransfer
from seedbed.advice.scenario import Scenario
from seedbed.advice.selection_bias import Nested
from seedbed.metrics.intervals import share_interval
from seedbed.tasks.classification import Measurement

MODEL = "model"  # the folder of the trained model beside the page


@dataclass(frozen=True, kw_only=True)
class Rule:
    """The lecture's rule beside the winner; differences in points, positive where the winner is
    ahead."""

    words: str
    method: str | None  # None: it was not measured
    accuracy: float | None = None
    difference: float | None = None
    interval: tuple[float, float] | None = None
    has_won: bool = False

    @property
    def sentence(self) -> str:
        if self.method is None or self.interval is None or self.difference is None:
            return (
                f"The lecture's rule says: {self.words}. That was not measured in the time given."
            )
        if self.has_won:
            return f"The lecture's rule says: {self.words}. That is what won."
        low, high = self.interval
        agrees = (
            "which is no worse than what won, as far as can be told"
            if low <= 0
            else "and what won is better"
        )
        return (
            f"The lecture's rule says: {self.words}. Here that reaches {self.accuracy:.1f} %, {agrees}: the winner is ahead by "
            f"{self.difference:.1f} points (95 % interval {low:+.1f} to {high:+.1f})."
        )


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """An image that the winner, not having learnt from it, is sure to be something else: a wrong
    label, often."""

    row: int  # of the store
    id: str
    label: str
    said: str
    probability: float


@dataclass(frozen=True, kw_only=True, repr=False)
class Advice:
    """What `advise` found. Accuracies in percent on images that were not learnt from."""

    data: str
    num_images: int
    num_classes: int
    classes: tuple[str, ...]
    scenario: Scenario
    winner: Entry
    entries: tuple[Entry, ...]
    nested: Nested
    test: Measurement
    curve: LearningCurve
    negative: tuple[NegativeTransfer, ...]
    rule: Rule
    confusion: np.ndarray  # int64 [K, K], rows true, columns said, held-out images
    mistakes: tuple[Mistake, ...]
    notes: tuple[str, ...]
    layers: Mapping[str, tuple[str, ...]]  # of each backbone, in order of depth
    seconds: float
    folder: Path | None = None
    more: str = ""  # what larger weights would need
    report: Path | None = None
    events: tuple[tuple[float, str], ...] = field(default=())

    @property
    def recommended(self) -> dict[str, str]:
        return {"backbone": self.winner.backbone, "method": self.winner.method, "why": self.why}

    @property
    def interval_on_test(self) -> tuple[float, float]:
        return share_interval(self.test.metrics["top1"], len(self.test.predictions["labels"]))

    @property
    def surprise(self) -> str:
        """What to think of a test score that chance does not explain; nothing where it does."""
        expected, (low, high) = self.nested.value, self.nested.interval
        found, (least, most) = self.test.metrics["top1"], self.interval_on_test
        gap = found - expected
        allowed = ((high - low) ** 2 + (most - least) ** 2) ** 0.5 / 2
        if abs(gap) <= allowed:
            return ""
        return (
            f"That is {abs(gap):.1f} points {'below' if gap < 0 else 'above'} what was expected, more than chance explains but one time in "
            "twenty: the test images may be of another kind than the others, or hold near duplicates of them."
        )

    @property
    def why(self) -> str:
        """Why this one, in a sentence."""
        low, high = self.nested.interval
        others = sum(not e.is_rough for e in self.entries) - 1
        return (
            f"best of {others + 1} candidates on images that none had learnt from. Expect {self.nested.value:.1f} % on new images "
            f"(95 % interval {low:.1f} to {high:.1f}; the luck of the best of several is taken off)"
        )

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    def to_dict(self, seed: int = 0) -> dict[str, Any]:
        """As `seedbed advise --json` prints it."""
        low, high = self.interval_on_test
        return {
            "num_images": self.num_images,
            "num_classes": self.num_classes,
            "scenario": {
                "size": self.scenario.size,
                "similarity": self.scenario.similarity,
                "evidence": self.scenario.evidence(),
            },
            "candidates": [
                _outcome(e, self.data, seed)
                for e in sorted(self.entries, key=lambda e: (e.is_rough, -e.accuracy))
            ],
            "recommendation": {
                **self.recommended,
                "expected": self.nested.value,
                "interval": list(self.nested.interval),
                "test": {
                    "metrics": dict(self.test.metrics),
                    "interval": [low, high],
                    "num_test": len(self.test.predictions["labels"]),
                },
            },
            "rule": {
                k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self.rule).items()
            },
            "negative_transfer": [
                asdict(n) | {"interval": list(n.interval) if n.interval else None}
                for n in self.negative
            ],
            "learning_curve": asdict(self.curve) | {"law": None},
            "mistakes": [asdict(m) for m in self.mistakes],
            "notes": list(self.notes),
            "seconds": self.seconds,
            "model": str(self.folder / MODEL) if self.folder else None,
            "report": str(self.report) if self.report else None,
        }

    def lines(self) -> list[str]:
        """The advice for the eye."""
        low, high = self.interval_on_test
        num = len(self.test.predictions["labels"])
        hurt = [n.sentence for n in self.negative]
        model = [f"The trained model is in {self.folder / MODEL}."] if self.folder else []
        page = [f"Report: {self.report}"] if self.report else []
        left = [f"Left out: {note}." for note in self.notes]
        apart = [self.surprise] if self.surprise else []
        return [
            f"Take {short(self.winner.backbone)} by {self.winner.method}: {self.why}.",
            f"On the {num:,} test images, which chose nothing, it reaches {self.test.metrics['top1']:.1f} % "
            f"(95 % interval {low:.1f} to {high:.1f}).",
            *apart,
            self.scenario.sentence[0].upper() + self.scenario.sentence[1:],
            self.rule.sentence,
            *hurt,
            self.curve.sentence,
            *([self.more] if self.more else []),
            *left,
            *model,
            *page,
        ]


def _outcome(entry: Entry, target: str, seed: int) -> dict[str, Any]:
    """A candidate as an outcome's row; its images are held-out ones, no test images."""
    return {
        "study": None,
        "arm": entry.backbone,
        "seed": seed,
        "images_seen": None,
        "target": target,
        "method": entry.method,
        "backbone": entry.backbone,
        "metric": "top1",
        "unit": "percent",
        "value": entry.accuracy,
        "num_test": len(entry.positions),
        "higher_is_better": True,
        "seconds": entry.seconds,
        "key": None,
        "split": "held-out",
        "first_look": entry.is_rough,
    }
