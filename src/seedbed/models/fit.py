"""The only training loop.

In: a module, a stream of batches, a loss, a schedule. Out: the module trained in place, and a
report. Each step's batch, learning rate and noise (dropout) are functions of (seed, step), so that
weights and momenta are the whole state: a training that was cut off goes on from its checkpoint
    exactly. Knows nothing of what is trained.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn

from seedbed.base.errors import DivergedError, TrainingError
from seedbed.base.randomness import stream
from seedbed.models.schedule import SCALE, Schedule
from seedbed.models.training_state import (
    Checkpoint,
    EarlyStopping,
    defer_interrupts,
    optimiser_tensors,
    restore_optimiser,
)

Batch = tuple[Any, Any]  # images and what is known of them: tensors, or lists of one entry an image
# The mean loss of a batch, and how many of its images are right; None where that says nothing.
Loss = Callable[[nn.Module, Batch], tuple[torch.Tensor, torch.Tensor | None]]
_STEPS_WORTH_COMPILING = 5_000  # compiling takes tens of seconds
_LOWER = (
    "Lower the peak learning rate (learning_rate = 0.02, say), or look at the images of this arm."
)
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


class Batches(Protocol):
    """What the loop asks of its data."""

    batch_size: int
    seed: int

    def batch(self, step: int) -> Batch: ...


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a training stands; loss and accuracy (percent, on augmented training images) since the
    last report."""

    images_done: int
    images_total: int
    images_per_s: float
    loss: float
    accuracy: float | None

    @property
    def seconds_left(self) -> float:
        return (self.images_total - self.images_done) / max(self.images_per_s, 1e-9)


@dataclass(frozen=True, kw_only=True)
class FitResult:
    """What a training did."""

    num_steps: int
    images_seen: int
    images_per_s: float
    seconds: float
    loss: float  # mean over the last report interval
    precision: str  # "float32", or "bfloat16 autocast"
    compiled: bool
    # below the batch size where memory ran out: gradients are summed, batch norm sees so many
    # images
    micro_batch_size: int
    resumed_at: tuple[int, ...]  # steps at which it went on after having been cut off
    early_stopping: dict[str, Any] | None  # looks and the best, where that was asked for

    def facts(self) -> dict[str, Any]:
        """What a card says of how it was trained, beside its settings."""
        return {
            "precision": self.precision,
            "compiled": self.compiled,
            "micro_batch_size": self.micro_batch_size,
            "resumed_at": list(self.resumed_at),
            "early_stopping": self.early_stopping,
        }


def fit(
    module: nn.Module,
    batches: Batches,
    loss: Loss,
    schedule: Schedule,
    *,
    on_progress: Callable[[Progress], None] | None = None,
    report_every: int = 50,
    checkpoint: Checkpoint | None = None,
    stopping: EarlyStopping | None = None,
    scales: Mapping[str, float] | None = None,
    resting: Sequence[nn.Module] = (),
    plain: bool = False,
) -> FitResult:
    """Train `module` in place on `schedule.num_steps` batches, or on what is left of them; it is
    left in evaluation mode.

    `scales` are factors of the learning rate by parameter name; the submodules `resting` stay in
    evaluation mode all the while. `plain`: in float32 and never compiled, whatever the device, for
    modules whose way through depends on the data.

    The checkpoint stays until its owner has put the weights away, and removes it.

    Raises DivergedError when the loss is not finite, naming the step and the learning rate;
    TrainingError when memory is too small.
    """
    device = next(module.parameters()).device
    optimiser, meter = schedule.make_optimiser(module, scales), _Meter(schedule, on_progress)
    training = _Training(
        module, batches, loss, schedule, optimiser, checkpoint, stopping, meter, resting, plain
    )
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        training.run(report_every)
    module.eval()
    return training.fitted()


class _Training:
    """The state of one training."""

    def __init__(
        self,
        module: nn.Module,
        batches: Batches,
        loss: Loss,
        schedule: Schedule,
        optimiser: torch.optim.Optimizer,
        checkpoint: Checkpoint | None,
        stopping: EarlyStopping | None,
        meter: _Meter,
        resting: Sequence[nn.Module],
        plain: bool,
    ) -> None:
        self.module, self.batches, self.loss, self.schedule = module, batches, loss, schedule
        self.optimiser, self.checkpoint, self.stopping = optimiser, checkpoint, stopping
        self.meter, self.resting, self.device = meter, resting, next(module.parameters()).device
        self.plain = plain
        self.num_parts = 1  # into which a batch is cut because memory ran out
        # batch norm's statistics, which a forward pass changes
        self.buffers = list(module.buffers())
        self.before = [b.clone() for b in self.buffers]
        self.step = 0
        self.resumed_at: tuple[int, ...] = ()
        on_gpu = self.device.type == "cuda"
        self.half = on_gpu and not plain and torch.cuda.is_bf16_supported()
        # With autocast, a GPU and enough steps, compiling pays; CPUs gained nothing when it was
        # measured (docs/log.md).
        self.compiled = on_gpu and not plain and schedule.num_steps >= _STEPS_WORTH_COMPILING
        self.called: Any = torch.compile(module) if self.compiled else module

    def run(self, report_every: int) -> None:
        self._resume()
        self._to_training_mode()
        with defer_interrupts() if self.checkpoint else nullcontext(lambda: False) as interrupted:
            while self.step < self.schedule.num_steps:
                self._one_step()
                self.step += 1
                last = self.step == self.schedule.num_steps
                if self.step % report_every == 0 or last:
                    self.meter.report(self.step)
                if self.stopping and self.stopping.is_over(self.module, self.step):
                    break
                self._to_training_mode()  # a look left it in evaluation mode
                if self.checkpoint and (
                    self.checkpoint.keeps_last
                    if last
                    else self.checkpoint.is_due() or interrupted()
                ):
                    self._save(self.checkpoint)
                if interrupted():
                    raise KeyboardInterrupt
        if self.stopping and self.stopping.best:
            self.module.load_state_dict(self.stopping.best)
        self._check_finite()

    def _to_training_mode(self) -> None:
        self.module.train()
        for module in self.resting:
            module.eval()

    def _check_finite(self) -> None:
        """The last steps' damage shows in the weights before it would in a loss."""
        if not all(
            bool(torch.isfinite(t).all())
            for t in self.module.state_dict().values()
            if t.is_floating_point()
        ):
            rate = self.schedule.peak_learning_rate
            raise DivergedError(
                f"the weights are not finite after {self.step} steps (peak learning rate {rate:.4g})",
                _LOWER,
            )

    def _one_step(self) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = self.schedule.learning_rate(self.step) * group[SCALE]
        with self._enough_memory():
            batch = self.batches.batch(self.step)
        _copy(self.buffers, self.before)
        while True:
            try:
                self._backward(batch)
                break
            except (RuntimeError, MemoryError) as error:
                if not _is_out_of_memory(error):
                    raise
            self._cut(len(batch[0]))
        with self._enough_memory():
            if self.schedule.max_gradient_norm is not None:
                nn.utils.clip_grad_norm_(self.module.parameters(), self.schedule.max_gradient_norm)
            self.optimiser.step()

    def _backward(self, batch: Batch) -> None:
        """Gradients of the batch's mean loss, summed over its parts."""
        torch.manual_seed(stream(self.batches.seed, "noise", self.step))
        self.optimiser.zero_grad(set_to_none=True)
        total: torch.Tensor | float = 0.0
        right: torch.Tensor | float | None = 0.0
        num = len(batch[0])
        for images, labels in zip(
            *(_parts(values, self.num_parts) for values in batch), strict=True
        ):
            with self._precision():
                value, num_right = self.loss(self.called, (images, labels))
            share = value if len(images) == num else value * (len(images) / num)
            share.backward()
            total = total + share.detach()
            right = None if right is None or num_right is None else right + num_right
        self.meter.add(total, right)

    def _cut(self, batch_size: int) -> None:
        """Twice as many parts from now on: memory ran out, and the attempt leaves no trace."""
        self.optimiser.zero_grad(set_to_none=True)
        _copy(self.before, self.buffers)
        # of a list of large images one is enough; of a tensor of them batch norm wants two
        fewest = 1 if self.plain else 2
        if batch_size // (2 * self.num_parts) < fewest:
            raise self._too_little(
                "to train on two images at a time"
                if fewest == 2
                else "to train on one image at a time"
            )
        self.num_parts *= 2
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    @contextmanager
    def _enough_memory(self) -> Iterator[None]:
        """Where nothing can be cut, memory that runs out ends the training."""
        try:
            yield
        except (RuntimeError, MemoryError) as error:
            if _is_out_of_memory(error):
                raise self._too_little("for a batch of images and the optimiser's state") from None
            raise

    def _too_little(self, for_what: str) -> TrainingError:
        return TrainingError(
            f"not enough memory on {self.device} {for_what}",
            "Take smaller images (size_px), smaller batches (batch_size) or a smaller network, or free memory.",
        )

    def _precision(self) -> AbstractContextManager[Any]:
        return torch.autocast("cuda", torch.bfloat16) if self.half else nullcontext()

    def _save(self, checkpoint: Checkpoint) -> None:
        tensors = {
            f"module.{name}": t for name, t in self.module.state_dict().items()
        } | optimiser_tensors(self.optimiser)
        looks: list[tuple[int, float]] = []
        if self.stopping:
            tensors |= {f"best.{name}": t for name, t in self.stopping.best.items()}
            looks = self.stopping.looks
        facts = {
            "step": self.step,
            "num_parts": self.num_parts,
            "resumed_at": self.resumed_at,
            "looks": looks,
        }
        checkpoint.write(tensors, facts | self.meter.state())

    def _resume(self) -> None:
        found = self.checkpoint.read() if self.checkpoint else None
        if found is None:
            return
        tensors, facts = found
        self.module.load_state_dict(
            {n.removeprefix("module."): t for n, t in tensors.items() if n.startswith("module.")}
        )
        restore_optimiser(self.optimiser, tensors)
        self.step, self.num_parts = facts["step"], facts["num_parts"]
        self.resumed_at = (*facts["resumed_at"], self.step)
        self.meter.restore(facts)
        if self.stopping:
            self.stopping.looks = [(steps, score) for steps, score in facts["looks"]]
            self.stopping.best = {
                n.removeprefix("best."): t.to(self.device)
                for n, t in tensors.items()
                if n.startswith("best.")
            }

    def fitted(self) -> FitResult:
        images_seen = self.step * self.schedule.batch_size
        seconds = self.meter.seconds
        return FitResult(
            num_steps=self.step,
            images_seen=images_seen,
            images_per_s=images_seen / seconds,
            seconds=seconds,
            loss=self.meter.last_loss,
            precision="bfloat16 autocast" if self.half else "float32",
            compiled=self.compiled,
            micro_batch_size=math.ceil(self.schedule.batch_size / self.num_parts),
            resumed_at=self.resumed_at,
            early_stopping=self.stopping.facts() if self.stopping else None,
        )


def _parts(values: Any, num: int) -> Sequence[Any]:
    """A batch's images, or what is known of them, in so many parts."""
    if isinstance(values, torch.Tensor):
        return values.tensor_split(num)
    bounds = [round(i * len(values) / num) for i in range(num + 1)]
    return [values[a:b] for a, b in itertools.pairwise(bounds)]


def _copy(tensors: list[torch.Tensor], into: list[torch.Tensor]) -> None:
    with torch.no_grad():
        for source, target in zip(tensors, into, strict=True):
            target.copy_(source)


def _is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(
        words in str(error) for words in _OUT_OF_MEMORY
    )


class _Meter:
    """Sums loss and hits on the device, so that a GPU is asked for a number only when a report is
    due."""

    def __init__(self, schedule: Schedule, on_progress: Callable[[Progress], None] | None) -> None:
        self._schedule, self._on_progress = schedule, on_progress
        self._started = time.perf_counter()
        self._loss: torch.Tensor | float = 0.0
        self._right: torch.Tensor | float | None = 0.0
        self._count = 0
        self.last_loss = math.nan

    @property
    def seconds(self) -> float:
        """Of training, before it was cut off and since."""
        return max(time.perf_counter() - self._started, 1e-9)

    def add(self, loss: torch.Tensor | float, num_right: torch.Tensor | float | None) -> None:
        self._loss, self._count = self._loss + loss, self._count + 1
        self._right = None if num_right is None or self._right is None else self._right + num_right

    def state(self) -> dict[str, float | int | None]:
        """What a checkpoint keeps: no number that JSON has not."""
        last = self.last_loss if math.isfinite(self.last_loss) else None
        right = None if self._right is None else float(self._right)
        sums = {"loss": float(self._loss), "right": right, "count": self._count}
        return {"seconds": self.seconds, "last_loss": last, **sums}

    def restore(self, state: dict[str, Any]) -> None:
        self._started -= state["seconds"]
        self._loss, self._right, self._count = state["loss"], state["right"], state["count"]
        self.last_loss = math.nan if state["last_loss"] is None else state["last_loss"]

    def report(self, steps_done: int) -> None:
        self.last_loss = float(self._loss) / self._count
        if not math.isfinite(self.last_loss):
            raise DivergedError(
                f"the loss is not finite by step {steps_done} of {self._schedule.num_steps} "
                f"(learning rate {self._schedule.learning_rate(steps_done - 1):.4g})",
                _LOWER,
            )
        if self._on_progress:
            self._on_progress(self._progress(steps_done * self._schedule.batch_size))
        self._loss, self._right, self._count = 0.0, 0.0, 0

    def _progress(self, images_done: int) -> Progress:
        return Progress(
            images_done=images_done,
            images_total=self._schedule.num_steps * self._schedule.batch_size,
            images_per_s=images_done / self.seconds,
            loss=self.last_loss,
            accuracy=None
            if self._right is None
            else 100.0 * float(self._right) / (self._count * self._schedule.batch_size),
        )
