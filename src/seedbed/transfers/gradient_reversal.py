"""Parts for training on two domains: batches of both domains, and gradient reversal for features
that a domain classifier cannot separate (Ganin et al. 2016, equation 18)."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import nn

from seedbed.base.randomness import stream

M = TypeVar("M", bound=nn.Module)


@dataclass(kw_only=True)
class InterleavedBatches(ABC):
    """Batches that alternate labelled and unlabelled images, so that each micro-batch holds both;
    only labelled images count as images seen."""

    labelled: Any
    unlabelled: Any
    step: int = field(default=0, init=False)  # of the last batch

    @property
    def batch_size(self) -> int:
        return self.labelled.batch_size

    @property
    def seed(self) -> int:
        return self.labelled.seed

    def batch(self, step: int) -> Any:
        self.step = step
        return self.interleave(self.labelled.batch(step), self.unlabelled.batch(step))

    @abstractmethod
    def interleave(self, labelled: Any, unlabelled: Any) -> Any:
        """Combine two batches into one."""


# pyright: reportIncompatibleMethodOverride=false
class GradientReversal(torch.autograd.Function):
    """The identity in the forward pass; multiplies the gradient by -weight in the backward pass."""

    @staticmethod
    def forward(ctx: Any, codes: torch.Tensor, weight: float) -> torch.Tensor:
        ctx.weight = weight
        return codes.view_as(codes)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return -ctx.weight * gradient, None


def reversal_weight(progress: float) -> float:
    """Weight of the gradient reversal: from 0 at progress 0 to 1 at progress 1 (section 5.2.2)."""
    return 2 / (1 + math.exp(-10 * progress)) - 1


def initialise_critic(critic: M, seed: int) -> M:
    """Initialise a domain classifier from its own stream: normal with variance 2 / fan_in, biases
    0."""
    generator = torch.Generator().manual_seed(stream(seed, "init/critic"))
    with torch.no_grad():
        for parameter in critic.parameters():
            fan_in = parameter[0].numel() if parameter.ndim > 1 else 1
            values = (
                torch.randn(tuple(parameter.shape), generator=generator) * (2.0 / fan_in) ** 0.5
            )
            parameter.copy_(values if parameter.ndim > 1 else torch.zeros_like(parameter))
    return critic
