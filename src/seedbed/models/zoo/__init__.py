"""Backbones by name *(plug-ins)*: `build(classes, size_px, seed) -> Backbone`, with random
weights."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from seedbed.base.registry import Registry

if TYPE_CHECKING:
    from seedbed.models.backbone import Backbone
    from seedbed.models.weights import Published


class Architecture(ABC):
    """A network by name; a frozen dataclass of its settings."""

    revision: ClassVar[int] = 1  # raised by hand when the same settings build another network

    # Which weights it begins with, for the architectures that have such a setting: a file,
    # "random", "cached" or "download".
    weights: str | None = None

    # Which first layers it has: with other ones than "imagenet" no published weights fit it.
    stem: str = "imagenet"

    # Its input side where the settings say so; else that of the images, or of its published
    # weights.
    size_px: int | None = None

    @abstractmethod
    def build(self, classes: Sequence[str], size_px: int, seed: int = 0) -> Backbone:
        """The network with a head for these classes and its layer table at this input size, drawn
        from the streams of `seed`."""

    def native_size_px(self) -> int | None:
        """Input side of its published weights, or the one that its settings name."""
        return self.size_px

    def published(self) -> Published | None:
        """The weights that its authors published, where they did."""
        return None


BACKBONES: Registry[Architecture] = Registry("backbone", "seedbed.backbones")
BACKBONES.add("alexnet", "seedbed.models.zoo.alexnet:AlexNet")
BACKBONES.add("inception_resnet_v2", "seedbed.models.zoo.classic:InceptionResNetV2")
BACKBONES.add("inception_v3", "seedbed.models.zoo.classic:InceptionV3")
BACKBONES.add("mobilenet_v2", "seedbed.models.zoo.classic:MobileNetV2")
BACKBONES.add("mobilenet_v3_small", "seedbed.models.zoo.classic:MobileNetV3Small")
BACKBONES.add("resnet18", "seedbed.models.zoo.resnet:ResNet18")
BACKBONES.add("resnet50", "seedbed.models.zoo.resnet:ResNet50")
BACKBONES.add("small", "seedbed.models.zoo.small:Small")
BACKBONES.add("timm", "seedbed.models.zoo.bridges:Timm")
BACKBONES.add("torchvision", "seedbed.models.zoo.bridges:Torchvision")
BACKBONES.add("vgg16", "seedbed.models.zoo.classic:VGG16")
BACKBONES.add("xception", "seedbed.models.zoo.classic:Xception")
