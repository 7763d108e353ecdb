"""Which arms of a study are compared with which.

In: a study. Out: pairs of arm and reference. An arm is compared with the study's reference. An arm
that overrides the network, the objective or other settings is compared with the arm that has the
reference's recipe and the same settings, if there is one. A recipe is also compared with its random
control, `like(recipe='...')`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from seedbed.data.recipes import Recipe
from seedbed.trials.study import Study


@dataclass(frozen=True)
class Pair:
    """An arm and the arm that it is compared with."""

    arm: str
    reference: str


# from a study and a target to the pairs that are compared
Pairing = Callable[[Study, str], list[Pair]]


def with_reference(study: Study, target: str = "") -> list[Pair]:
    """Every other arm with the study's reference."""
    return [Pair(arm, study.reference) for arm in study.arms if arm != study.reference]


def with_matching_reference(study: Study, target: str = "") -> list[Pair]:
    """Every other arm with the reference that has the same settings."""
    pairs = [Pair(arm, reference_of(study, arm)) for arm in study.arms]
    return [pair for pair in pairs if pair.arm != pair.reference]


def with_controls(study: Study, target: str = "") -> list[Pair]:
    """Every arm with the reference that has the same settings, and with its random control.

    Controls are only compared with the arms that they control for.
    """
    pairs = control_pairs(study)
    controls = {pair.reference for pair in pairs}
    others = [pair for pair in with_matching_reference(study, target) if pair.arm not in controls]
    return list(dict.fromkeys([*others, *pairs]))


def control_pairs(study: Study) -> list[Pair]:
    """Every arm that has a random control in the study, with this control."""
    arms = {control: _controlled_arm(study, control) for control in study.arms}
    return [Pair(arm, control) for control, arm in arms.items() if arm and arm != control]


def group_by_settings(study: Study) -> list[list[str]]:
    """The arms in groups of equal settings, for example of the same network."""
    groups: dict[tuple[tuple[str, object], ...], list[str]] = {}
    for arm in study.arms:
        groups.setdefault(settings_of(study, arm), []).append(arm)
    return list(groups.values())


def settings_of(study: Study, arm: str) -> tuple[tuple[str, object], ...]:
    """The pre-training settings that an arm overrides, except its training budgets."""
    return tuple(
        sorted((k, v) for k, v in study.arms[arm].overrides().items() if k != "images_seen")
    )


def reference_of(study: Study, arm: str) -> str:
    """The arm with the reference's recipe and this arm's settings, else the study's reference."""
    return counterpart(study, arm, study.arms[study.reference].recipe) or study.reference


def counterpart(study: Study, arm: str, recipe: Recipe) -> str | None:
    """The trained arm with this recipe and the settings of `arm`; None if there is none.

    Arms with the study's training budgets take precedence.
    """
    matches = [
        other
        for other, spec in study.arms.items()
        if spec.trains
        and spec.recipe == recipe
        and settings_of(study, other) == settings_of(study, arm)
    ]
    return min(
        matches,
        key=lambda other: (study.arms[other].overrides_budgets, other != study.reference),
        default=None,
    )


def _controlled_arm(study: Study, control: str) -> str | None:
    """The arm that `control` is the random control for; None if it is not a control."""
    recipe = study.arms[control].recipe.control_for
    return None if recipe is None else counterpart(study, control, recipe)
