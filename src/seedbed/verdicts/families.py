"""Families of contrasts: the arms on one target, method, primary metric and training budget.

In: results. Out: families, and answers that compare each arm with its reference. An arm with a
single training budget (random initialisation: 0) is part of the family of every budget.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from seedbed.metrics import METRICS
from seedbed.trials.results import Outcome, Results
from seedbed.trials.study import Study
from seedbed.verdicts.answer import Answer, Wording, answer_from_contrast, quoted
from seedbed.verdicts.contrasts import Contrast, contrast_pairs
from seedbed.verdicts.family_scores import Family, family_scores
from seedbed.verdicts.pairs import Pair, Pairing, with_reference

DescribeArm = Callable[[str], str | None]
SOURCE = "source"
# targets that stand for accuracy on the source itself
SOURCES = (SOURCE, "source_fine")


def families(results: Results) -> list[Family]:
    """Every family that has an outcome of the reference, in the order of the study.

    Then the families of each arm at its own best training budget by validation images, where these
    budgets differ.
    """
    study, groups = results.study, _measurements(results)
    by_budget = [family for group in groups for family in _families_by_budget(group, study)]
    at_best = [_best_budget_family(group, study) for group in groups]
    return by_budget + [family for family in at_best if family is not None]


@dataclass(frozen=True, kw_only=True)
class _Measurements:
    """All outcomes on one target with one method."""

    target: str
    method: str
    metric: str
    unit: str
    outcomes: list[Outcome]

    def family(self, images_seen: int | None, rows: dict[str, list[Outcome]]) -> Family:
        return Family(
            target=self.target,
            method=self.method,
            images_seen=images_seen,
            metric=self.metric,
            unit=self.unit,
            rows=rows,
        )


def _measurements(results: Results) -> list[_Measurements]:
    groups: dict[tuple[str, str, str, str], list[Outcome]] = {}
    for o in results.outcomes:
        if o.primary:
            groups.setdefault((o.target, o.method, o.metric, o.unit), []).append(o)
    return [
        _Measurements(target=target, method=method, metric=metric, unit=unit, outcomes=outcomes)
        for (target, method, metric, unit), outcomes in groups.items()
    ]


def _families_by_budget(group: _Measurements, study: Study) -> Iterable[Family]:
    for budget in study.budgets:
        images_seen = {arm: study.images_seen_of(arm, budget) for arm in study.arms}
        rows = _rows_by_arm(group, study, images_seen)
        if rows.get(study.reference):
            yield group.family(budget, rows)


def _rows_by_arm(
    group: _Measurements, study: Study, images_seen: dict[str, int]
) -> dict[str, list[Outcome]]:
    """Outcomes of each arm at its number of images seen, by seed; arms without any are left out."""
    rows: dict[str, list[Outcome]] = {arm: [] for arm in study.arms}
    for o in group.outcomes:
        if o.images_seen == images_seen[o.arm]:
            rows[o.arm].append(o)
    return {
        arm: sorted(outcomes, key=lambda o: (o.seed, o.init_seed))
        for arm, outcomes in rows.items()
        if outcomes
    }


def _best_budget_family(group: _Measurements, study: Study) -> Family | None:
    """Each arm at its best training budget; None if all arms have the same best budget."""
    if len(study.budgets) < 2:
        return None
    best = {arm: _best_budget(group, study, arm) for arm in study.arms}
    if best[study.reference] is None:
        return None
    ranks = {
        sorted(study.arms[arm].budgets(study.pretraining)).index(images_seen)
        for arm, images_seen in best.items()
        if images_seen is not None and _has_several_budgets(study, arm)
    }
    if len(ranks) < 2:
        return None
    images_seen = {arm: -1 if seen is None else seen for arm, seen in best.items()}
    return group.family(None, _rows_by_arm(group, study, images_seen))


def _best_budget(group: _Measurements, study: Study, arm: str) -> int | None:
    """The budget with the best mean validation score over the seeds that all budgets have.

    None if a budget has no validation scores.
    """
    scores: dict[int, dict[tuple[int, int], float]] = {}
    for o in group.outcomes:
        if o.arm == arm and (score := validation_score(o)) is not None:
            scores.setdefault(o.images_seen, {})[o.seed, o.init_seed] = score
    if not scores or set(scores) != set(study.arms[arm].budgets(study.pretraining)):
        return None
    # Some budgets may still lack seeds.
    shared = sorted(set.intersection(*map(set, scores.values())))
    if not shared:
        return None
    mean = {seen: np.mean([scores[seen][draw] for draw in shared]) for seen in scores}
    return max(mean, key=lambda seen: (mean[seen], -seen))


def _has_several_budgets(study: Study, arm: str) -> bool:
    return len(study.arms[arm].budgets(study.pretraining)) > 1


def validation_score(outcome: Outcome) -> float | None:
    """The validation score of the selected hyperparameter; None without validation images."""
    scores = outcome.facts.get(f"validation_{outcome.metric}", outcome.facts.get("validation_top1"))
    if not isinstance(scores, dict):
        return None
    return max((score for score in scores.values() if score is not None), default=None)


def answer_families(
    results: Results,
    question: str,
    describe_arm: DescribeArm = lambda arm: None,
    pairing: Pairing = with_reference,
) -> list[Answer]:
    """One answer per comparable pair of arms and family; answers on targets come first.

    Pairs with different test images or labels are not comparable. An answer on a target also gives
    the difference on the source.
    """
    study = results.study
    converged = _has_converged(results)
    contrasts = [
        (family, family_contrasts(results, family, pairing(study, family.target)))
        for family in families(results)
    ]
    on_source = _source_differences(contrasts)

    def answer(family: Family, contrast: Contrast) -> Answer:
        is_source, budget = family.target in SOURCES, family.images_seen
        key = (budget, contrast.arm, contrast.reference)
        return answer_from_contrast(
            contrast,
            question=question,
            target=family.target,
            method=family.method,
            images_seen=budget,
            metric=family.metric,
            unit=family.unit,
            converged=None
            if budget is None
            else converged.get((family.target, family.method, contrast.reference)),
            wording=Wording(
                arm=_describe(study, contrast.arm, budget, describe_arm),
                reference=_describe_reference(study, contrast.reference, budget, describe_arm),
                on_source=None if is_source else on_source.get(key),
            ),
        )

    answers = [answer(family, contrast) for family, group in contrasts for contrast in group]
    return sorted(answers, key=lambda a: a.target in SOURCES)


def family_contrasts(results: Results, family: Family, pairs: Sequence[Pair]) -> list[Contrast]:
    """The contrasts of the comparable pairs."""
    scores, comparable = family_scores(results, family, pairs)
    if not comparable:
        return []
    return contrast_pairs(
        [(scores[p.arm], scores[p.reference]) for p in comparable],
        margin=results.study.margin_of(family.metric),
        higher_is_better=METRICS.get(family.metric).higher_is_better,
        unit=family.unit,
    )


def _source_differences(
    contrasts: list[tuple[Family, list[Contrast]]],
) -> dict[tuple[int | None, str, str], tuple[str, float]]:
    """Differences on the source by (budget, arm, reference), as (source target, difference).

    The arms' pre-training labels take precedence over the fine labels.
    """
    differences: dict[tuple[int | None, str, str], tuple[str, float]] = {}
    for family, of_family in sorted(contrasts, key=lambda pair: pair[0].target != SOURCE):
        is_fine_probe = family.target == "source_fine" and family.method == "probe"
        if family.target == SOURCE or is_fine_probe:
            for c in of_family:
                key = (family.images_seen, c.arm, c.reference)
                differences.setdefault(key, (family.target, c.difference))
    return differences


def _describe(study: Study, arm: str, budget: int | None, describe_arm: DescribeArm) -> str | None:
    """The description of an arm, with the images it saw if the reference saw another number."""
    words = describe_arm(arm)
    seen = study.images_seen_of(arm, budget) if budget is not None else budget
    return words if seen in (0, budget) else f"{words or quoted(arm)}, which saw {seen:,} images,"


def _describe_reference(
    study: Study, reference: str, budget: int | None, describe_arm: DescribeArm
) -> str | None:
    """The description of a reference; the study's reference is called by its name."""
    return _describe(
        study, reference, budget, describe_arm if reference != study.reference else lambda arm: None
    )


def _has_converged(results: Results) -> dict[tuple[str, str, str], bool]:
    """By (target, method, arm): whether the arm gained at most the margin from longer training.

    Compares the means at the smallest and the largest training budget. Arms with one budget, or
    without pre-training, are left out.
    """
    study = results.study
    small, large = study.budgets[0], study.budgets[-1]
    means: dict[tuple[str, str, str, int | None], float] = {}
    metrics: dict[tuple[str, str], str] = {}
    for group in _measurements(results) if small != large else ():
        for family in _families_by_budget(group, study):
            for arm, rows in family.rows.items():
                mean = float(np.mean([o.value for o in rows]))
                metrics[family.target, family.method] = family.metric
                means[family.target, family.method, arm, family.images_seen] = family.sign * mean
    return {
        (target, method, arm): means[target, method, arm, large] - before
        <= study.margin_of(metrics[target, method])
        for (target, method, arm, budget), before in means.items()
        if budget == small
        and _has_several_budgets(study, arm)
        and (target, method, arm, large) in means
    }
