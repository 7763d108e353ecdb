"""Architectures by name *(plug-ins)*: `build(classes, size_px, seed)` returns a Backbone with
random weights."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from seedbed.base.registry import Registry

if TYPE_CHECKING:
    import torch
    from torch import nn

    from seedbed.models.backbone import Backbone
    from seedbed.models.weights import Published


class Architecture(ABC):
    """A network architecture: a frozen dataclass of its settings."""

    # Increased by hand when the same settings build another network.
    revision: ClassVar[int] = 1

    # Initial weights, for architectures with this setting: a file, "random", "cached", "download".
    weights: str | None = None

    # The first layers; published weights fit "imagenet" only.
    stem: str = "imagenet"

    # Side of the input; by default that of the published weights, or of the images.
    size_px: int | None = None

    @abstractmethod
    def build(self, classes: Sequence[str], size_px: int, seed: int = 0) -> Backbone:
        """Build the network with a head for these classes, random weights from `seed`, and the
        layer table for this input size."""

    def native_size_px(self) -> int | None:
        """Side of the input by the settings or the published weights, or None."""
        return self.size_px

    def published(self) -> Published | None:
        """The published weights, if there are any."""
        return None

    def convert_weights(
        self, tensors: dict[str, torch.Tensor], module: nn.Module
    ) -> dict[str, torch.Tensor]:
        """The tensors of a weights file by their names in the network."""
        return tensors


BACKBONES: Registry[Architecture] = Registry("backbone", "seedbed.backbones")
BACKBONES.add("alexnet", "seedbed.models.zoo.alexnet:AlexNet")
BACKBONES.add("clip_base", "seedbed.models.zoo.modern:CLIPBase")
BACKBONES.add("convnext_tiny", "seedbed.models.zoo.modern:ConvNeXtTiny")
BACKBONES.add("dinov2_base", "seedbed.models.zoo.modern:DINOv2Base")
BACKBONES.add("dinov2_small", "seedbed.models.zoo.modern:DINOv2Small")
BACKBONES.add("dinov3_convnext_tiny", "seedbed.models.zoo.modern:DINOv3ConvNeXtTiny")
BACKBONES.add("dinov3_small", "seedbed.models.zoo.modern:DINOv3Small")
BACKBONES.add("efficientnet_b0", "seedbed.models.zoo.modern:EfficientNetB0")
BACKBONES.add("efficientnet_lite0", "seedbed.models.zoo.classic:EfficientNetLite0")
BACKBONES.add("efficientnet_v2_small", "seedbed.models.zoo.modern:EfficientNetV2Small")
BACKBONES.add("eva02_small", "seedbed.models.zoo.modern:EVA02Small")
BACKBONES.add("inception_resnet_v2", "seedbed.models.zoo.classic:InceptionResNetV2")
BACKBONES.add("inception_v3", "seedbed.models.zoo.classic:InceptionV3")
BACKBONES.add("mobilenet_v2", "seedbed.models.zoo.classic:MobileNetV2")
BACKBONES.add("mobilenet_v3_small", "seedbed.models.zoo.classic:MobileNetV3Small")
BACKBONES.add("mobilenet_v4_medium", "seedbed.models.zoo.modern:MobileNetV4Medium")
BACKBONES.add("mobilenet_v4_small", "seedbed.models.zoo.modern:MobileNetV4Small")
BACKBONES.add("open_clip", "seedbed.models.zoo.open_clip_networks:OpenClip")
BACKBONES.add("resnet18", "seedbed.models.zoo.resnet:ResNet18")
BACKBONES.add("resnet50", "seedbed.models.zoo.resnet:ResNet50")
BACKBONES.add("siglip2_base", "seedbed.models.zoo.modern:SigLIP2Base")
BACKBONES.add("small", "seedbed.models.zoo.small:Small")
BACKBONES.add("timm", "seedbed.models.zoo.bridges:Timm")
BACKBONES.add("torchvision", "seedbed.models.zoo.bridges:Torchvision")
BACKBONES.add("vgg16", "seedbed.models.zoo.classic:VGG16")
BACKBONES.add("xception", "seedbed.models.zoo.classic:Xception")
