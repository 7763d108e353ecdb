"""Progress of a training: loss, accuracy and speed since the last report."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from seedbed.base.errors import DivergedError
from seedbed.models.schedule import Schedule

DIVERGED_HINT = (
    "Lower the peak learning rate (learning_rate = 0.02, say), or check the training images."
)


@dataclass(frozen=True, kw_only=True)
class Progress:
    """State of a training; loss and accuracy (percent, on augmented training images) are means
    since the last report."""

    images_done: int
    images_total: int
    images_per_s: float
    loss: float
    accuracy: float | None
    # images seen before the training was resumed; 0 if it was not interrupted
    resumed_at: int = 0

    @property
    def seconds_left(self) -> float:
        return (self.images_total - self.images_done) / max(self.images_per_s, 1e-9)


class ProgressMeter:
    """Sums losses and correct predictions on the device: values are copied from a GPU only for a
    report."""

    def __init__(self, schedule: Schedule, on_progress: Callable[[Progress], None] | None) -> None:
        self._schedule, self._on_progress = schedule, on_progress
        self._started = time.perf_counter()
        self._loss: torch.Tensor | float = 0.0
        self._num_correct: torch.Tensor | float | None = 0.0
        self._num_steps = 0
        self.last_loss = math.nan
        self._resumed_at = 0

    @property
    def seconds(self) -> float:
        """Seconds of training, including those before an interruption."""
        return max(time.perf_counter() - self._started, 1e-9)

    def add(self, loss: torch.Tensor | float, num_correct: torch.Tensor | float | None) -> None:
        """Add one step; `num_correct` is None if the loss has no notion of a correct image."""
        self._loss, self._num_steps = self._loss + loss, self._num_steps + 1
        if num_correct is None or self._num_correct is None:
            self._num_correct = None
        else:
            self._num_correct = self._num_correct + num_correct

    def state(self) -> dict[str, float | int | None]:
        """State for a checkpoint, in numbers that JSON can represent."""
        return {
            "seconds": self.seconds,
            "last_loss": self.last_loss if math.isfinite(self.last_loss) else None,
            "loss": float(self._loss),
            "right": None if self._num_correct is None else float(self._num_correct),
            "count": self._num_steps,
        }

    def restore(self, state: dict[str, Any], steps_done: int) -> None:
        """Load the state that `state` returned, of a training that resumes after `steps_done`."""
        self._resumed_at = steps_done * self._schedule.batch_size
        self._started -= state["seconds"]
        self._loss, self._num_steps = state["loss"], state["count"]
        self._num_correct = state["right"]
        self.last_loss = math.nan if state["last_loss"] is None else state["last_loss"]

    def report(self, steps_done: int) -> None:
        """Report the means since the last report; raises DivergedError if the loss is not
        finite."""
        self.last_loss = float(self._loss) / self._num_steps
        if not math.isfinite(self.last_loss):
            raise DivergedError(
                f"the loss is not finite by step {steps_done} of {self._schedule.num_steps} "
                f"(learning rate {self._schedule.learning_rate(steps_done - 1):.4g})",
                DIVERGED_HINT,
            )
        if self._on_progress:
            self._on_progress(self._progress(steps_done * self._schedule.batch_size))
        self._loss, self._num_correct, self._num_steps = 0.0, 0.0, 0

    def _progress(self, images_done: int) -> Progress:
        num_images = self._num_steps * self._schedule.batch_size
        accuracy = None
        if self._num_correct is not None:
            accuracy = 100.0 * float(self._num_correct) / num_images
        return Progress(
            images_done=images_done,
            images_total=self._schedule.num_steps * self._schedule.batch_size,
            images_per_s=images_done / self.seconds,
            loss=self.last_loss,
            accuracy=accuracy,
            resumed_at=self._resumed_at,
        )
