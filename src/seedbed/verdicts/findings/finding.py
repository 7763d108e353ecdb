"""A finding: what a study says beside its contrasts, with a sentence.

In: a value with its interval, and where it was measured. Out: one frozen record, whose fields are
the JSON document. Knows nothing of statistics.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

Interval = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What was found; `kind` says of what sort, `value` and `interval` are in `unit`, `details`
    hold what else there is to know."""

    kind: str
    target: str | None
    method: str | None
    sentence: str
    images_seen: int | None = None
    metric: str | None = None
    arm: str | None = None
    reference: str | None = None
    value: float | None = None
    interval: Interval | None = None
    unit: str | None = None
    verdict: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Pairs as lists, numbers that are none as null: what `json` writes and reads back
        unchanged."""
        return {name: _plain(value) for name, value in asdict(self).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value


def points(value: float, places: int = 1) -> str:
    """+1.2, -0.3, 0.0: a difference in points."""
    text = f"{value:+.{places}f}"
    return text[1:] if float(text) == 0 else text


def between(interval: Interval, places: int = 1) -> str:
    """-1.9 to +0.4."""
    return f"{points(interval[0], places)} to {points(interval[1], places)}"


def percent(share: float) -> str:
    """A share as one says it: 97 %."""
    return f"{100 * share:.0f} %"
