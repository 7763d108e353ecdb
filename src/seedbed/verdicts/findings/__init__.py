"""Findings: further results of a study, beside its answers. One module per kind of finding.

In: results and answers. Out: findings with sentences and intervals, in the order of the report.
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
    """All findings of a study; they compare the pairs of arms of the answers."""
    all_families = families(results)
    pairs: dict[str, list[Pair]] = {}
    for a in answers:
        if (pair := Pair(a.arm, a.reference)) not in pairs.setdefault(a.target, []):
            pairs[a.target].append(pair)
    return [
        *negative_transfers(results, answers),
        *retained_gains(results, all_families, pairs),
        *interactions(results, all_families, pairs),
        *best_budgets(all_families),
        *scaling_laws(results, all_families),
        *influences(results, all_families),
        *variances(results, all_families),
        *overlaps(results),
        *false_verdicts(answers),
    ]


__all__ = ["Finding", "findings"]
