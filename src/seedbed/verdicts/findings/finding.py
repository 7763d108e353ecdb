"""A finding: a further result of a study, with a sentence.

In: a value with its interval, and where it was measured. Out: one frozen record, whose fields are
the JSON document.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

Interval = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A result of one kind; `value` and `interval` are in `unit`, `details` depend on the kind."""

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
        """The fields as JSON values: tuples as lists, infinite numbers and NaN as null."""
        return {name: _json_value(value) for name, value in asdict(self).items()}


def _json_value(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(k): _json_value(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_json_value(v) for v in value]
    return value


def points(value: float, decimals: int = 1) -> str:
    """+1.2, -0.3, 0.0: a difference in points."""
    text = f"{value:+.{decimals}f}"
    return text[1:] if float(text) == 0 else text


def between(interval: Interval, decimals: int = 1) -> str:
    """-1.9 to +0.4."""
    return f"{points(interval[0], decimals)} to {points(interval[1], decimals)}"


def percent(share: float) -> str:
    """A share in percent: 97 %."""
    return f"{100 * share:.0f} %"
