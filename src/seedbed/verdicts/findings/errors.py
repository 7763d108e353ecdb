"""The expected number of false verdicts of a report, and the best training budget of each arm.

In: answers and families. Out: findings. Each contrast has its probabilities of error: of a false
"worse" if there is no difference, and of a false "equivalent" if the difference equals the margin,
which is the worst case.
"""

from __future__ import annotations

from collections.abc import Sequence

from seedbed.verdicts.answer import Answer
from seedbed.verdicts.families import SOURCES
from seedbed.verdicts.family_scores import Family
from seedbed.verdicts.findings.finding import Finding


def false_verdicts(answers: Sequence[Answer]) -> list[Finding]:
    """One finding over all answers on targets that have an interval."""
    counted = [a for a in answers if a.target not in SOURCES and a.chance_false_worse is not None]
    if not counted:
        return []
    worse = sum(a.chance_false_worse or 0.0 for a in counted)
    equivalent = sum(a.chance_false_equivalent or 0.0 for a in counted)
    counts = {
        verdict: sum(a.verdict == verdict for a in counted)
        for verdict in ("worse", "better", "equivalent")
    }
    sentence = (
        f"Of {len(counted)} comparisons on targets, {counts['worse']} have the verdict worse, "
        f"{counts['better']} better and {counts['equivalent']} equivalent. If no arm differed from "
        f"its reference, {worse:.2f} verdicts of worse, and as many of better, would be expected "
        "by chance. If every arm differed from its reference by exactly the margin, at most "
        f"{equivalent:.2f} verdicts of equivalent would be expected."
    )
    return [
        Finding(
            kind="false_verdicts",
            target=None,
            method=None,
            value=worse,
            unit="comparisons",
            sentence=sentence,
            details={
                "comparisons": len(counted),
                "false_worse": worse,
                "false_better": worse,
                "false_equivalent": equivalent,
            }
            | counts,
        )
    ]


def best_budgets(families: Sequence[Family]) -> list[Finding]:
    """The best training budget of each arm, for families in which these differ."""
    return [_best_budget(family) for family in families if family.images_seen is None]


def _best_budget(family: Family) -> Finding:
    best = {arm: rows[0].images_seen for arm, rows in family.rows.items() if rows[0].images_seen}
    budgets = ", ".join(f"'{arm}' {images_seen:,}" for arm, images_seen in best.items())
    return Finding(
        kind="best_budgets",
        target=family.target,
        method=family.method,
        metric=family.metric,
        sentence=(
            f"On {family.target} ({family.method}), the best training budgets by validation "
            f"images, in images seen, are: {budgets}."
        ),
        details={"images_seen": best},
    )
