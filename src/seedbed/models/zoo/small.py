"""The `small` networks: four convolutions, for studies at 32 px on a CPU.

Each stage is a convolution, a 2 x 2 max pool, batch norm and ReLU. The pool comes before the batch
norm: that quarters the memory traffic of batch norm and ReLU, and a training on one core was 1.6
times as fast (docs/log.md).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from seedbed.base.call import Call
from seedbed.data.preprocessing import Preprocessing
from seedbed.models.backbone import Backbone, assemble_backbone, initialise_weights
from seedbed.models.layers import Trace
from seedbed.models.zoo import Architecture


class Stage(nn.Module):
    """Convolution 3 x 3, max pool 2 x 2 (not in the last stage), batch norm, ReLU."""

    def __init__(self, num_in: int, num_out: int, pool: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(num_in, num_out, 3, padding=1, bias=False)
        self.pool = nn.MaxPool2d(2) if pool else nn.Identity()
        self.norm = nn.BatchNorm2d(num_out)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.relu_(self.norm(self.pool(self.conv(images))))


@dataclass(frozen=True)
class Small(Architecture):
    """Convolutional network with four stages, for CPU studies at 32 px; codes of 8 * width
    dimensions."""

    width: int = 16
    weights: str | None = None
    size_px: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.width <= 1024:
            raise ValueError(f"width = {self.width} is outside 1..1024")

    def build(self, classes: Sequence[str], size_px: int, seed: int = 0) -> Backbone:
        widths = [3, self.width, 2 * self.width, 4 * self.width, 8 * self.width]
        stages = [(f"stage{i + 1}", Stage(widths[i], widths[i + 1], pool=i < 3)) for i in range(4)]
        rest = [
            ("pool", nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())),
            ("head", nn.Linear(widths[-1], len(classes))),
        ]
        module: Any = nn.Sequential(OrderedDict([*stages, *rest]))
        module = module.to(memory_format=torch.channels_last)
        initialise_weights(module, seed)
        names = [*(name for name, _ in stages), "pool"]
        architecture = str(Call(name="small", kwargs={"width": self.width}))
        return assemble_backbone(
            Trace.run(module, size_px), architecture, classes, Preprocessing(size_px=size_px), names
        )
