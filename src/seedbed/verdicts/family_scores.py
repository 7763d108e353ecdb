"""Scores of the arms of a family, and which of its pairs are comparable.

In: results, a family of outcomes, pairs of arms. Out: `ArmScores` by arm, with contributions of
each test image or a bootstrap statistic, and the pairs with the same test images and labels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seedbed.metrics import METRICS
from seedbed.trials.results import Outcome, Results
from seedbed.trials.study import Study
from seedbed.verdicts.arm_scores import ArmScores
from seedbed.verdicts.pairs import Pair
from seedbed.verdicts.variances import sample_variance


@dataclass(frozen=True, kw_only=True)
class Family:
    """The outcomes that one table compares.

    `images_seen` is None if each arm is at its own best training budget.
    """

    target: str
    method: str
    images_seen: int | None
    metric: str
    unit: str
    # outcomes over seeds, by arm
    rows: dict[str, list[Outcome]]

    @property
    def sign(self) -> float:
        return METRICS.get(self.metric).sign


class OutcomeOnImages:
    """One outcome with its test images in the order of their ids."""

    def __init__(self, results: Results, outcome: Outcome) -> None:
        self.outcome = outcome
        metric, predictions = METRICS.get(outcome.metric), results.predictions(outcome)
        self._order = np.argsort(predictions["ids"], kind="stable")
        self.ids = predictions["ids"][self._order]
        self.labels = metric.truth(predictions)[self._order]
        contributions = metric.per_image(predictions)
        # A metric that is not a mean over images has no contributions.
        self.is_mean_of_images = contributions is not None
        self.contributions = np.zeros(0) if contributions is None else contributions[self._order]
        self._statistic = metric.statistic(predictions)

    def resampled_value(self, rows: np.ndarray) -> float:
        """The metric on resampled images, given their positions in the order of ids."""
        return self._statistic(self._order[rows])

    @property
    def draw(self) -> tuple[int, int]:
        return self.outcome.seed, self.outcome.init_seed

    def has_same_images(self, other: OutcomeOnImages) -> bool:
        """Whether test images and labels are those of another outcome."""
        return np.array_equal(self.ids, other.ids) and np.array_equal(self.labels, other.labels)


def family_scores(
    results: Results, family: Family, pairs: Sequence[Pair]
) -> tuple[dict[str, ArmScores], list[Pair]]:
    """Scores of the arms of all comparable pairs, and these pairs.

    Test images count as crossed with seeds only if every outcome has the same ones. If classes are
    drawn with each seed, the variance over test images is part of the variance over seeds.
    """
    measured = [p for p in pairs if p.arm in family.rows and p.reference in family.rows]
    of_arm = {
        arm: [OutcomeOnImages(results, o) for o in family.rows[arm]]
        for p in measured
        for arm in (p.reference, p.arm)
    }
    comparable = [p for p in measured if _is_comparable(of_arm[p.reference], of_arm[p.arm])]
    arms = list(dict.fromkeys(arm for p in comparable for arm in (p.reference, p.arm)))
    crossed = all(
        o.has_same_images(of_arm[arm][0]) and o.has_same_images(of_arm[arms[0]][0])
        for arm in arms
        for o in of_arm[arm]
    )
    scores = {arm: _arm_scores(results, arm, of_arm[arm], crossed=crossed) for arm in arms}
    return scores, comparable


def _arm_scores(
    results: Results, arm: str, outcomes: list[OutcomeOnImages], *, crossed: bool
) -> ArmScores:
    units = _independent_units(results.study, outcomes)
    values = [np.mean([o.outcome.value for o in unit]) for unit in units]
    image_arguments: dict[str, Any] = {}
    if crossed and outcomes[0].is_mean_of_images:
        contributions = [np.mean([o.contributions for o in unit], axis=0) for unit in units]
        image_arguments = {"per_image": np.stack(contributions)}
    elif crossed and len(outcomes[0].ids) > 1:
        image_arguments = {"statistic": _statistic(units), "num_images": len(outcomes[0].ids)}
    return ArmScores(
        arm=arm,
        values=np.array(values, dtype=np.float64),
        checkpoint=results.study.arms[arm].is_checkpoint,
        **image_arguments,
    )


def _statistic(units: list[list[OutcomeOnImages]]) -> Callable[[np.ndarray], np.ndarray]:
    """A function from resampled rows to the metric of each unit."""
    return lambda rows: np.array(
        [np.mean([o.resampled_value(rows) for o in unit]) for unit in units], dtype=np.float64
    )


def _independent_units(
    study: Study, outcomes: list[OutcomeOnImages]
) -> list[list[OutcomeOnImages]]:
    """The outcomes of an arm in independent groups.

    In a nested design these are the samples. If the arm draws nothing, all samples are the same
    training, and the groups are the initialisations. If such an arm was measured on a target that
    is drawn with each sample, neither grouping covers the whole variance: the one with the larger
    variance is used.
    """
    if not study.is_nested:
        return [[o] for o in outcomes]
    by_sample, by_init = _group_by(outcomes, "seed"), _group_by(outcomes, "init_seed")
    trainings = {o.outcome.backbone_key for o in outcomes}
    if len(trainings) == len(outcomes):
        return by_sample
    if len({o.outcome.key for o in outcomes}) == len(trainings):
        return by_init
    return max(by_init, by_sample, key=_variance_of_mean)


def _group_by(outcomes: list[OutcomeOnImages], name: str) -> list[list[OutcomeOnImages]]:
    groups: dict[int, list[OutcomeOnImages]] = {}
    for o in outcomes:
        groups.setdefault(getattr(o.outcome, name), []).append(o)
    return list(groups.values())


def _variance_of_mean(units: list[list[OutcomeOnImages]]) -> float:
    means = np.array([np.mean([o.outcome.value for o in unit]) for unit in units], dtype=np.float64)
    return float(sample_variance(means)) / len(means) if len(means) > 1 else 0.0


def _is_comparable(reference: list[OutcomeOnImages], arm: list[OutcomeOnImages]) -> bool:
    """Whether an arm has the test images and labels of the reference, seed by seed.

    If they share no seed, those of any seed of the reference suffice.
    """
    by_draw = {o.draw: o for o in reference}
    shared = [(o, by_draw[o.draw]) for o in arm if o.draw in by_draw]
    if shared:
        return all(a.has_same_images(b) for a, b in shared)
    return any(arm[0].has_same_images(o) for o in reference)
