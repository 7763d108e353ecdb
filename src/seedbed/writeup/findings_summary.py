"""A readable summary of findings: undecided findings of a kind are combined in one sentence.

In: findings. Out: entries, each a sentence with its finding. `findings.json` holds all findings.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from seedbed.verdicts.findings import Finding
from seedbed.verdicts.findings.finding import points


@dataclass(frozen=True)
class Entry:
    """A sentence; `finding` is None where the sentence combines several findings."""

    kind: str
    sentence: str
    finding: Finding | None = None


def summarise_findings(findings: Sequence[Finding]) -> list[Entry]:
    """Entries in the order of the findings; undecided ones of a kind are combined."""
    entries: list[Entry] = []
    combined: set[tuple[object, ...]] = set()
    for finding in findings:
        group = _group(finding)
        if group is None:
            entries.append(Entry(finding.kind, finding.sentence, finding))
        elif group not in combined:
            combined.add(group)
            entries.append(_combine([f for f in findings if _group(f) == group]))
    return entries


def _group(finding: Finding) -> tuple[object, ...] | None:
    """The key of the findings that are combined with this one; None where it stands alone."""
    if finding.kind == "interaction" and finding.verdict == "undecided":
        return finding.kind, finding.details["over"], finding.target, finding.method
    if finding.kind == "retained_gain" and finding.interval is None:
        return finding.kind, finding.target, finding.method
    return None


def _combine(group: Sequence[Finding]) -> Entry:
    first = group[0]
    if len(group) == 1:
        return Entry(first.kind, first.sentence, first)
    if first.kind == "retained_gain":
        return Entry(first.kind, _retained_gain_sentence(group))
    return Entry(first.kind, _interaction_sentence(group))


def _retained_gain_sentence(group: Sequence[Finding]) -> str:
    first = group[0]
    arms = _list_in_words(f"'{f.arm}'" for f in group)
    return (
        f"On {first.target} ({first.method}) it is undecided whether '{first.reference}' gains "
        f"over '{first.details['floor']}' at all, so the share of the gain that {arms} retain "
        "cannot be estimated."
    )


def _interaction_sentence(group: Sequence[Finding]) -> str:
    first = group[0]
    target = "" if first.target is None else f" on {first.target}"
    pairs = _list_in_words(f"'{f.arm}' against '{f.reference}'" for f in group)
    largest = max(group, key=lambda f: abs(f.value or 0.0))
    return (
        f"It is undecided whether these effects{target} with {first.method} depend on the "
        f"{first.details['over']}: {pairs} (the largest difference of two effects is "
        f"{points(largest.value or 0.0)} points, of '{largest.arm}' against '{largest.reference}')."
    )


def _list_in_words(texts: Iterable[str]) -> str:
    """The distinct texts as "a, b and c"."""
    distinct = list(dict.fromkeys(texts))
    if len(distinct) == 1:
        return distinct[0]
    return f"{', '.join(distinct[:-1])} and {distinct[-1]}"
