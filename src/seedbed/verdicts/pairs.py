"""Which arms of a study are compared with which.

In: a study. Out: pairs of arm and reference. An arm is compared with the study's reference; where
it has a network, an objective or other settings of its own, with the arm that has the reference's
recipe and the same settings, if there is one; and a recipe is compared with its random control,
`like(recipe='...')`. Knows nothing of results.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from seedbed.base.call import parse_calls
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


def with_own_reference(study: Study, target: str = "") -> list[Pair]:
    """Every other arm with the reference of its own settings."""
    found = [Pair(arm, reference_of(study, arm)) for arm in study.arms]
    return [pair for pair in found if pair.arm != pair.reference]


def with_controls(study: Study, target: str = "") -> list[Pair]:
    """Every arm with the reference of its own settings, and with its random control; controls
    themselves are compared with nothing else."""
    pairs = control_pairs(study)
    own = [
        pair
        for pair in with_own_reference(study, target)
        if pair.arm not in {p.reference for p in pairs}
    ]
    return list(dict.fromkeys([*own, *pairs]))


def control_pairs(study: Study) -> list[Pair]:
    """Every arm that has a random control in the study, with it."""
    found = [(control, _controlled_arm(study, control)) for control in study.arms]
    return [Pair(arm, control) for control, arm in found if arm not in (None, control)]


def by_settings(study: Study) -> list[list[str]]:
    """The arms in groups of equal settings: of one network, say."""
    found: dict[tuple[tuple[str, object], ...], list[str]] = {}
    for arm in study.arms:
        found.setdefault(settings_of(study, arm), []).append(arm)
    return list(found.values())


def settings_of(study: Study, arm: str) -> tuple[tuple[str, object], ...]:
    """What an arm sets for itself of the pre-training, but its budgets."""
    return tuple(sorted((k, v) for k, v in study.arms[arm].own().items() if k != "images_seen"))


def reference_of(study: Study, arm: str) -> str:
    """The arm with the reference's recipe and this arm's settings; the study's reference where
    there is none."""
    return counterpart(study, arm, study.arms[study.reference].recipe) or study.reference


def counterpart(study: Study, arm: str, recipe: str) -> str | None:
    """The trained arm with this recipe and the settings of `arm`; one with the study's budgets
    first."""
    same = [
        other
        for other, spec in study.arms.items()
        if spec.trains
        and canonical(spec.recipe) == canonical(recipe)
        and settings_of(study, other) == settings_of(study, arm)
    ]
    return min(
        same,
        key=lambda other: (study.arms[other].has_own_budgets, other != study.reference),
        default=None,
    )


def controlled(study: Study, arm: str) -> str | None:
    """The recipe that an arm is the random control for, `like(recipe='R') | rest` for `R | rest`;
    None where it is no control."""
    text = study.arms[arm].recipe
    calls = parse_calls(text, "recipe") if text else ()
    if not calls or calls[0].name != "like":
        return None
    recipe = calls[0].kwargs.get("recipe", *calls[0].args[:1])
    return " | ".join([str(recipe), *map(str, calls[1:])]) if isinstance(recipe, str) else None


def _controlled_arm(study: Study, control: str) -> str | None:
    recipe = controlled(study, control)
    return None if recipe is None else counterpart(study, control, recipe)


def canonical(recipe: str) -> str:
    """The same recipe in one spelling."""
    return " | ".join(map(str, parse_calls(recipe, "recipe"))) if recipe else ""
