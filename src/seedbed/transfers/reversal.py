"""Gradient reversal: what makes features that a critic cannot tell two domains by.

In: features and a weight. Out: the same features, whose gradient comes back reversed. Source: Ganin et al. 2016, equation 18.
"""

from __future__ import annotations

import math
from typing import Any, TypeVar

import torch
from torch import nn

from seedbed.base.randomness import stream

M = TypeVar("M", bound=nn.Module)


class Reversed(torch.autograd.Function):
    """The identity, whose gradient comes back reversed and weighted."""

    @staticmethod
    def forward(ctx: Any, codes: torch.Tensor, weight: float) -> torch.Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.weight = weight
        return codes.view_as(codes)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return -ctx.weight * gradient, None


def ramp(progress: float) -> float:
    """From 0 at the start of a training (progress 0) to 1 at its end: the weight of the reversal (section 5.2.2)."""
    return 2 / (1 + math.exp(-10 * progress)) - 1


def drawn(critic: M, seed: int) -> M:
    """The critic with weights from its own stream: normal with variance 2 / fan_in, biases 0."""
    generator = torch.Generator().manual_seed(stream(seed, "init/critic"))
    with torch.no_grad():
        for parameter in critic.parameters():
            fan_in = parameter[0].numel() if parameter.ndim > 1 else 1
            values = torch.randn(tuple(parameter.shape), generator=generator) * (2.0 / fan_in) ** 0.5
            parameter.copy_(values if parameter.ndim > 1 else torch.zeros_like(parameter))
    return critic
