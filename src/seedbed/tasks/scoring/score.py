"""What scoring result files returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from seedbed.metrics import METRICS


@dataclass(frozen=True, kw_only=True)
class Score:
    """The value of result files by one metric, for each class or query, and by other metrics."""

    metric: str
    value: float
    # Class or query -> value; None for a class without a positive.
    per_class: Mapping[str, float | None] = field(default_factory=dict)
    others: Mapping[str, float] = field(default_factory=dict)
    num: int = 0  # images, persons or queries
    notes: tuple[str, ...] = ()  # what a user should know about the files

    @property
    def unit(self) -> str:
        return METRICS.get(self.metric).unit
