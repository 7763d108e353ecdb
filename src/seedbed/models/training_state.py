"""Checkpoints in the middle of a training: written aside, renamed into place, read back exactly.

In: tensors and facts of a training. Out: one safetensors file; a training that finds it goes on
from there, bit for bit on a CPU. Knows nothing of networks: tensors have names, and that is all.
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
    """Where a training leaves its state, and how often; whoever puts the weights away removes the
    file then."""

    path: Path
    every_s: float = EVERY_S
    # a finished training stays too: for an owner who has several to do before weights are put away
    keeps_last: bool = False
    _last: float = field(default_factory=time.monotonic)
    _has_swept: bool = False

    def is_due(self) -> bool:
        return time.monotonic() - self._last >= self.every_s

    def write(self, tensors: Mapping[str, torch.Tensor], facts: Mapping[str, Any]) -> None:
        """Leave the state; a reader sees the old one or the new one, never half of it. The first
        clears what killed processes left."""
        if not self._has_swept and self.path.parent.is_dir():
            remove_abandoned(self.path.parent)
            self._has_swept = True
        with atomic_file(self.path) as aside:
            write_tensors(aside, tensors, {"facts": json.dumps(dict(facts))})
        self._last = time.monotonic()

    def read(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
        """The state that was left, or None; a file that cannot be read counts as none, and the
        training begins anew."""
        from safetensors import SafetensorError, safe_open

        if not self.path.is_file():
            return None
        try:
            with safe_open(self.path, framework="pt") as file:
                facts = json.loads((file.metadata() or {})["facts"])
                return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118  no dictionary
        except (OSError, SafetensorError, KeyError, ValueError):
            return None

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


@contextmanager
def defer_interrupts() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C was pressed inside the block, so that a step can be ended first; a second one
    ends it at once.

    Outside the main thread, or where somebody else listens, it never was.
    """
    pressed: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    if (
        threading.current_thread() is not threading.main_thread()
        or before is not signal.default_int_handler
    ):
        yield lambda: False
        return

    def note(number: int, frame: FrameType | None) -> None:
        if pressed:
            signal.default_int_handler(number, frame)
        pressed.append(number)

    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, before)


def write_tensors(
    path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """A safetensors file of tensors on any device; those that share their memory are written each
    for itself."""
    from safetensors.torch import save_file

    held = {name: t.detach().to("cpu", copy=True).contiguous() for name, t in tensors.items()}
    with default_permissions(path):
        save_file(held, path, metadata=dict(metadata) if metadata else None)


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Momenta and step counts by name: `optimiser.3.momentum_buffer`."""
    state = optimiser.state_dict()["state"]
    return {
        f"optimiser.{i}.{k}": torch.as_tensor(v)
        for i, held in state.items()
        for k, v in held.items()
        if v is not None
    }


def restore_optimiser(
    optimiser: torch.optim.Optimizer, tensors: Mapping[str, torch.Tensor]
) -> None:
    """Put back what `optimiser_tensors` gave."""
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
    """Early stopping on a score of held-out images: ends after `patience` looks without a better
    one, and keeps the best weights.

    `score` takes the module in evaluation mode and returns a number, higher is better.
    """

    score: Callable[[nn.Module], float]
    num_held_out: int  # images that the score is of
    every: int  # steps between two looks
    patience: int
    looks: list[tuple[int, float]] = field(default_factory=list)  # (steps done, score)
    best: dict[str, torch.Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert self.every >= 1 and self.patience >= 1

    @property
    def best_look(self) -> int:
        """Which look had the best score, the first of equals."""
        scores = [score for _, score in self.looks]
        return scores.index(max(scores))

    def is_over(self, module: nn.Module, steps_done: int) -> bool:
        """Look at the score if one is due, which leaves the module in evaluation mode; whether the
        training ends here."""
        if steps_done % self.every:
            return False
        module.eval()
        self.looks.append((steps_done, self.score(module)))
        if self.best_look == len(self.looks) - 1:
            self.best = {name: t.detach().clone() for name, t in module.state_dict().items()}
        return len(self.looks) - 1 - self.best_look >= self.patience

    def facts(self) -> dict[str, Any]:
        """What a card says of it."""
        steps, score = self.looks[self.best_look] if self.looks else (None, None)
        return {
            "patience": self.patience,
            "every_steps": self.every,
            "num_held_out": self.num_held_out,
            "best_at_step": steps,
            "best_score": score,
            "looks": self.looks,
        }
