"""State of a running training: checkpoints, interrupts, early stopping.

In: named tensors and facts of a training. Out: one safetensors file, written atomically. A training
that resumes from it continues exactly, bit for bit on a CPU.
"""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import nn

from seedbed.base.artifacts import atomic_file, default_permissions, remove_abandoned

EVERY_S = 180.0


@dataclass(kw_only=True)
class Checkpoint:
    """File for the state of a training, and how often it is written; the caller removes it after
    saving the final weights."""

    path: Path
    every_s: float = EVERY_S
    # Also write the finished state, for callers with several trainings before they save weights.
    keeps_last: bool = False
    _last: float = field(default_factory=time.monotonic)
    _has_swept: bool = False

    def is_due(self) -> bool:
        return time.monotonic() - self._last >= self.every_s

    def write(self, tensors: Mapping[str, torch.Tensor], facts: Mapping[str, Any]) -> None:
        """Write the state atomically; the first call removes temporary files of killed
        processes."""
        if not self._has_swept and self.path.parent.is_dir():
            remove_abandoned(self.path.parent)
            self._has_swept = True
        with atomic_file(self.path) as aside:
            write_tensors(aside, tensors, {"facts": json.dumps(dict(facts))})
        self._last = time.monotonic()

    def read(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
        """The stored tensors and facts, or None if there is no file or it is damaged: the training
        then starts from the beginning."""
        from safetensors import SafetensorError, safe_open

        if not self.path.is_file():
            return None
        try:
            with safe_open(self.path, framework="pt") as file:
                facts = json.loads((file.metadata() or {})["facts"])
                names: list[str] = list(file.keys())
                return {name: file.get_tensor(name) for name in names}, facts
        except (OSError, SafetensorError, KeyError, ValueError):
            return None

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


@contextmanager
def defer_interrupts() -> Iterator[Callable[[], bool]]:
    """Yield a function that tells whether Ctrl-C was pressed inside the block, so that a training
    step can finish first. A second Ctrl-C interrupts at once.

    Has no effect outside the main thread, or if another handler for SIGINT is set.
    """
    pressed: list[int] = []
    previous = signal.getsignal(signal.SIGINT)
    if (
        threading.current_thread() is not threading.main_thread()
        or previous is not signal.default_int_handler
    ):
        yield lambda: False
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if pressed:
            signal.default_int_handler(number, frame)
        pressed.append(number)

    signal.signal(signal.SIGINT, handle)
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, previous)


def write_tensors(
    path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Write tensors from any device as safetensors; tensors that share memory are copied."""
    from safetensors.torch import save_file

    copies = {name: t.detach().to("cpu", copy=True).contiguous() for name, t in tensors.items()}
    with default_permissions(path):
        save_file(copies, path, metadata=dict(metadata) if metadata else None)


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """State of an optimiser as named tensors: `optimiser.3.momentum_buffer`."""
    state = optimiser.state_dict()["state"]
    return {
        f"optimiser.{i}.{k}": torch.as_tensor(v)
        for i, values in state.items()
        for k, v in values.items()
        if v is not None
    }


def restore_optimiser(
    optimiser: torch.optim.Optimizer, tensors: Mapping[str, torch.Tensor]
) -> None:
    """Load the state that `optimiser_tensors` returned."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        kind, _, rest = name.partition(".")
        if kind == "optimiser":
            index, _, key = rest.partition(".")
            state.setdefault(int(index), {})[key] = tensor
    optimiser.load_state_dict(
        {"state": state, "param_groups": optimiser.state_dict()["param_groups"]}
    )


@dataclass(kw_only=True)
class EarlyStopping:
    """Stop a training after `patience` evaluations without a better score on held-out images, and
    keep the best weights.

    `score` maps the module in evaluation mode to a number; higher is better.
    """

    score: Callable[[nn.Module], float]
    num_held_out: int  # images that are scored
    every: int  # steps between two evaluations
    patience: int
    evaluations: list[tuple[int, float]] = field(default_factory=list)  # (steps done, score)
    best: dict[str, torch.Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert self.every >= 1 and self.patience >= 1

    @property
    def best_evaluation(self) -> int:
        """Index of the evaluation with the best score; the first of equals."""
        scores = [score for _, score in self.evaluations]
        return scores.index(max(scores))

    def is_over(self, module: nn.Module, steps_done: int) -> bool:
        """Evaluate if it is due, and return whether the training ends here; the module is left in
        evaluation mode."""
        if steps_done % self.every:
            return False
        module.eval()
        self.evaluations.append((steps_done, self.score(module)))
        if self.best_evaluation == len(self.evaluations) - 1:
            self.best = {name: t.detach().clone() for name, t in module.state_dict().items()}
        return len(self.evaluations) - 1 - self.best_evaluation >= self.patience

    def facts(self) -> dict[str, Any]:
        """Facts for the card of the network."""
        best = self.evaluations[self.best_evaluation] if self.evaluations else (None, None)
        return {
            "patience": self.patience,
            "every_steps": self.every,
            "num_held_out": self.num_held_out,
            "best_at_step": best[0],
            "best_score": best[1],
            "looks": self.evaluations,
        }
