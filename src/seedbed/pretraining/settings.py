"""Settings of a pre-training, in a study or on the command line.

In: keyword arguments. Out: validated, frozen settings, and the training that they describe.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from seedbed.data.loader import Augmentation
from seedbed.models.schedule import Schedule
from seedbed.models.zoo import BACKBONES, Architecture
from seedbed.pretraining.pretrain import Training

# With AdamW, trainings diverge above this learning rate.
_ADAMW_MAX_LEARNING_RATE = 0.05


@dataclass(frozen=True, kw_only=True)
class Pretraining:
    """How all arms are pre-trained; an arm may override each setting. `images_seen` holds one or
    more training budgets."""

    backbone: str = "small(width=16)"
    objective: str = "supervised()"
    images_seen: tuple[int, ...] = (300_000,)
    batch_size: int = 128
    learning_rate: float = 0.2  # peak of the one-cycle schedule
    weight_decay: float = 5e-4
    optimiser: Literal["sgd", "adamw"] = "sgd"
    decay: Literal["linear", "cosine", "steps"] = "linear"  # of the learning rate
    # For decay "steps": the learning rate is divided by ten after these shares of the budget.
    drops: tuple[float, ...] = ()
    warmup: float = 0.2  # share of the budget
    augmentation: Augmentation = "crop"
    early_stopping: int = 0  # patience, in evaluations on held-out training images; 0: off

    def __post_init__(self) -> None:
        if not self.images_seen or min(self.images_seen) < 1:
            raise ValueError(
                f"images_seen = {list(self.images_seen)}: give one or more positive budgets"
            )
        if len(set(self.images_seen)) < len(self.images_seen):
            raise ValueError(f"images_seen = {list(self.images_seen)} contains a budget twice")
        if self.batch_size < 2:
            raise ValueError(f"batch_size = {self.batch_size}: batch norm needs at least 2 images")
        if self.learning_rate <= 0 or self.weight_decay < 0:
            raise ValueError(
                f"learning_rate = {self.learning_rate} must be positive, "
                f"weight_decay = {self.weight_decay} not negative"
            )
        if self.optimiser == "adamw" and self.learning_rate > _ADAMW_MAX_LEARNING_RATE:
            raise ValueError(
                f"learning_rate = {self.learning_rate} is too high for AdamW: set it to about 0.001"
            )
        if not 0 <= self.warmup < 1:
            raise ValueError(
                f"warmup must lie in [0, 1), got {self.warmup}: it is a share of the budget"
            )
        if any(not 0 < drop < 1 for drop in self.drops) or bool(self.drops) != (
            self.decay == "steps"
        ):
            raise ValueError(
                f"decay = {self.decay!r}, drops = {list(self.drops)}: 'steps' needs drops, which "
                "are shares of the budget in (0, 1), such as 0.5 and 0.75"
            )
        if self.early_stopping < 0:
            raise ValueError(
                f"early_stopping = {self.early_stopping}: give the patience in evaluations without "
                "progress; 0 for no early stopping"
            )

    def architecture(self) -> Architecture:
        return BACKBONES.make(self.backbone)

    def training(self, images_seen: int) -> Training:
        """The training for one training budget."""
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
