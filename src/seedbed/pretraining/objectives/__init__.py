"""Objectives *(plug-ins)*: `loss(model, batch) -> (scalar, number of hits in the batch)`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from seedbed.base.registry import Registry

if TYPE_CHECKING:
    import torch
    from torch import nn


class Objective(ABC):
    """What a pre-training minimises; a frozen dataclass of its settings."""

    revision: ClassVar[int] = 1  # raised by hand when its meaning changes

    @abstractmethod
    def loss(
        self, model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The mean loss of a batch of images and labels, and how many of them the model got right
        (for the eye alone)."""


OBJECTIVES: Registry[Objective] = Registry("objective", "seedbed.objectives")
OBJECTIVES.add("supervised", "seedbed.pretraining.objectives.supervised:Supervised")
