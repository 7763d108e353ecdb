"""How long and how fast a network is trained: optimiser, learning rates, batch size.

In: settings. Out: an optimiser over a module's parameters, and the learning rate of each step.
Knows nothing of data.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from seedbed.base.spec import added_later

SCALE = "scale"  # of a group's learning rate, in an optimiser's groups


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """One cycle: linear warm-up to the peak, then a linear (Smith 2018) or cosine (Loshchilov and
    Hutter 2017) decay to zero; or "steps": a tenth of the rate after each of `drops`, shares of the
    training.

    SGD with Nesterov momentum, or AdamW (Loshchilov and Hutter 2019), which spares biases and norms
    from weight decay.
    """

    images_seen: int
    batch_size: int = 128
    peak_learning_rate: float = 0.2
    momentum: float = 0.9
    weight_decay: float = 5e-4
    warmup_share: float = 0.2
    optimiser: Literal["sgd", "adamw"] = "sgd"
    decay: Literal["linear", "cosine", "steps"] = "linear"
    drops: tuple[float, ...] = added_later(())
    max_gradient_norm: float | None = added_later(
        None
    )  # longer gradients of a step are shortened to it

    @property
    def num_steps(self) -> int:
        """Steps that show at least `images_seen` images."""
        return max(1, math.ceil(self.images_seen / self.batch_size))

    def learning_rate(self, step: int) -> float:
        """At `step` 0..num_steps-1."""
        progress = (step + 0.5) / self.num_steps
        left = min(1.0, (1 - progress) / (1 - self.warmup_share))
        if self.decay == "steps":
            left_at = 0.1 ** sum(progress >= drop for drop in self.drops)
            return self.peak_learning_rate * (
                min(progress / self.warmup_share, left_at) if self.warmup_share else left_at
            )
        fall = left if self.decay == "linear" else 0.5 * (1 - math.cos(math.pi * left))
        return self.peak_learning_rate * min(
            progress / self.warmup_share if self.warmup_share else 1.0, fall
        )

    def make_optimiser(
        self, module: nn.Module, scales: Mapping[str, float] | None = None
    ) -> torch.optim.Optimizer:
        """Over all parameters that require a gradient; fused into one kernel on a GPU.

        `scales`: of the learning rate of parameters by name, 1 where nothing is said; the loop
        reads each group's.
        """
        named = {n: p for n, p in module.named_parameters() if p.requires_grad}
        fused = all(p.is_cuda for p in named.values()) or None
        by_scale: dict[float, list[torch.Tensor]] = {}
        for name, parameter in named.items():
            by_scale.setdefault((scales or {}).get(name, 1.0), []).append(parameter)
        if self.optimiser == "sgd":
            groups: list[dict[str, Any]] = [
                {"params": ps, SCALE: scale} for scale, ps in by_scale.items()
            ]
            how: dict[str, Any] = {
                "momentum": self.momentum,
                "nesterov": self.momentum > 0,
                "weight_decay": self.weight_decay,
            }
            return torch.optim.SGD(groups, lr=0.1, fused=fused, **how)
        groups = []
        for scale, parameters in by_scale.items():
            matrices, others = (
                [p for p in parameters if p.ndim > 1],
                [p for p in parameters if p.ndim <= 1],
            )
            groups += (
                [{"params": matrices, "weight_decay": self.weight_decay, SCALE: scale}]
                if matrices
                else []
            )
            groups += [{"params": others, "weight_decay": 0.0, SCALE: scale}] if others else []
        return torch.optim.AdamW(groups, lr=0.1, betas=(self.momentum, 0.999), fused=fused)
