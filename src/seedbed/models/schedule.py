"""How long and how fast a network is trained: optimiser, learning rates, batch size.

In: settings. Out: an optimiser over a module's parameters, and the learning rate of each step. Knows nothing of data.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """One cycle: linear warm-up to the peak, then a linear (Smith 2018) or cosine (Loshchilov and Hutter 2017) decay to zero.

    SGD with Nesterov momentum, or AdamW (Loshchilov and Hutter 2019), which spares biases and norms from weight decay.
    """

    images_seen: int
    batch_size: int = 128
    peak_learning_rate: float = 0.2
    momentum: float = 0.9
    weight_decay: float = 5e-4
    warmup_share: float = 0.2
    optimiser: Literal["sgd", "adamw"] = "sgd"
    decay: Literal["linear", "cosine"] = "linear"

    @property
    def num_steps(self) -> int:
        """Steps that show at least `images_seen` images."""
        return max(1, math.ceil(self.images_seen / self.batch_size))

    def learning_rate(self, step: int) -> float:
        """At `step` 0..num_steps-1."""
        progress = (step + 0.5) / self.num_steps
        left = min(1.0, (1 - progress) / (1 - self.warmup_share))
        fall = left if self.decay == "linear" else 0.5 * (1 - math.cos(math.pi * left))
        return self.peak_learning_rate * min(progress / self.warmup_share if self.warmup_share else 1.0, fall)

    def optimiser_of(self, module: nn.Module) -> torch.optim.Optimizer:
        """Over all parameters that require a gradient; fused into one kernel on a GPU."""
        parameters = [p for p in module.parameters() if p.requires_grad]
        fused = all(p.is_cuda for p in parameters)
        if self.optimiser == "sgd":
            return torch.optim.SGD(
                parameters,
                lr=0.1,
                momentum=self.momentum,
                nesterov=self.momentum > 0,
                weight_decay=self.weight_decay,
                fused=fused or None,
            )
        matrices = [p for p in parameters if p.ndim > 1]
        others = [p for p in parameters if p.ndim <= 1]
        groups = [{"params": matrices, "weight_decay": self.weight_decay}, {"params": others, "weight_decay": 0.0}]
        return torch.optim.AdamW([g for g in groups if g["params"]], lr=0.1, betas=(self.momentum, 0.999), fused=fused or None)
