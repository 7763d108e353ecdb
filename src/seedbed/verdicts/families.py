"""From results to families of contrasts: the arms of one question on one target, method, primary metric and training budget.

In: Results. Out: answers, each arm against the reference; an arm with a single training budget of its own (random initialisation: 0)
joins the family of every budget. Knows nothing of what the arms mean.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from seedbed.metrics import HIGHER_IS_BETTER
from seedbed.trials.results import Outcome, Results
from seedbed.trials.study import Study
from seedbed.verdicts.answer import Answer, answer_from_contrast
from seedbed.verdicts.contrasts import contrast_family
from seedbed.verdicts.scores import ArmScores

DescribeArm = Callable[[str], str | None]


@dataclass(frozen=True, kw_only=True)
class Family:
    """Rows by arm that one table compares; the reference's come first."""

    target: str
    method: str
    images_seen: int
    metric: str
    unit: str
    rows: dict[str, list[Outcome]]  # arm -> its outcomes over seeds


def families(results: Results) -> list[Family]:
    """Every family that has an outcome of the reference, in the order of the study."""
    study = results.study
    primary = [o for o in results.outcomes if o.primary]
    places = dict.fromkeys((o.target, o.method, o.metric, o.unit) for o in primary)
    found = []
    for target, method, metric, unit in places:
        for budget in study.budgets:
            rows = _rows(primary, study, target, method, metric, budget)
            if rows.get(study.reference):
                found.append(Family(target=target, method=method, images_seen=budget, metric=metric, unit=unit, rows=rows))
    return found


def _rows(outcomes: list[Outcome], study: Study, target: str, method: str, metric: str, budget: int) -> dict[str, list[Outcome]]:
    rows: dict[str, list[Outcome]] = {arm: [] for arm in study.arms}
    for o in outcomes:
        if (o.target, o.method, o.metric) == (target, method, metric) and o.images_seen == study.images_seen_of(o.arm, budget):
            rows[o.arm].append(o)
    return {arm: sorted(found, key=lambda o: o.seed) for arm, found in rows.items() if found}


def answer_families(results: Results, question: str, describe_arm: DescribeArm = lambda arm: None) -> list[Answer]:
    """One answer per arm and family. Arms whose test images or labels differ from the reference's are left out: no like with like."""
    study = results.study
    answers = []
    gains = _reference_gains(results)
    for family in families(results):
        converged = gains.get((family.target, family.method))
        reference = _scores(results, study.reference, family.rows[study.reference])
        arms = [
            _scores(results, arm, rows)
            for arm, rows in family.rows.items()
            if arm != study.reference and _comparable(results, rows[0], family.rows[study.reference][0])
        ]
        place = {"target": family.target, "method": family.method, "images_seen": family.images_seen}
        answers += [
            answer_from_contrast(
                contrast,
                question=question,
                **place,
                metric=family.metric,
                unit=family.unit,
                converged=converged,
                describe_arm=_described(study, contrast.arm, family.images_seen, describe_arm),
            )
            for contrast in contrast_family(
                reference, arms, margin=study.margin, higher_is_better=HIGHER_IS_BETTER[family.metric], unit=family.unit
            )
        ]
    return answers


def _described(study: Study, arm: str, budget: int, describe_arm: DescribeArm) -> str | None:
    """What the sentence calls an arm: with what it saw, where that is not what the reference saw."""
    seen = study.images_seen_of(arm, budget)
    words = describe_arm(arm)
    return words if seen in (0, budget) else f"{words or arm}, which saw {seen:,} images,"


def _scores(results: Results, arm: str, rows: list[Outcome]) -> ArmScores:
    per_image = [_sorted_contributions(results, o) for o in rows]
    sizes = {len(p) for p in per_image}
    whole = np.stack(per_image) if len(sizes) == 1 else None
    return ArmScores(arm=arm, values=np.array([o.value for o in rows]), per_image=whole)


def _sorted_contributions(results: Results, outcome: Outcome) -> np.ndarray:
    ids, _, contributions = results.contributions(outcome)
    return contributions[np.argsort(ids, kind="stable")]


def _comparable(results: Results, a: Outcome, b: Outcome) -> bool:
    """Whether two outcomes were measured on the same test images with the same labels."""
    (ids_a, labels_a, _), (ids_b, labels_b, _) = results.contributions(a), results.contributions(b)
    return np.array_equal(ids_a, ids_b) and np.array_equal(labels_a, labels_b)


def _reference_gains(results: Results) -> dict[tuple[str, str], bool | None]:
    """(target, method) -> whether the reference had converged: its mean gained at most the margin from the smallest budget to the
    largest; None with one budget."""
    study = results.study
    small, large = study.budgets[0], study.budgets[-1]
    found: dict[tuple[str, str], bool | None] = {}
    for family in families(results):
        found.setdefault((family.target, family.method), None)
    if small == large:
        return found
    means = {
        (f.target, f.method, f.images_seen): float(np.mean([o.value for o in f.rows[study.reference]])) for f in families(results)
    }
    directions = {(f.target, f.method): 1 if HIGHER_IS_BETTER[f.metric] else -1 for f in families(results)}
    for (target, method), sign in directions.items():
        before, after = means.get((target, method, small)), means.get((target, method, large))
        if before is not None and after is not None:
            found[target, method] = sign * (after - before) <= study.margin
    return found
