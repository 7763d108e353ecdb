"""How many false verdicts a whole report is expected to hold, and at which training budget each arm
did best.

In: answers and families. Out: findings. A verdict's own chance of error comes with its contrast: of
a false "worse" where nothing differs, and of a false "equivalent" where the difference is just the
margin, which is the worst case.
"""

from __future__ import annotations

from collections.abc import Sequence

from seedbed.verdicts.answer import Answer
from seedbed.verdicts.families import SOURCES, Family
from seedbed.verdicts.findings.finding import Finding


def false_verdicts(answers: Sequence[Answer]) -> list[Finding]:
    """One finding over all answers on targets that have an interval."""
    counted = [a for a in answers if a.target not in SOURCES and a.chance_false_worse is not None]
    if not counted:
        return []
    worse = sum(a.chance_false_worse or 0.0 for a in counted)
    equivalent = sum(a.chance_false_equivalent or 0.0 for a in counted)
    called = {
        word: sum(a.verdict == word for a in counted) for word in ("worse", "better", "equivalent")
    }
    sentence = (
        f"Of {len(counted)} comparisons on targets {called['worse']} are called worse, {called['better']} better and "
        f"{called['equivalent']} equivalent. If no arm differed from what it is compared with, {worse:.2f} would be called worse by "
        f"chance, and as many better; if each differed by just the margin, at most {equivalent:.2f} would be called equivalent."
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
            | called,
        )
    ]


def best_budgets(families: Sequence[Family]) -> list[Finding]:
    """Where arms did best at unlike training budgets, which each arm's was."""
    found = []
    for family in families:
        if family.images_seen is not None:
            continue
        chosen = {
            arm: rows[0].images_seen for arm, rows in family.rows.items() if rows[0].images_seen
        }
        words = ", ".join(f"'{arm}' {seen:,}" for arm, seen in chosen.items())
        found.append(
            Finding(
                kind="best_budgets",
                target=family.target,
                method=family.method,
                metric=family.metric,
                sentence=f"On {family.target} ({family.method}) the best training budget by validation images, in images seen: {words}.",
                details={"images_seen": chosen},
            )
        )
    return found
