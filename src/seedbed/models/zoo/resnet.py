"""ResNets (He et al. 2016) of timm, optionally with a stem for small images.

The small stem is a 3 x 3 convolution of stride 1 without max pool: the first stage then sees 32 x
32 positions of a 32 px image. Published weights do not fit this stem.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from seedbed.base.call import Call
from seedbed.models.zoo.bridges import TIMM, Bridge, LibraryNetwork

if TYPE_CHECKING:
    from torch import nn

Stem = Literal["imagenet", "small"]


@dataclass(frozen=True)
class ResNet(LibraryNetwork):
    """A ResNet; subclasses define its depth."""

    stem: Stem = "imagenet"
    weights: str | None = None
    size_px: int | None = None
    bridge: ClassVar[Bridge] = TIMM
    library_name: ClassVar[str]

    @property
    def network_name(self) -> str:
        return self.library_name

    def call(self) -> Call:
        return Call(
            name=self.library_name, kwargs={} if self.stem == "imagenet" else {"stem": self.stem}
        )

    def make(self, size_px: int) -> nn.Module:
        network: Any = TIMM.network(self.library_name, size_px)
        if self.stem == "small":
            from torch import nn

            network.conv1 = nn.Conv2d(3, network.conv1.out_channels, 3, padding=1, bias=False)
            # The initialisation of the other layers.
            nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
            network.maxpool = nn.Identity()
        return network


@dataclass(frozen=True)
class ResNet18(ResNet):
    """ResNet-18, 512-d codes; stem='small' for images of 32 or 64 px; timm's weights."""

    library_name: ClassVar[str] = "resnet18"


@dataclass(frozen=True)
class ResNet50(ResNet):
    """ResNet-50, 2048-d codes; stem='small' for images of 32 or 64 px; timm's weights."""

    library_name: ClassVar[str] = "resnet50"
