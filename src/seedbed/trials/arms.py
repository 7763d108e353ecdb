"""What an arm and a pre-training are, as a study declares them.

In: tables of a study file, or Python values. Out: checked frozen settings, and the plug-ins that
they name. Knows nothing of keys.
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
from seedbed.models.schedule import Schedule
from seedbed.models.zoo import BACKBONES, Architecture
from seedbed.pretraining.objectives import OBJECTIVES
from seedbed.pretraining.pretrain import Training

_ADAMW_MOST = 0.05  # a learning rate that no network here trains with under AdamW


@dataclass(frozen=True, kw_only=True)
class Pretraining:
    """How every arm is pre-trained; an arm may override any of it. `images_seen` holds one or more
    training budgets."""

    backbone: str = "small(width=16)"
    objective: str = "supervised()"
    images_seen: tuple[int, ...] = (300_000,)
    batch_size: int = 128
    learning_rate: float = 0.2  # the peak of the one-cycle schedule
    weight_decay: float = 5e-4
    optimiser: Literal["sgd", "adamw"] = "sgd"
    decay: Literal["linear", "cosine", "steps"] = "linear"  # of the learning rate
    # of decay "steps": shares of the budget after each of which the rate is a tenth
    drops: tuple[float, ...] = ()
    warmup: float = 0.2  # share of the budget
    augmentation: Augmentation = "crop"
    early_stopping: int = 0  # looks without a better accuracy on held-out training images; 0: none

    def __post_init__(self) -> None:
        if not self.images_seen or min(self.images_seen) < 1:
            raise ValueError(
                f"images_seen = {list(self.images_seen)}: give one or more positive budgets"
            )
        if len(set(self.images_seen)) < len(self.images_seen):
            raise ValueError(f"images_seen = {list(self.images_seen)} holds a budget twice")
        if self.batch_size < 2:
            raise ValueError(f"batch_size = {self.batch_size}: batch norm needs at least 2 images")
        if self.learning_rate <= 0 or self.weight_decay < 0:
            raise ValueError(
                f"learning_rate = {self.learning_rate} must be positive, "
                f"weight_decay = {self.weight_decay} not negative"
            )
        if self.optimiser == "adamw" and self.learning_rate > _ADAMW_MOST:
            raise ValueError(
                f"learning_rate = {self.learning_rate} is one for SGD: "
                "with AdamW about 0.001 is usual"
            )
        if not 0 <= self.warmup < 1:
            raise ValueError(f"warmup = {self.warmup} is a share of the budget, in [0, 1)")
        if any(not 0 < drop < 1 for drop in self.drops) or bool(self.drops) != (
            self.decay == "steps"
        ):
            raise ValueError(
                f"decay = {self.decay!r}, drops = {list(self.drops)}: 'steps' goes with drops, "
                "shares of the budget in (0, 1)"
            )
        if self.early_stopping < 0:
            raise ValueError(
                f"early_stopping = {self.early_stopping}: give the patience in evaluations without "
                "progress; 0 for no early stopping"
            )

    def architecture(self) -> Architecture:
        return BACKBONES.make(self.backbone)

    def training(self, images_seen: int) -> Training:
        """One training of this kind, at one budget."""
        schedule = Schedule(
            images_seen=images_seen,
            batch_size=self.batch_size,
            peak_learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            optimiser=self.optimiser,
            decay=self.decay,
            drops=self.drops,
            warmup_share=self.warmup,
        )
        return Training(
            schedule=schedule,
            objective=self.objective,
            augmentation=self.augmentation,
            early_stopping=self.early_stopping,
        )


# What a training that is none has no use for.
_OF_TRAINING = tuple(f.name for f in fields(Pretraining) if f.name != "backbone")


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
    # of the images_seen of the study's pre-training, whatever they are: for equal exposure
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
            if idle := [k for k in (*_OF_TRAINING, "budget_share") if getattr(self, k) is not None]:
                raise ValueError(f"{what} is not trained, so {idle[0]!r} would have no effect")
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
    """An arm from a recipe string, a table or an Arm, with every name in it resolved once, so that
    errors come early."""
    if isinstance(value, str):
        arm = Arm(recipe=Recipe(value))
    elif isinstance(value, Mapping):
        arm = build(Arm, listed(value, "images_seen"), where)
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


def listed(table: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A table in which a lone number under `key` is a list of one."""
    return {**table, key: [table[key]]} if isinstance(table.get(key), int) else dict(table)
