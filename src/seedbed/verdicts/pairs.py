"""Which arms of a study are compared with which.

In: a study. Out: pairs of arm and reference. An arm is compared with the study's reference; where
it overrides the network, the objective or other settings, with the arm that has the reference's
recipe and the same settings, if there is one. A recipe is compared with its random control,
`like(recipe='...')`. Knows nothing of results.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from seedbed.data.recipes import Recipe
from seedbed.trials.study import Study


@dataclass(frozen=True)
class Pair:
    """An arm and what it is compared with."""

    arm: str
    reference: str


Pairing = Callable[[Study, str], list[Pair]]  # of a study, on a target


def with_reference(study: Study, target: str = "") -> list[Pair]:
    """Every other arm with the study's reference."""
    return [Pair(arm, study.reference) for arm in study.arms if arm != study.reference]


def with_matching_reference(study: Study, target: str = "") -> list[Pair]:
    """Every other arm with the reference that has the same settings."""
    pairs = [Pair(arm, reference_of(study, arm)) for arm in study.arms]
    return [pair for pair in pairs if pair.arm != pair.reference]


def with_controls(study: Study, target: str = "") -> list[Pair]:
    """Every arm with the reference that has the same settings, and with its random control;
    controls themselves are compared with nothing else."""
    pairs = control_pairs(study)
    controls = {pair.reference for pair in pairs}
    others = [pair for pair in with_matching_reference(study, target) if pair.arm not in controls]
    return list(dict.fromkeys([*others, *pairs]))


def control_pairs(study: Study) -> list[Pair]:
    """Every arm that has a random control in the study, with it."""
    arms = {control: _controlled_arm(study, control) for control in study.arms}
    return [
        Pair(arm, control) for control, arm in arms.items() if arm is not None and arm != control
    ]


def by_settings(study: Study) -> list[list[str]]:
    """The arms in groups of equal settings: of one network, say."""
    groups: dict[tuple[tuple[str, object], ...], list[str]] = {}
    for arm in study.arms:
        groups.setdefault(settings_of(study, arm), []).append(arm)
    return list(groups.values())


def settings_of(study: Study, arm: str) -> tuple[tuple[str, object], ...]:
    """The settings of the pre-training that an arm overrides, except its budgets."""
    return tuple(
        sorted((k, v) for k, v in study.arms[arm].overrides().items() if k != "images_seen")
    )


def reference_of(study: Study, arm: str) -> str:
    """The arm with the reference's recipe and this arm's settings; where there is none, the study's
    reference."""
    return counterpart(study, arm, study.arms[study.reference].recipe) or study.reference


def counterpart(study: Study, arm: str, recipe: Recipe) -> str | None:
    """The trained arm with this recipe and the settings of `arm`, preferably with the study's
    budgets; None where there is none."""
    same = [
        other
        for other, spec in study.arms.items()
        if spec.trains
        and spec.recipe == recipe
        and settings_of(study, other) == settings_of(study, arm)
    ]
    return min(
        same,
        key=lambda other: (study.arms[other].overrides_budgets, other != study.reference),
        default=None,
    )


def _controlled_arm(study: Study, control: str) -> str | None:
    """The arm that another arm is the random control for; None where it is no control."""
    recipe = study.arms[control].recipe.control_for
    return None if recipe is None else counterpart(study, control, recipe)
