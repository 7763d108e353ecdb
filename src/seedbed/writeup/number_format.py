"""Numbers in words: how the report and the terminal write values, intervals, counts and times.

In: numbers, None or NaN where there is none. Out: text. Knows nothing of what the numbers mean.
"""

from __future__ import annotations

import math

from seedbed.verdicts.answer import decimals

MISSING = "–"


def plain(value: float | None, places: int) -> str:
    """91.3, or a dash for none; a zero has no sign."""
    if value is None or math.isnan(value):
        return MISSING
    text = f"{value:,.{places}f}"
    return text.removeprefix("-") if not text.strip("-0.,") else text


def signed(value: float | None, places: int) -> str:
    """+1.2 or -0.3; a tiny one has as many more decimals as keep its sign, up to four."""
    text = plain(value, places if value is None else decimals(value, places))
    return (
        text if text in (MISSING,) or text.startswith("-") or not text.strip("0.,") else f"+{text}"
    )


def interval(ends: tuple[float, float] | None, places: int) -> str:
    """-1.9 to +0.4."""
    return MISSING if ends is None else f"{signed(ends[0], places)} to {signed(ends[1], places)}"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """1 seed, 3 seeds."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def budget_words(images_seen: int | None) -> str:
    """A training budget as one says it."""
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


def shortened(text: str, length: int) -> str:
    """At most `length` characters, an ellipsis for the rest."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def target_words(target: str) -> str:
    """The target's name, or what the reserved names mean."""
    return {"source": "the source itself", "source_fine": "all fine labels of the source"}.get(
        target, target
    )
