"""Findings: what a study says beside its contrasts. One file per sort; each reads results and gives
sentences with intervals.

In: results and answers. Out: findings, in the order in which a report tells them.
"""

from __future__ import annotations

from collections.abc import Sequence

from seedbed.trials.results import Results
from seedbed.verdicts.answer import Answer
from seedbed.verdicts.families import families
from seedbed.verdicts.findings.errors import best_budgets, false_verdicts
from seedbed.verdicts.findings.finding import Finding
from seedbed.verdicts.findings.influences import influences
from seedbed.verdicts.findings.interactions import interactions
from seedbed.verdicts.findings.negative import negative_transfers
from seedbed.verdicts.findings.overlap import overlaps
from seedbed.verdicts.findings.retained_gain import retained_gains
from seedbed.verdicts.findings.scaling import scaling_laws
from seedbed.verdicts.findings.variance_components import variances
from seedbed.verdicts.pairs import Pair


def findings(results: Results, answers: Sequence[Answer]) -> list[Finding]:
    """Everything that the results say beside their answers; the pairs of arms are those of the
    answers."""
    found = families(results)
    pairs: dict[str, list[Pair]] = {}
    for a in answers:
        if (pair := Pair(a.arm, a.reference)) not in pairs.setdefault(a.target, []):
            pairs[a.target].append(pair)
    return [
        *negative_transfers(results, answers),
        *retained_gains(results, found, pairs),
        *interactions(results, found, pairs),
        *best_budgets(found),
        *scaling_laws(results, found),
        *influences(results, found),
        *variances(results, found),
        *overlaps(results),
        *false_verdicts(answers),
    ]


__all__ = ["Finding", "findings"]
