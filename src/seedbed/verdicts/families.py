"""From results to families of contrasts: the arms of one question on one target, method, primary
metric and training budget.

In: Results. Out: answers, each arm against its reference; an arm with a single training budget of
its own (random initialisation: 0) joins the family of every budget. Knows nothing of what the arms
mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seedbed.metrics import METRICS
from seedbed.trials.results import Outcome, Results
from seedbed.trials.study import Study
from seedbed.verdicts.answer import Answer, Wording, answer_from_contrast, quoted
from seedbed.verdicts.arm_scores import ArmScores
from seedbed.verdicts.contrasts import Contrast, contrast_pairs
from seedbed.verdicts.pairs import Pair, Pairing, with_reference
from seedbed.verdicts.variances import sample_variance

DescribeArm = Callable[[str], str | None]
SOURCE = "source"
SOURCES = (SOURCE, "source_fine")  # as targets: accuracy on the source itself


@dataclass(frozen=True, kw_only=True)
class Family:
    """Rows by arm that one table compares. `images_seen` is None where each arm stands at its own
    best training budget."""

    target: str
    method: str
    images_seen: int | None
    metric: str
    unit: str
    rows: dict[str, list[Outcome]]  # arm -> its outcomes over seeds

    @property
    def sign(self) -> float:
        return METRICS.get(self.metric).sign


def families(results: Results) -> list[Family]:
    """Every family that has an outcome of the reference, in the order of the study; then, where
    arms did best at unlike training budgets by their validation images, each arm at its own
    best."""
    study = results.study
    found = [family for place in _places(results) for family in _at_budgets(place, study)]
    return found + [
        best for place in _places(results) if (best := _at_own_best(place, study)) is not None
    ]


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Everything measured on one target by one method."""

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


def _places(results: Results) -> list[_Place]:
    found: dict[tuple[str, str, str, str], list[Outcome]] = {}
    for o in results.outcomes:
        if o.primary:
            found.setdefault((o.target, o.method, o.metric, o.unit), []).append(o)
    return [
        _Place(target=target, method=method, metric=metric, unit=unit, outcomes=outcomes)
        for (target, method, metric, unit), outcomes in found.items()
    ]


def _at_budgets(place: _Place, study: Study) -> Iterable[Family]:
    for budget in study.budgets:
        rows = _rows(place, study, {arm: study.images_seen_of(arm, budget) for arm in study.arms})
        if rows.get(study.reference):
            yield place.family(budget, rows)


def _rows(place: _Place, study: Study, seen: dict[str, int]) -> dict[str, list[Outcome]]:
    rows: dict[str, list[Outcome]] = {arm: [] for arm in study.arms}
    for o in place.outcomes:
        if o.images_seen == seen[o.arm]:
            rows[o.arm].append(o)
    return {
        arm: sorted(found, key=lambda o: (o.seed, o.init_seed))
        for arm, found in rows.items()
        if found
    }


def _at_own_best(place: _Place, study: Study) -> Family | None:
    """Each arm at the budget with the best validation score, mean over seeds; None where that says
    nothing new."""
    if len(study.budgets) < 2:
        return None
    best: dict[str, int] = {}
    for arm in study.arms:
        scores: dict[int, dict[tuple[int, int], float]] = {}
        for o in place.outcomes:
            if o.arm == arm and (score := validation_score(o)) is not None:
                scores.setdefault(o.images_seen, {})[o.seed, o.init_seed] = score
        is_whole = set(scores) == set(study.arms[arm].budgets(study.pretraining))
        # while some cells are not there
        shared = set.intersection(*map(set, scores.values())) if is_whole and scores else set()
        if shared:
            best[arm] = max(
                scores,
                key=lambda seen: (np.mean([scores[seen][draw] for draw in sorted(shared)]), -seen),
            )
    if study.reference not in best:
        return None
    ranks = {
        sorted(study.arms[arm].budgets(study.pretraining)).index(seen)
        for arm, seen in best.items()
        if _has_choice(study, arm)
    }
    if len(ranks) < 2:
        return None
    rows = _rows(place, study, {arm: best.get(arm, -1) for arm in study.arms})
    return place.family(None, rows)


def _has_choice(study: Study, arm: str) -> bool:
    return len(study.arms[arm].budgets(study.pretraining)) > 1


def validation_score(outcome: Outcome) -> float | None:
    """The validation score of what the method chose; None where it looked at no validation
    images."""
    tried = outcome.facts.get(f"validation_{outcome.metric}", outcome.facts.get("validation_top1"))
    known = (
        [value for value in tried.values() if value is not None] if isinstance(tried, dict) else []
    )
    return max(known, default=None)


def answer_families(
    results: Results,
    question: str,
    describe_arm: DescribeArm = lambda arm: None,
    pairing: Pairing = with_reference,
) -> list[Answer]:
    """One answer per pair of arms and family. Arms whose test images or labels differ from their
    reference's are left out: no like with like. Each answer on a target says what the difference
    was on the source itself."""
    study = results.study
    gains = _reference_gains(results)
    contrasts = [
        (family, contrast_pairs_of(results, family, pairing(study, family.target)))
        for family in families(results)
    ]
    on_source = _on_source(contrasts)
    answers = []
    for family, found in contrasts:
        for contrast in found:
            pair = (contrast.arm, contrast.reference)
            wording = Wording(
                arm=_described(study, contrast.arm, family.images_seen, describe_arm),
                reference=_described_reference(
                    study, contrast.reference, family.images_seen, describe_arm
                ),
                on_source=None
                if family.target in SOURCES
                else on_source.get((family.images_seen, *pair)),
            )
            answers.append(
                answer_from_contrast(
                    contrast,
                    question=question,
                    target=family.target,
                    method=family.method,
                    images_seen=family.images_seen,
                    metric=family.metric,
                    unit=family.unit,
                    converged=None
                    if family.images_seen is None
                    else gains.get((family.target, family.method, contrast.reference)),
                    wording=wording,
                )
            )
    return sorted(answers, key=lambda a: a.target in SOURCES)  # what was asked of targets first


def contrast_pairs_of(results: Results, family: Family, pairs: Sequence[Pair]) -> list[Contrast]:
    """The contrasts of those pairs that were measured alike."""
    scores, comparable = scores_of(results, family, pairs)
    if not comparable:
        return []
    return contrast_pairs(
        [(scores[p.arm], scores[p.reference]) for p in comparable],
        margin=results.study.margin_of(family.metric),
        higher_is_better=METRICS.get(family.metric).higher_is_better,
        unit=family.unit,
    )


def _on_source(
    contrasts: list[tuple[Family, list[Contrast]]],
) -> dict[tuple[int | None, str, str], tuple[str, float]]:
    """(budget, arm, reference) -> on which labels of the source, and the difference there; the
    arms' own labels before the fine ones."""
    found: dict[tuple[int | None, str, str], tuple[str, float]] = {}
    for family, of_family in sorted(contrasts, key=lambda pair: pair[0].target != "source"):
        if family.target == "source" or (
            family.target == "source_fine" and family.method == "probe"
        ):
            for c in of_family:
                found.setdefault(
                    (family.images_seen, c.arm, c.reference), (family.target, c.difference)
                )
    return found


def _described(study: Study, arm: str, budget: int | None, describe_arm: DescribeArm) -> str | None:
    """What the sentence calls an arm: with what it saw, where that is not what the reference
    saw."""
    words = describe_arm(arm)
    seen = study.images_seen_of(arm, budget) if budget is not None else budget
    return words if seen in (0, budget) else f"{words or quoted(arm)}, which saw {seen:,} images,"


def _described_reference(
    study: Study, reference: str, budget: int | None, describe_arm: DescribeArm
) -> str | None:
    """The study's own reference goes by its name; another is described."""
    return _described(
        study, reference, budget, describe_arm if reference != study.reference else lambda arm: None
    )


def scores_of(
    results: Results, family: Family, pairs: Sequence[Pair]
) -> tuple[dict[str, ArmScores], list[Pair]]:
    """Scores of the arms of those pairs that can be compared, and these pairs. Test images are
    counted as crossed with seeds only where
    every outcome was measured on the same ones: where classes are drawn anew with each seed, their
        share is in the spread over seeds."""
    wanted = [p for p in pairs if p.arm in family.rows and p.reference in family.rows]
    read = {
        arm: [Scored(results, o) for o in family.rows[arm]]
        for p in wanted
        for arm in (p.reference, p.arm)
    }
    comparable = [p for p in wanted if _comparable(read[p.reference], read[p.arm])]
    used = dict.fromkeys(arm for p in comparable for arm in (p.reference, p.arm))
    crossed = all(
        s.same_images(read[arm][0]) and s.same_images(read[next(iter(used))][0])
        for arm in used
        for s in read[arm]
    )
    return {arm: _arm_scores(results, arm, read[arm], crossed=crossed) for arm in used}, comparable


def _arm_scores(results: Results, arm: str, scored: list[Scored], *, crossed: bool) -> ArmScores:
    units = _units(results.study, scored)
    values = np.array(
        [np.mean([s.outcome.value for s in unit]) for unit in units], dtype=np.float64
    )
    of_images: dict[str, Any] = {}
    if crossed and scored[0].is_mean_of_images:
        of_images = {
            "per_image": np.stack(
                [np.mean([s.contributions for s in unit], axis=0) for unit in units]
            )
        }
    elif crossed and len(scored[0].ids) > 1:
        of_images = {"statistic": _statistic(units), "num_images": len(scored[0].ids)}
    return ArmScores(
        arm=arm, values=values, checkpoint=results.study.arms[arm].is_checkpoint, **of_images
    )


def _statistic(units: list[list[Scored]]) -> Callable[[np.ndarray], np.ndarray]:
    """The metric of each unit on a resample of the images, where it is not a mean over images."""
    return lambda drawn: np.array(
        [np.mean([s.on(drawn) for s in unit]) for unit in units], dtype=np.float64
    )


def _units(study: Study, scored: list[Scored]) -> list[list[Scored]]:
    """The outcomes of an arm in independent parts: in a nested design those of one sample; where
    the arm draws nothing, so that all samples are the same training, those of one initialisation.
    Where such an arm was measured on a target that is drawn anew with each
    sample, neither tells the whole spread: the parts that differ more stand for it."""
    if not study.is_nested:
        return [[s] for s in scored]
    by_sample, by_init = _parted(scored, "seed"), _parted(scored, "init_seed")
    trainings = {s.outcome.backbone_key for s in scored}
    if len(trainings) == len(scored):
        return by_sample
    if len({s.outcome.key for s in scored}) == len(trainings):
        return by_init
    return max(by_init, by_sample, key=_variance_of_mean)


def _parted(scored: list[Scored], name: str) -> list[list[Scored]]:
    found: dict[int, list[Scored]] = {}
    for s in scored:
        found.setdefault(getattr(s.outcome, name), []).append(s)
    return list(found.values())


def _variance_of_mean(units: list[list[Scored]]) -> float:
    means = np.array([np.mean([s.outcome.value for s in unit]) for unit in units], dtype=np.float64)
    return float(sample_variance(means)) / len(means) if len(means) > 1 else 0.0


class Scored:
    """One outcome with its test images in the order of their ids."""

    def __init__(self, results: Results, outcome: Outcome) -> None:
        self.outcome = outcome
        metric, predictions = METRICS.get(outcome.metric), results.predictions(outcome)
        self._order = np.argsort(predictions["ids"], kind="stable")
        self.ids = predictions["ids"][self._order]
        self.labels = metric.truth(predictions)[self._order]
        contributions = metric.per_image(predictions)
        # A metric that is not a mean over images has no contributions; `on` is resampled.
        self.is_mean_of_images = contributions is not None
        self.contributions = np.zeros(0) if contributions is None else contributions[self._order]
        self._statistic = metric.statistic(predictions)

    def on(self, drawn: np.ndarray) -> float:
        """The metric on a resample of the images, by their positions in the order of ids."""
        return self._statistic(self._order[drawn])

    @property
    def draw(self) -> tuple[int, int]:
        return self.outcome.seed, self.outcome.init_seed

    def same_images(self, other: Scored) -> bool:
        return np.array_equal(self.ids, other.ids) and np.array_equal(self.labels, other.labels)


def _comparable(reference: list[Scored], arm: list[Scored]) -> bool:
    """Whether an arm was measured on the reference's test images with its labels, seed by seed;
    where they share no seed, on images that some seed of the reference was measured on."""
    by_draw = {scored.draw: scored for scored in reference}
    shared = [(scored, by_draw[scored.draw]) for scored in arm if scored.draw in by_draw]
    if shared:
        return all(a.same_images(b) for a, b in shared)
    return any(arm[0].same_images(scored) for scored in reference)


def _reference_gains(results: Results) -> dict[tuple[str, str, str], bool]:
    """(target, method, arm) -> whether the arm had converged: its mean gained at most the margin
    from the smallest training budget to the largest; arms that were trained at one budget, or not
    at all, are not there."""
    study = results.study
    small, large = study.budgets[0], study.budgets[-1]
    means: dict[tuple[str, str, str, int | None], float] = {}
    metrics: dict[tuple[str, str], str] = {}
    for place in _places(results) if small != large else ():
        for family in _at_budgets(place, study):
            for arm, rows in family.rows.items():
                mean = float(np.mean([o.value for o in rows]))
                metrics[family.target, family.method] = family.metric
                means[family.target, family.method, arm, family.images_seen] = family.sign * mean
    return {
        (target, method, arm): means[target, method, arm, large] - before
        <= study.margin_of(metrics[target, method])
        for (target, method, arm, budget), before in means.items()
        if budget == small and _has_choice(study, arm) and (target, method, arm, large) in means
    }
