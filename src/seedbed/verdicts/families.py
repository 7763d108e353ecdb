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
from seedbed.verdicts.answer import Answer, answer_from_contrast, quoted
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
        reference, arms = _scores(results, family, study.reference)
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
    return words if seen in (0, budget) else f"{words or quoted(arm)}, which saw {seen:,} images,"


def _scores(results: Results, family: Family, reference: str) -> tuple[ArmScores, list[ArmScores]]:
    """The reference and the arms that can be compared with it. Test images are counted as crossed with seeds only where every
    outcome was measured on the same ones: where classes are drawn anew with each seed, their share is in the spread over seeds."""
    read = {arm: [_Scored(results, o) for o in rows] for arm, rows in family.rows.items()}
    comparable = {arm: scored for arm, scored in read.items() if _comparable(read[reference], scored)}
    first = read[reference][0]
    crossed = all(scored.same_images(first) for found in comparable.values() for scored in found)
    made = {
        arm: ArmScores(
            arm=arm,
            values=np.array([s.outcome.value for s in found]),
            per_image=np.stack([s.contributions for s in found]) if crossed else None,
            checkpoint=results.study.arms[arm].is_checkpoint,
        )
        for arm, found in comparable.items()
    }
    return made[reference], [scores for arm, scores in made.items() if arm != reference]


class _Scored:
    """One outcome with its test images in the order of their ids."""

    def __init__(self, results: Results, outcome: Outcome) -> None:
        ids, labels, contributions = results.contributions(outcome)
        order = np.argsort(ids, kind="stable")
        self.outcome = outcome
        self.ids, self.labels, self.contributions = ids[order], labels[order], contributions[order]

    def same_images(self, other: _Scored) -> bool:
        return np.array_equal(self.ids, other.ids) and np.array_equal(self.labels, other.labels)


def _comparable(reference: list[_Scored], arm: list[_Scored]) -> bool:
    """Whether an arm was measured on the reference's test images with its labels, seed by seed; where they share no seed, on
    images that some seed of the reference was measured on."""
    by_seed = {scored.outcome.seed: scored for scored in reference}
    shared = [(scored, by_seed[scored.outcome.seed]) for scored in arm if scored.outcome.seed in by_seed]
    if shared:
        return all(a.same_images(b) for a, b in shared)
    return any(arm[0].same_images(scored) for scored in reference)


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
