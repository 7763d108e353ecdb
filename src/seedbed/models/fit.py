"""The training loop.

In: a module, batches, a loss, a schedule. Out: the module, trained in place, and a report. Batch,
learning rate and noise (dropout) of a step depend only on (seed, step). Weights and optimiser state
are therefore the whole state, and an interrupted training continues exactly from its checkpoint.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn

from seedbed.base.errors import DivergedError, TrainingError
from seedbed.base.randomness import stream
from seedbed.models.schedule import SCALE, Schedule
from seedbed.models.training_progress import DIVERGED_HINT, Progress, ProgressMeter
from seedbed.models.training_state import (
    Checkpoint,
    EarlyStopping,
    defer_interrupts,
    optimiser_tensors,
    restore_optimiser,
)

# Images and their labels: tensors, or lists with one entry per image.
Batch = tuple[Any, Any]
# The mean loss of a batch, and the number of correctly classified images or None.
Loss = Callable[[nn.Module, Batch], tuple[torch.Tensor, torch.Tensor | None]]
# Compiling takes tens of seconds.
_MIN_STEPS_TO_COMPILE = 5_000
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


class Batches(Protocol):
    """A source of training batches."""

    batch_size: int
    seed: int

    def batch(self, step: int) -> Batch: ...


@dataclass(frozen=True, kw_only=True)
class FitResult:
    """Report of a training."""

    num_steps: int
    images_seen: int
    images_per_s: float
    seconds: float
    loss: float  # mean over the last report interval
    precision: str  # "float32", or "bfloat16 autocast"
    compiled: bool
    # Below the batch size if memory was too small: gradients are summed over micro-batches, and
    # batch norm sees one of them at a time.
    micro_batch_size: int
    resumed_at: tuple[int, ...]  # steps at which the training was resumed
    early_stopping: dict[str, Any] | None  # evaluations and the best one

    def facts(self) -> dict[str, Any]:
        """Facts for the card of the network, in addition to the settings."""
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
    early_stopping: EarlyStopping | None = None,
    scales: Mapping[str, float] | None = None,
    eval_modules: Sequence[nn.Module] = (),
    eager_float32: bool = False,
) -> FitResult:
    """Train `module` in place for `schedule.num_steps` steps, or the remaining ones of a
    checkpoint; it is left in evaluation mode.

    Args:
        report_every: steps between two calls of `on_progress`.
        checkpoint: file for the state; the caller removes it after saving the weights.
        scales: factors of the learning rate by parameter name.
        eval_modules: submodules that stay in evaluation mode during the training.
        eager_float32: use neither autocast nor compilation, for modules whose control flow depends
            on the data.

    Raises:
        DivergedError: the loss is not finite; the message names the step and the learning rate.
        TrainingError: the memory is too small.
    """
    device = next(module.parameters()).device
    training = _Training(
        module=module,
        batches=batches,
        loss=loss,
        schedule=schedule,
        optimiser=schedule.make_optimiser(module, scales),
        checkpoint=checkpoint,
        early_stopping=early_stopping,
        meter=ProgressMeter(schedule, on_progress),
        eval_modules=eval_modules,
        eager_float32=eager_float32,
    )
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        training.run(report_every)
    module.eval()
    return training.result()


@dataclass(kw_only=True, eq=False)
class _Training:
    """The state of one training."""

    module: nn.Module
    batches: Batches
    loss: Loss
    schedule: Schedule
    optimiser: torch.optim.Optimizer
    checkpoint: Checkpoint | None
    early_stopping: EarlyStopping | None
    meter: ProgressMeter
    eval_modules: Sequence[nn.Module]
    eager_float32: bool
    step: int = 0
    num_micro_batches: int = 1
    resumed_at: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        self.device = next(self.module.parameters()).device
        # Statistics of batch norm, which a forward pass changes, and a copy to restore them from.
        self.buffers = list(self.module.buffers())
        self.saved_buffers = [buffer.clone() for buffer in self.buffers]
        is_fast = self.device.type == "cuda" and not self.eager_float32
        self.uses_bfloat16 = is_fast and torch.cuda.is_bf16_supported()
        # Compiling is worth its time on a GPU with enough steps; on CPUs it gained nothing
        # (docs/log.md).
        self.compiled = is_fast and self.schedule.num_steps >= _MIN_STEPS_TO_COMPILE
        self.forward: Any = torch.compile(self.module) if self.compiled else self.module

    def run(self, report_every: int) -> None:
        self._resume()
        self._to_training_mode()
        with defer_interrupts() if self.checkpoint else nullcontext(lambda: False) as interrupted:
            while self.step < self.schedule.num_steps:
                self._one_step()
                self.step += 1
                is_last = self.step == self.schedule.num_steps
                if self.step % report_every == 0 or is_last:
                    self.meter.report(self.step)
                if self.early_stopping and self.early_stopping.is_over(self.module, self.step):
                    break
                # An evaluation has left the module in evaluation mode.
                self._to_training_mode()
                if self.checkpoint and (
                    self.checkpoint.keeps_last
                    if is_last
                    else self.checkpoint.is_due() or interrupted()
                ):
                    self._save(self.checkpoint)
                if interrupted():
                    raise KeyboardInterrupt
        if self.early_stopping and self.early_stopping.best:
            self.module.load_state_dict(self.early_stopping.best)
        self._check_finite()

    def _to_training_mode(self) -> None:
        self.module.train()
        for module in self.eval_modules:
            module.eval()

    def _check_finite(self) -> None:
        """Check the weights: a divergence in the last steps does not show in a loss."""
        tensors = self.module.state_dict().values()
        if not all(bool(torch.isfinite(t).all()) for t in tensors if t.is_floating_point()):
            rate = self.schedule.peak_learning_rate
            raise DivergedError(
                f"the weights are not finite after {self.step} steps "
                f"(peak learning rate {rate:.4g})",
                DIVERGED_HINT,
            )

    def _one_step(self) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = self.schedule.learning_rate(self.step) * group[SCALE]
        with self._memory_errors():
            batch = self.batches.batch(self.step)
        _copy(self.buffers, self.saved_buffers)
        while True:
            try:
                self._backward(batch)
                break
            except (RuntimeError, MemoryError) as error:
                if not _is_out_of_memory(error):
                    raise
            self._halve_micro_batches(len(batch[0]))
        with self._memory_errors():
            if self.schedule.max_gradient_norm is not None:
                nn.utils.clip_grad_norm_(self.module.parameters(), self.schedule.max_gradient_norm)
            self.optimiser.step()

    def _backward(self, batch: Batch) -> None:
        """Compute gradients of the mean loss of a batch, summed over its micro-batches."""
        torch.manual_seed(stream(self.batches.seed, "noise", self.step))
        self.optimiser.zero_grad(set_to_none=True)
        total: torch.Tensor | float = 0.0
        num_correct: torch.Tensor | float | None = 0.0
        num = len(batch[0])
        parts = (_split(values, self.num_micro_batches) for values in batch)
        for images, labels in zip(*parts, strict=True):
            with self._precision():
                value, correct = self.loss(self.forward, (images, labels))
            share = value if len(images) == num else value * (len(images) / num)
            share.backward()
            total = total + share.detach()
            num_correct = None if num_correct is None or correct is None else num_correct + correct
        self.meter.add(total, num_correct)

    def _halve_micro_batches(self, batch_size: int) -> None:
        """Halve the micro-batches after memory ran out, and undo the failed step."""
        self.optimiser.zero_grad(set_to_none=True)
        _copy(self.saved_buffers, self.buffers)
        # Batch norm needs two images; detectors have large images and frozen statistics.
        least = 1 if self.eager_float32 else 2
        if batch_size // (2 * self.num_micro_batches) < least:
            raise self._memory_error(
                f"to train on {'one image' if least == 1 else 'two images'} at a time"
            )
        self.num_micro_batches *= 2
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    @contextmanager
    def _memory_errors(self) -> Iterator[None]:
        """Turn out-of-memory errors into TrainingError."""
        try:
            yield
        except (RuntimeError, MemoryError) as error:
            if _is_out_of_memory(error):
                raise self._memory_error(
                    "for a batch of images and the state of the optimiser"
                ) from None
            raise

    def _memory_error(self, purpose: str) -> TrainingError:
        return TrainingError(
            f"not enough memory on {self.device} {purpose}",
            "Use smaller images (size_px), smaller batches (batch_size) or a smaller network, or "
            "free memory.",
        )

    def _precision(self) -> AbstractContextManager[Any]:
        return torch.autocast("cuda", torch.bfloat16) if self.uses_bfloat16 else nullcontext()

    def _save(self, checkpoint: Checkpoint) -> None:
        tensors = {f"module.{name}": t for name, t in self.module.state_dict().items()}
        tensors |= optimiser_tensors(self.optimiser)
        evaluations: list[tuple[int, float]] = []
        if self.early_stopping:
            tensors |= {f"best.{name}": t for name, t in self.early_stopping.best.items()}
            evaluations = self.early_stopping.evaluations
        facts = {
            "step": self.step,
            "num_parts": self.num_micro_batches,
            "resumed_at": self.resumed_at,
            "looks": evaluations,
        }
        checkpoint.write(tensors, facts | self.meter.state())

    def _resume(self) -> None:
        state = self.checkpoint.read() if self.checkpoint else None
        if state is None:
            return
        tensors, facts = state
        self.module.load_state_dict(_without_prefix(tensors, "module."))
        restore_optimiser(self.optimiser, tensors)
        self.step, self.num_micro_batches = facts["step"], facts["num_parts"]
        self.resumed_at = (*facts["resumed_at"], self.step)
        self.meter.restore(facts, self.step)
        if self.early_stopping:
            self.early_stopping.evaluations = [(steps, score) for steps, score in facts["looks"]]
            best = _without_prefix(tensors, "best.")
            self.early_stopping.best = {n: t.to(self.device) for n, t in best.items()}

    def result(self) -> FitResult:
        images_seen = self.step * self.schedule.batch_size
        seconds = self.meter.seconds
        return FitResult(
            num_steps=self.step,
            images_seen=images_seen,
            images_per_s=images_seen / seconds,
            seconds=seconds,
            loss=self.meter.last_loss,
            precision="bfloat16 autocast" if self.uses_bfloat16 else "float32",
            compiled=self.compiled,
            micro_batch_size=math.ceil(self.schedule.batch_size / self.num_micro_batches),
            resumed_at=self.resumed_at,
            early_stopping=self.early_stopping.facts() if self.early_stopping else None,
        )


def _without_prefix(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """The tensors whose names start with a prefix, under their names without it."""
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}


def _split(values: Any, num: int) -> Sequence[Any]:
    """Split the images or labels of a batch into `num` parts."""
    if isinstance(values, torch.Tensor):
        return values.tensor_split(num)
    bounds = [round(i * len(values) / num) for i in range(num + 1)]
    return [values[a:b] for a, b in itertools.pairwise(bounds)]


def _copy(sources: list[torch.Tensor], targets: list[torch.Tensor]) -> None:
    with torch.no_grad():
        for source, target in zip(sources, targets, strict=True):
            target.copy_(source)


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return any(words in str(error) for words in _OUT_OF_MEMORY)
