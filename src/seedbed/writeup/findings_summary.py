"""Findings as one reads them: what is decided one by one, what is not in one sentence each.

In: findings. Out: entries, a sentence with the finding that it is of, where it is of one alone.
`findings.json` holds them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seedbed.verdicts.findings import Finding


@dataclass(frozen=True)
class Entry:
    """A sentence; `finding` where it tells of one alone."""

    kind: str
    sentence: str
    finding: Finding | None = None


def digest(findings: Sequence[Finding]) -> list[Entry]:
    """Entries in the order of the findings; those of a kind that decide nothing are put
    together."""
    entries: list[Entry] = []
    told: set[tuple[object, ...]] = set()
    for finding in findings:
        group = _group(finding)
        if group is None:
            entries.append(Entry(finding.kind, finding.sentence, finding))
        elif group not in told:
            told.add(group)
            entries.append(_together([f for f in findings if _group(f) == group]))
    return entries


def _group(finding: Finding) -> tuple[object, ...] | None:
    """What findings are told together with this one; None where it is told by itself."""
    if finding.kind == "interaction" and finding.verdict == "undecided":
        return finding.kind, finding.details["over"], finding.target, finding.method
    if finding.kind == "retained_gain" and finding.interval is None:
        return finding.kind, finding.target, finding.method
    return None


def _together(group: Sequence[Finding]) -> Entry:
    first = group[0]
    if len(group) == 1:
        return Entry(first.kind, first.sentence, first)
    if first.kind == "retained_gain":
        arms = _listed(dict.fromkeys(f"'{f.arm}'" for f in group))
        return Entry(
            first.kind,
            f"On {first.target} ({first.method}) the gain of '{first.reference}' over '{first.details['floor']}' is itself in doubt: what "
            f"share of it is kept by {arms} cannot be told.",
        )
    place = "" if first.target is None else f" on {first.target}"
    pairs = _listed(dict.fromkeys(f"'{f.arm}' against '{f.reference}'" for f in group))
    widest = max(group, key=lambda f: abs(f.value or 0.0))
    return Entry(
        first.kind,
        f"Whether these effects{place} with {first.method} depend on the {first.details['over']} is undecided: {pairs} (the largest "
        f"difference of two effects is {widest.value:+.1f} points, of '{widest.arm}' against '{widest.reference}').",
    )


def _listed(words: Sequence[str] | dict[str, None]) -> str:
    found = list(words)
    return found[0] if len(found) == 1 else f"{', '.join(found[:-1])} and {found[-1]}"
