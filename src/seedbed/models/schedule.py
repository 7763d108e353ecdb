"""Training schedule: optimiser, learning rates, batch size, number of steps.

In: settings. Out: an optimiser over the parameters of a module, and the learning rate of each step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from seedbed.base.spec import added_later

# Key in the parameter groups of an optimiser: factor of the learning rate.
SCALE = "scale"


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """One-cycle or step schedule, with SGD or AdamW.

    Linear warm-up to the peak learning rate, then a linear (Smith 2018) or cosine (Loshchilov and
    Hutter 2017) decay to zero. `decay="steps"` divides the rate by ten at each of `drops`, shares
    of the training. SGD has Nesterov momentum. AdamW (Loshchilov and Hutter 2019) applies no weight
    decay to biases and normalisation layers. `max_gradient_norm` clips the gradients of each step.
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
    max_gradient_norm: float | None = added_later(None)

    @property
    def num_steps(self) -> int:
        """Number of steps for at least `images_seen` images."""
        return max(1, math.ceil(self.images_seen / self.batch_size))

    def learning_rate(self, step: int) -> float:
        """Learning rate of `step`, in 0..num_steps-1."""
        progress = (step + 0.5) / self.num_steps
        remaining = min(1.0, (1 - progress) / (1 - self.warmup_share))
        if self.decay == "steps":
            decay = 0.1 ** sum(progress >= drop for drop in self.drops)
            warmup = progress / self.warmup_share if self.warmup_share else decay
        else:
            is_linear = self.decay == "linear"
            decay = remaining if is_linear else 0.5 * (1 - math.cos(math.pi * remaining))
            warmup = progress / self.warmup_share if self.warmup_share else 1.0
        return self.peak_learning_rate * min(warmup, decay)

    def make_optimiser(
        self, module: nn.Module, scales: Mapping[str, float] | None = None
    ) -> torch.optim.Optimizer:
        """Create the optimiser of all parameters that require a gradient; fused on a GPU.

        `scales`: factors of the learning rate by parameter name (default 1). The training loop
        reads them from the parameter groups.
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
            options: dict[str, Any] = {
                "momentum": self.momentum,
                "nesterov": self.momentum > 0,
                "weight_decay": self.weight_decay,
            }
            return torch.optim.SGD(groups, lr=0.1, fused=fused, **options)
        groups = []
        for scale, parameters in by_scale.items():
            matrices = [p for p in parameters if p.ndim > 1]
            vectors = [p for p in parameters if p.ndim <= 1]
            for params, decay in ((matrices, self.weight_decay), (vectors, 0.0)):
                if params:
                    groups.append({"params": params, "weight_decay": decay, SCALE: scale})
        return torch.optim.AdamW(groups, lr=0.1, betas=(self.momentum, 0.999), fused=fused)
