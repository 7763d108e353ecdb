"""The only training loop.

In: a module, a stream of batches, a loss, a schedule. Out: the module trained in place, and a report. Each step's batch and learning
rate are functions of (seed, step), so that no state but the weights and momenta carries over. Knows nothing of what is trained.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import nn

from seedbed.base.errors import TrainingError

Loss = Callable[[nn.Module, tuple[torch.Tensor, torch.Tensor]], tuple[torch.Tensor, torch.Tensor]]


class Batches(Protocol):
    """What the loop asks of its data."""

    batch_size: int

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]: ...


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """SGD with Nesterov momentum, one cycle: linear warm-up to the peak, linear decay to zero (Smith 2018)."""

    images_seen: int
    batch_size: int = 128
    peak_learning_rate: float = 0.2
    momentum: float = 0.9
    weight_decay: float = 5e-4
    warmup_share: float = 0.2

    @property
    def num_steps(self) -> int:
        """Steps that show at least `images_seen` images."""
        return max(1, math.ceil(self.images_seen / self.batch_size))

    def learning_rate(self, step: int) -> float:
        """At `step` 0..num_steps-1."""
        progress = (step + 0.5) / self.num_steps
        rise, fall = progress / self.warmup_share, (1 - progress) / (1 - self.warmup_share)
        return self.peak_learning_rate * min(rise, fall)


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a training stands; loss and accuracy (percent, on augmented training images) since the last report."""

    images_done: int
    images_total: int
    images_per_s: float
    loss: float
    accuracy: float

    @property
    def seconds_left(self) -> float:
        return (self.images_total - self.images_done) / max(self.images_per_s, 1e-9)


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What a training did."""

    num_steps: int
    images_seen: int
    images_per_s: float
    seconds: float
    loss: float  # mean over the last report interval


def fit(
    module: nn.Module,
    batches: Batches,
    loss: Loss,
    schedule: Schedule,
    *,
    on_progress: Callable[[Progress], None] | None = None,
    report_every: int = 50,
) -> Fitted:
    """Train `module` in place on `schedule.num_steps` batches; it is left in evaluation mode.

    Raises TrainingError when the loss is not finite, naming the step and the learning rate.
    """
    optimiser = torch.optim.SGD(
        module.parameters(), lr=0.1, momentum=schedule.momentum, nesterov=schedule.momentum > 0, weight_decay=schedule.weight_decay
    )
    module.train()
    meter = _Meter(schedule, on_progress)
    for step in range(schedule.num_steps):
        for group in optimiser.param_groups:
            group["lr"] = schedule.learning_rate(step)
        value, num_right = loss(module, batches.batch(step))
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        optimiser.step()
        meter.add(value.detach(), num_right)
        if (step + 1) % report_every == 0 or step + 1 == schedule.num_steps:
            meter.report(step)
    module.eval()
    return meter.fitted()


class _Meter:
    """Sums loss and hits on the device, so that a GPU is asked for a number only when a report is due."""

    def __init__(self, schedule: Schedule, on_progress: Callable[[Progress], None] | None) -> None:
        self._schedule, self._on_progress = schedule, on_progress
        self._started = time.perf_counter()
        self._loss: torch.Tensor | float = 0.0
        self._right: torch.Tensor | float = 0.0
        self._count = 0
        self._last_loss = math.nan
        self._images_done = 0

    def add(self, loss: torch.Tensor, num_right: torch.Tensor) -> None:
        self._loss, self._right, self._count = self._loss + loss, self._right + num_right, self._count + 1

    def report(self, step: int) -> None:
        self._last_loss = float(self._loss) / self._count
        if not math.isfinite(self._last_loss):
            raise TrainingError(
                f"the loss is not finite by step {step + 1} of {self._schedule.num_steps} "
                f"(learning rate {self._schedule.learning_rate(step):.4g})",
                "Lower the peak learning rate (learning_rate = 0.02, say), or look at the images of this arm.",
            )
        self._images_done = (step + 1) * self._schedule.batch_size
        if self._on_progress:
            self._on_progress(self._progress())
        self._loss, self._right, self._count = 0.0, 0.0, 0

    def _progress(self) -> Progress:
        return Progress(
            images_done=self._images_done,
            images_total=self._schedule.num_steps * self._schedule.batch_size,
            images_per_s=self._images_done / max(time.perf_counter() - self._started, 1e-9),
            loss=self._last_loss,
            accuracy=100.0 * float(self._right) / (self._count * self._schedule.batch_size),
        )

    def fitted(self) -> Fitted:
        seconds = time.perf_counter() - self._started
        return Fitted(
            num_steps=self._schedule.num_steps,
            images_seen=self._images_done,
            images_per_s=self._images_done / seconds,
            seconds=seconds,
            loss=self._last_loss,
        )
