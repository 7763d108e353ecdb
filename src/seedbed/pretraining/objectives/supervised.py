"""Supervised classification: cross-entropy on the labels of the view."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from seedbed.pretraining.objectives import Objective


@dataclass(frozen=True)
class Supervised(Objective):
    """Cross-entropy on the labels of the view, with optional label smoothing."""

    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing must lie in [0, 1), got {self.label_smoothing}")

    def loss(
        self, model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        images, labels = batch
        logits = model(images)
        value = functional.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
        return value, (logits.detach().argmax(1) == labels).sum()
