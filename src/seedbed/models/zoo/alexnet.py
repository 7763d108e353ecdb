"""AlexNet (Krizhevsky, Sutskever and Hinton 2012) with one tower, and a variant for small images.

The variant, for 32 or 64 px, has five 3 x 3 convolutions of stride 1 and three fully connected
layers, the hidden ones of 1,024 units.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from seedbed.base.call import Call
from seedbed.models.zoo.bridges import TORCHVISION, Bridge, LibraryNetwork
from seedbed.models.zoo.resnet import Stem

if TYPE_CHECKING:
    from torch import nn

_NUM_CLASSES = 1000


@dataclass(frozen=True)
class AlexNet(LibraryNetwork):
    """AlexNet with one tower, from 63 px, 4096-d codes, torchvision's weights; stem='small' for
    images of 32 or 64 px, 1024-d codes."""

    stem: Stem = "imagenet"
    weights: str | None = None
    size_px: int | None = None
    bridge: ClassVar[Bridge] = TORCHVISION

    @property
    def network_name(self) -> str:
        return "alexnet"

    def call(self) -> Call:
        return Call(name="alexnet", kwargs={} if self.stem == "imagenet" else {"stem": self.stem})

    def make(self, size_px: int) -> nn.Module:
        return TORCHVISION.network("alexnet", size_px) if self.stem == "imagenet" else _small()


def _small() -> nn.Module:
    """Five convolutions and three fully connected layers, with the names of torchvision; He
    initialisation."""
    from collections import OrderedDict

    from torch import nn

    def stage(num_in: int, num_out: int, pool: bool) -> list[nn.Module]:
        return [
            nn.Conv2d(num_in, num_out, 3, padding=1),
            nn.ReLU(inplace=True),
            *([nn.MaxPool2d(2)] if pool else []),
        ]

    features = [
        *stage(3, 64, True),
        *stage(64, 192, True),
        *stage(192, 384, False),
        *stage(384, 256, False),
        *stage(256, 256, True),
    ]
    classifier = [
        nn.Dropout(),
        nn.Linear(256 * 16, 1024),
        nn.ReLU(inplace=True),
        nn.Dropout(),
        nn.Linear(1024, 1024),
    ]
    network = nn.Sequential(
        OrderedDict(
            features=nn.Sequential(*features),
            avgpool=nn.AdaptiveAvgPool2d(4),
            flatten=nn.Flatten(),
            classifier=nn.Sequential(
                *classifier, nn.ReLU(inplace=True), nn.Linear(1024, _NUM_CLASSES)
            ),
        )
    )
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)  # pyright: ignore[reportArgumentType]
    return network
