"""Negative transfer: are pre-trained arms worse than training from scratch with equal tuning?"""

from __future__ import annotations

from collections.abc import Sequence

from seedbed.trials.results import Results
from seedbed.verdicts.answer import Answer
from seedbed.verdicts.families import SOURCES
from seedbed.verdicts.findings.finding import Finding

_VERDICTS = {"worse": "yes", "better": "no", "equivalent": "no", "undecided": "undecided"}
_WORDS = {
    "yes": "negative transfer of",
    "no": "no negative transfer of",
    "undecided": "undecided for",
}


def negative_transfers(results: Results, answers: Sequence[Answer]) -> list[Finding]:
    """One finding per target, method and training budget, if the reference is from scratch."""
    arms, reference = results.study.arms, results.study.reference
    if arms[reference].init != "random":
        return []
    groups: dict[tuple[str, str, int | None, str], list[Answer]] = {}
    for a in answers:
        is_pretrained = arms[a.reference].init == "random" and arms[a.arm].init != "random"
        if is_pretrained and a.target not in SOURCES:
            groups.setdefault((a.target, a.method, a.images_seen, a.metric), []).append(a)
    return [_finding(group, reference) for group in groups.values()]


def _finding(group: Sequence[Answer], reference: str) -> Finding:
    first = group[0]
    by_verdict = {
        verdict: [a.arm for a in group if _VERDICTS[a.verdict] == verdict]
        for verdict in ("yes", "no", "undecided")
    }
    results = "; ".join(
        f"{_WORDS[verdict]} {', '.join(map(repr, arms))}"
        for verdict, arms in by_verdict.items()
        if arms
    )
    budget = (
        "each arm at its own best training budget"
        if first.images_seen is None
        else f"{first.images_seen:,} images seen in pre-training"
    )
    return Finding(
        kind="negative_transfer",
        target=first.target,
        method=first.method,
        images_seen=first.images_seen,
        metric=first.metric,
        reference=reference,
        verdict=next(verdict for verdict in ("yes", "undecided", "no") if by_verdict[verdict]),
        sentence=(
            f"On {first.target} ({first.method}, {budget}), compared with training from scratch "
            f"with equal tuning: {results}."
        ),
        details=by_verdict,
    )
