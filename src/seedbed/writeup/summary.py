"""The summary: the verdicts on each target at the largest training budget.

In: tables and findings. Out: a few lines of text per target and method, for the report and the
terminal. The fine labels of the source count as a target. A finding on the influence of classes has
an entry too.
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
class SummaryEntry:
    """A target and method at one training budget.

    `verdicts` pairs each verdict with the comparisons that have it, in words.
    """

    title: str
    verdicts: tuple[tuple[str, str], ...]


def summarise(
    tables: Sequence[FamilyTable], findings: Sequence[Finding] = ()
) -> list[SummaryEntry]:
    """One entry per target and method that has an answer, then one per influence of classes.

    The source's own labels have no entry.
    """
    largest: dict[tuple[str, str], FamilyTable] = {}
    for table in tables:
        if table.target == SOURCE or table.images_seen is None or not table.answers:
            continue
        before = largest.get(table.target_and_method)
        if before is None or (before.images_seen or 0) <= table.images_seen:
            largest[table.target_and_method] = table
    return [_entry(table) for table in largest.values()] + _influence_entries(findings)


def _influence_entries(findings: Sequence[Finding]) -> list[SummaryEntry]:
    """The influence findings at the largest training budget of each arm."""
    influences = [f for f in findings if f.kind == "influence"]
    largest = {
        (f.target, f.method, f.arm): f for f in sorted(influences, key=lambda f: f.images_seen or 0)
    }
    return [
        SummaryEntry(title=f.sentence, verdicts=())
        for f in influences
        if largest[f.target, f.method, f.arm] is f
    ]


def _entry(table: FamilyTable) -> SummaryEntry:
    comparisons: dict[str, list[str]] = {verdict: [] for verdict in _ORDER}
    for answer in table.answers:
        comparisons[answer.verdict].append(_comparison_in_words(answer, table))
    against = "" if _has_other_references(table) else f"against '{table.reference.arm}', "
    unit = "points" if table.unit == "percent" else table.unit
    return SummaryEntry(
        title=f"{table.title}, {table.budget}: {against}in {unit}, 95 % interval",
        verdicts=tuple(
            (verdict, "; ".join(texts)) for verdict, texts in comparisons.items() if texts
        ),
    )


def _comparison_in_words(answer: Answer, table: FamilyTable) -> str:
    against = f" against {answer.reference}" if _has_other_references(table) else ""
    difference = number_format.signed_number(answer.difference, table.decimals)
    interval = number_format.interval(answer.interval, table.decimals)
    return f"{answer.arm}{against} {difference}{f' ({interval})' if answer.interval else ''}"


def _has_other_references(table: FamilyTable) -> bool:
    """Whether some arms are compared with another arm than the study's reference."""
    return any(answer.reference != table.reference.arm for answer in table.answers)
