"""All classification networks of timm and torchvision, by their names in these libraries.

In: a name. Out: the network with the library's random initialisation, its preprocessing, and where
its weights are published. The libraries are imported when a network is built.
"""

from __future__ import annotations

import difflib
import inspect
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from seedbed.base.call import Call
from seedbed.base.errors import unknown
from seedbed.data.preprocessing import Interpolation, Preprocessing
from seedbed.models.zoo import Architecture

if TYPE_CHECKING:
    from torch import nn

    from seedbed.models.backbone import Backbone
    from seedbed.models.weights import Published

# A network is built for 1,000 classes, so that the weights of its body do not depend on the
# classes.
_NUM_CLASSES = 1000
# Of the image towers of CLIP: timm counts these as classes.
_EMBEDDING_DIMS = (512, 640, 768, 1024, 1280)


class Bridge(ABC):
    """A library of networks."""

    @abstractmethod
    def network(self, name: str, size_px: int) -> nn.Module:
        """Build the network for 1,000 classes, with the library's random initialisation."""

    @abstractmethod
    def preprocessing(self, name: str) -> Preprocessing:
        """Size, crop, mean and std of the published weights."""

    @abstractmethod
    def published(self, name: str) -> Published:
        """Location, licence and classes of the published weights."""

    @abstractmethod
    def networks_with_files(self, stems: set[str]) -> list[str]:
        """Networks whose published weights are files with these names, without suffix."""


class TimmBridge(Bridge):
    """The networks of timm; unknown names raise UsageError."""

    def network(self, name: str, size_px: int) -> nn.Module:
        import timm

        config = self._config(name)
        resized: dict[str, Any] = (
            {"img_size": size_px}
            if config.get("fixed_input_size") and config["input_size"][1] != size_px
            else {}
        )
        return timm.create_model(name, num_classes=_NUM_CLASSES, **resized)

    def preprocessing(self, name: str) -> Preprocessing:
        config = self._config(name)
        mean, std = (
            config.get("mean", (0.485, 0.456, 0.406)),
            config.get("std", (0.229, 0.224, 0.225)),
        )
        size_px = config.get("input_size", (3, 224, 224))[1]
        return Preprocessing.from_unit_range(
            size_px,
            float(config.get("crop_pct") or 0.875),
            tuple(mean),
            tuple(std),
            _interpolation(config.get("interpolation")),
        )

    def published(self, name: str) -> Published:
        from seedbed.models.weights import Published

        config = self._config(name)
        return Published(
            name=f"timm('{name}')",
            url=config.get("url") or None,
            hub=config.get("hf_hub_id") or None,
            licence=config.get("license") or "not stated by timm",
            is_embedding="clip" in name and config.get("num_classes") in _EMBEDDING_DIMS,
            classes=_imagenet_classes()
            if config.get("num_classes", _NUM_CLASSES) == _NUM_CLASSES
            else (),
        )

    def networks_with_files(self, stems: set[str]) -> list[str]:
        import timm

        return [
            name
            for name in timm.list_pretrained()
            if name in stems or _stem(self._config(name).get("url")) in stems
        ]

    def _config(self, name: str) -> dict[str, Any]:
        import timm

        if not timm.is_model(name):
            names = timm.list_models()
            near = (
                difflib.get_close_matches(name, names, n=8, cutoff=0.4)
                or [n for n in names if n[:3] == name[:3]][:8]
            )
            raise unknown(
                "timm network", name, near, f"timm(...), which knows {len(names):,} networks"
            )
        config = timm.get_pretrained_cfg(name)
        return config.to_dict() if config else {}


def _interpolation(name: Any) -> Interpolation:
    """The interpolation of a library's pipeline; bilinear where it is neither of the two."""
    return "bicubic" if name == "bicubic" else "bilinear"


class TorchvisionBridge(Bridge):
    """The classification networks of torchvision, without auxiliary classifiers; unknown names
    raise UsageError."""

    def network(self, name: str, size_px: int) -> nn.Module:
        from torchvision import models

        self._weights(name)
        builder = models.get_model_builder(name)
        network_class = getattr(models, _CLASSES_WITH_AUXILIARY.get(name, ""), builder)
        has_auxiliary = "aux_logits" in inspect.signature(network_class).parameters
        settings = {"aux_logits": False, "init_weights": True} if has_auxiliary else {}
        return builder(weights=None, num_classes=_NUM_CLASSES, **settings)

    def preprocessing(self, name: str) -> Preprocessing:
        transform = self._weights(name).transforms()
        size_px = transform.crop_size[0]
        return Preprocessing.from_unit_range(
            size_px,
            size_px / transform.resize_size[0],
            tuple(transform.mean),
            tuple(transform.std),
            _interpolation(transform.interpolation.value),
        )

    def published(self, name: str) -> Published:
        from seedbed.models.weights import Published

        weights = self._weights(name)
        return Published(
            name=f"torchvision('{name}')",
            url=weights.url,
            licence=weights.meta.get("license")
            or "BSD-3-Clause (torchvision); trained on ImageNet-1k, whose terms are its own",
            classes=_imagenet_classes() if len(weights.meta["categories"]) == _NUM_CLASSES else (),
        )

    def networks_with_files(self, stems: set[str]) -> list[str]:
        import torchvision
        from torchvision import models

        names = models.list_models(module=torchvision.models)
        return [name for name in names if _stem(self._weights(name).url) in stems]

    def _weights(self, name: str) -> Any:
        import torchvision
        from torchvision import models

        names = models.list_models(module=torchvision.models)
        if name not in names:
            raise unknown("torchvision network", name, names, "torchvision(...)")
        return models.get_model_weights(name).DEFAULT  # pyright: ignore[reportAttributeAccessIssue]


_CLASSES_WITH_AUXILIARY = {"googlenet": "GoogLeNet", "inception_v3": "Inception3"}


def _imagenet_classes() -> tuple[str, ...]:
    """The 1,000 synsets of ILSVRC-2012, in the order of the scores of networks."""
    from timm.data.imagenet_info import ImageNetInfo

    return tuple(ImageNetInfo("imagenet-1k").label_names())


def _stem(url: str | None) -> str:
    """Name of the file at a URL, without suffix."""
    return (url or "").rsplit("/", 1)[-1].rpartition(".")[0]


TIMM, TORCHVISION = TimmBridge(), TorchvisionBridge()


@dataclass(frozen=True)
class LibraryNetwork(Architecture):
    """A network of a library; subclasses define which one."""

    bridge: ClassVar[Bridge]

    @property
    @abstractmethod
    def network_name(self) -> str:
        """Name in the library, which has the published weights."""

    @abstractmethod
    def call(self) -> Call:
        """The call string that builds the network: with the settings that change the network."""

    @abstractmethod
    def make(self, size_px: int) -> nn.Module:
        """Build the network for 1,000 classes, with the library's random initialisation."""

    def build(self, classes: Sequence[str], size_px: int, seed: int = 0) -> Backbone:
        from seedbed.models.backbone import build_library_network

        return build_library_network(
            lambda: self.make(size_px),
            str(self.call()),
            classes,
            self.preprocessing_at(size_px),
            seed,
        )

    def preprocessing_at(self, size_px: int) -> Preprocessing:
        """Preprocessing of the published weights; at other sizes without their crop."""
        published = self.bridge.preprocessing(self.network_name)
        if size_px == published.size_px:
            return published
        return replace(published, size_px=size_px, crop=1.0)

    def native_size_px(self) -> int | None:
        if self.size_px or self.stem != "imagenet":
            return self.size_px
        return self.bridge.preprocessing(self.network_name).size_px

    def published(self) -> Published | None:
        return self.bridge.published(self.network_name) if self.stem == "imagenet" else None


@dataclass(frozen=True)
class Timm(LibraryNetwork):
    """Any network of timm by its name, such as timm('convnext_tiny.fb_in22k'); a tag after the dot
    selects the weights."""

    name: str
    weights: str | None = None
    size_px: int | None = None
    bridge: ClassVar[Bridge] = TIMM

    @property
    def network_name(self) -> str:
        return self.name

    def call(self) -> Call:
        return Call(name="timm", args=(self.name,))

    def make(self, size_px: int) -> nn.Module:
        return TIMM.network(self.name, size_px)


@dataclass(frozen=True)
class Torchvision(LibraryNetwork):
    """Any classification network of torchvision by its name, such as
    torchvision('efficientnet_b0')."""

    name: str
    weights: str | None = None
    size_px: int | None = None
    bridge: ClassVar[Bridge] = TORCHVISION

    @property
    def network_name(self) -> str:
        return self.name

    def call(self) -> Call:
        return Call(name="torchvision", args=(self.name,))

    def make(self, size_px: int) -> nn.Module:
        return TORCHVISION.network(self.name, size_px)
