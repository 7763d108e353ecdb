"""Negative transfer: whether pre-trained arms are worse than training from scratch with equal
tuning, per target."""

from __future__ import annotations

from collections.abc import Sequence

from seedbed.trials.results import Results
from seedbed.verdicts.answer import Answer
from seedbed.verdicts.families import SOURCES
from seedbed.verdicts.findings.finding import Finding

_VERDICTS = {"worse": "yes", "better": "no", "equivalent": "no", "undecided": "undecided"}


def negative_transfers(results: Results, answers: Sequence[Answer]) -> list[Finding]:
    """One finding per target, method and training budget, where the reference is trained from
    scratch."""
    study = results.study
    if study.arms[study.reference].init != "random":
        return []
    answers = [
        a
        for a in answers
        if study.arms[a.reference].init == "random" and study.arms[a.arm].init != "random"
    ]
    places = dict.fromkeys(
        (a.target, a.method, a.images_seen, a.metric) for a in answers if a.target not in SOURCES
    )
    found = []
    for target, method, images_seen, metric in places:
        here = [
            a
            for a in answers
            if (a.target, a.method, a.images_seen, a.metric)
            == (target, method, images_seen, metric)
        ]
        by_verdict = {
            word: [a.arm for a in here if _VERDICTS[a.verdict] == word]
            for word in ("yes", "no", "undecided")
        }
        said = {"yes": "negative transfer of", "no": "none of", "undecided": "undecided for"}
        parts = [
            f"{said[word]} {', '.join(map(repr, arms))}"
            for word, arms in by_verdict.items()
            if arms
        ]
        budget = (
            ", each arm at its own best training budget"
            if images_seen is None
            else f", {images_seen:,} images seen in pre-training"
        )
        found.append(
            Finding(
                kind="negative_transfer",
                target=target,
                method=method,
                images_seen=images_seen,
                metric=metric,
                reference=study.reference,
                verdict=next(word for word in ("yes", "undecided", "no") if by_verdict[word]),
                sentence=f"On {target} ({method}{budget}), against training from scratch with equal tuning: {'; '.join(parts)}.",
                details=by_verdict,
            )
        )
    return found
