"""Objectives *(plug-ins)*: `loss(model, batch)` returns a scalar and the number of correct
images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from seedbed.base.registry import Registry

if TYPE_CHECKING:
    import torch
    from torch import nn


class Objective(ABC):
    """The loss of a pre-training: a frozen dataclass of its settings."""

    revision: ClassVar[int] = 1  # increased by hand when its meaning changes

    @abstractmethod
    def loss(
        self, model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The mean loss of a batch of images and labels, and the number of correctly classified
        images, which progress reports show."""


OBJECTIVES: Registry[Objective] = Registry("objective", "seedbed.objectives")
OBJECTIVES.add("supervised", "seedbed.pretraining.objectives.supervised:Supervised")
