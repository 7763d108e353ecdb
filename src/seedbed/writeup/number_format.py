"""Text of values, intervals, counts and durations, for the report and the terminal.

In: numbers; None or NaN for a missing one. Out: text.
"""

from __future__ import annotations

import math

from seedbed.verdicts.answer import decimals

MISSING = "–"


def number(value: float | None, num_decimals: int) -> str:
    """91.3, or a dash for a missing number; zero has no sign."""
    if value is None or math.isnan(value):
        return MISSING
    text = f"{value:,.{num_decimals}f}"
    return text.removeprefix("-") if not text.strip("-0.,") else text


def signed_number(value: float | None, num_decimals: int) -> str:
    """+1.2 or -0.3; a tiny number has up to four decimals, so that it does not round to 0."""
    text = number(value, num_decimals if value is None else decimals(value, num_decimals))
    is_zero = not text.strip("0.,")
    return text if text == MISSING or text.startswith("-") or is_zero else f"+{text}"


def interval(ends: tuple[float, float] | None, num_decimals: int) -> str:
    """-1.9 to +0.4."""
    if ends is None:
        return MISSING
    low, high = (signed_number(end, num_decimals) for end in ends)
    return f"{low} to {high}"


def count(num: int, noun: str, plural: str | None = None) -> str:
    """1 seed, 3 seeds."""
    return f"{num:,} {noun if num == 1 else plural or noun + 's'}"


def budget_in_words(images_seen: int | None) -> str:
    """A training budget in words."""
    return (
        "each arm at its own best training budget"
        if images_seen is None
        else f"{images_seen:,} images seen"
    )


def duration(seconds: float) -> str:
    """48 s, 12 min, 3.4 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def shorten(text: str, length: int) -> str:
    """The text, cut to at most `length` characters with an ellipsis."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def target_in_words(target: str) -> str:
    """The name of a target; reserved names are written out."""
    return {"source": "the source itself", "source_fine": "all fine labels of the source"}.get(
        target, target
    )
