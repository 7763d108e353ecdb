"""The short answer: on each target, at the largest training budget, what is worse, better,
equivalent and undecided.

In: tables and findings. Out: a few lines of text each, for the page and for the terminal. The fine
labels of the source count as a target, as a study asks for them by itself; an influence of classes
is an answer too. Knows nothing of how a verdict came about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seedbed.verdicts.answer import Answer
from seedbed.verdicts.families import SOURCE
from seedbed.verdicts.findings import Finding
from seedbed.writeup import number_format
from seedbed.writeup.tables import FamilyTable

_ORDER = ("worse", "better", "equivalent", "undecided")


@dataclass(frozen=True, kw_only=True)
class Brief:
    """A target and method at one training budget; `verdicts` pairs each verdict with the
    comparisons that have it, in words."""

    title: str
    verdicts: tuple[tuple[str, str], ...]


def in_short(tables: Sequence[FamilyTable], findings: Sequence[Finding] = ()) -> list[Brief]:
    """One entry per target and method that has an answer, none for the source's own labels; then
    one per influence of classes."""
    largest: dict[tuple[str, str], FamilyTable] = {}
    for table in tables:
        if table.target == SOURCE or table.images_seen is None or not table.answers:
            continue
        before = largest.get(table.place)
        if before is None or (before.images_seen or 0) <= table.images_seen:
            largest[table.place] = table
    influences = [f for f in findings if f.kind == "influence"]
    last = {
        (f.target, f.method, f.arm): f for f in sorted(influences, key=lambda f: f.images_seen or 0)
    }
    told = [
        Brief(title=f.sentence, verdicts=())
        for f in influences
        if last[f.target, f.method, f.arm] is f
    ]
    return [_brief(table) for table in largest.values()] + told


def _brief(table: FamilyTable) -> Brief:
    found: dict[str, list[str]] = {verdict: [] for verdict in _ORDER}
    for answer in table.answers:
        found[answer.verdict].append(_words(answer, table))
    against = f"against '{table.reference.arm}', "
    unit = "points" if table.unit == "percent" else table.unit
    return Brief(
        title=f"{table.title}, {table.budget}: {'' if _is_mixed(table) else against}in {unit}, 95 % interval",
        verdicts=tuple((verdict, "; ".join(words)) for verdict, words in found.items() if words),
    )


def _words(answer: Answer, table: FamilyTable) -> str:
    against = f" against {answer.reference}" if _is_mixed(table) else ""
    inside = (
        f" ({number_format.interval(answer.interval, table.decimals)})" if answer.interval else ""
    )
    return (
        f"{answer.arm}{against} {number_format.signed(answer.difference, table.decimals)}{inside}"
    )


def _is_mixed(table: FamilyTable) -> bool:
    """Whether its arms are compared with more than the study's reference."""
    return any(answer.reference != table.reference.arm for answer in table.answers)
