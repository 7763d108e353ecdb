"""Arms and the pre-training, as a study declares them.

In: tables of a study file, or Python values. Out: checked, frozen settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from seedbed.base.errors import UsageError
from seedbed.base.spec import build
from seedbed.data.images import Augmentation
from seedbed.data.recipes import EVERYTHING, Recipe
from seedbed.models.backbone import Backbone
from seedbed.models.zoo import BACKBONES
from seedbed.pretraining.objectives import OBJECTIVES
from seedbed.pretraining.settings import Pretraining

# Settings without effect on an arm that is not trained.
_TRAINING_SETTINGS = tuple(f.name for f in fields(Pretraining) if f.name != "backbone")


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One arm: a recipe over the source, random initialisation, or an existing checkpoint; other
    keys override the pre-training.

    A checkpoint is `weights`: a folder that pretrain wrote, or a file, "cached" or "download" with
    the network named as `backbone`. From Python it may be `model`, a Backbone.
    """

    recipe: Recipe = EVERYTHING
    weights: str | None = None
    model: Any = None
    init: Literal["pretrained", "random"] = "pretrained"
    backbone: str | None = None
    objective: str | None = None
    images_seen: tuple[int, ...] | None = None
    # a share of each of the study's budgets, for equal exposure
    budget_share: float | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    weight_decay: float | None = None
    optimiser: Literal["sgd", "adamw"] | None = None
    decay: Literal["linear", "cosine", "steps"] | None = None
    drops: tuple[float, ...] | None = None
    warmup: float | None = None
    augmentation: Augmentation | None = None
    early_stopping: int | None = None

    def __post_init__(self) -> None:
        # Python callers may give its text.
        object.__setattr__(self, "recipe", Recipe.of(self.recipe))
        if not self.trains:
            what = "an existing checkpoint" if self.is_checkpoint else "init = 'random'"
            if not self.recipe.is_empty:
                raise ValueError(
                    f"{what} is not trained, so the recipe {str(self.recipe)!r} would have no "
                    "effect"
                )
            for setting in (*_TRAINING_SETTINGS, "budget_share"):
                if getattr(self, setting) is not None:
                    raise ValueError(f"{what} is not trained, so {setting!r} would have no effect")
        if self.budget_share is not None and not (
            isinstance(self.budget_share, int | float) and 0 < self.budget_share <= 1
        ):
            raise ValueError(
                f"budget_share = {self.budget_share!r} must be a share of the study's "
                "images_seen, in (0, 1]"
            )
        if self.budget_share is not None and self.images_seen is not None:
            raise ValueError(
                "budget_share and images_seen both say how long an arm is trained: leave one out"
            )
        if self.is_checkpoint and self.init == "random":
            raise ValueError(
                "an arm is either random or an existing checkpoint: leave out 'init' or 'weights'"
            )

    @property
    def is_checkpoint(self) -> bool:
        """Whether it is one existing network, which has no seeds of pre-training."""
        return self.weights is not None or self.model is not None

    @property
    def trains(self) -> bool:
        return self.init != "random" and not self.is_checkpoint

    def pretraining(self, common: Pretraining) -> Pretraining:
        """The study's pre-training with the settings that this arm overrides."""
        overrides = self.overrides()
        if self.budget_share is not None:
            overrides["images_seen"] = tuple(
                max(1, round(budget * self.budget_share)) for budget in common.images_seen
            )
        return replace(common, **overrides)

    @property
    def overrides_budgets(self) -> bool:
        """Whether it is trained for other budgets than the study's."""
        return self.images_seen is not None or self.budget_share is not None

    def overrides(self) -> dict[str, Any]:
        """The settings of the pre-training that this arm overrides."""
        names = {f.name for f in fields(Pretraining)}
        return {
            f.name: getattr(self, f.name)
            for f in fields(self)
            if f.name in names and getattr(self, f.name) is not None
        }

    def budgets(self, common: Pretraining) -> tuple[int, ...]:
        """Images seen of each of its trainings; random initialisation sees none."""
        return self.pretraining(common).images_seen if self.trains else (0,)


def read_arm(value: str | Mapping[str, Any] | Arm, where: str) -> Arm:
    """An arm from a recipe string, a table, a Backbone or an Arm; all names in it are checked.
    `where` is its place in errors."""
    if isinstance(value, str):
        arm = Arm(recipe=Recipe(value))
    elif isinstance(value, Mapping):
        arm = build(Arm, with_list(value, "images_seen"), where)
    elif isinstance(value, Backbone):
        arm = Arm(model=value)
    elif isinstance(value, Arm):
        arm = value
    else:
        raise UsageError(
            f"{where}: {type(value).__name__ if callable(value) else value!r} is neither a recipe "
            "nor a table, nor a Backbone",
            'Write half = "images(fraction=0.5)"; wrap your own module: '
            "sb.Backbone.wrap(module, size_px=32).",
        )
    build(Pretraining, arm.overrides(), where)
    if arm.backbone is not None:
        BACKBONES.make(arm.backbone)
    if arm.objective is not None:
        OBJECTIVES.make(arm.objective)
    return arm


def with_list(table: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The table with a single number under `key` as a list of one."""
    return {**table, key: [table[key]]} if isinstance(table.get(key), int) else dict(table)
