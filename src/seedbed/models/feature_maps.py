"""Feature maps of a network for images of any size, for detectors.

In: a backbone and layers with a spatial map. Out: a module from images to these maps. The forward
pass stops at the last of them: later layers may need a fixed input size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import nn

from seedbed.base.errors import UsageError
from seedbed.models.backbone import Backbone
from seedbed.models.layers import Layer

# Stride of C4 in a ResNet; C5 has 32.
_C4_STRIDE = 16
# Strides of the levels of a feature pyramid.
_PYRAMID_STRIDES = (4, 8, 16, 32)
# Height and width that differ from the training size of any network.
_TEST_SIZE_PX = (160, 256)


class _LastMapError(Exception):
    """Raised to stop the forward pass after the last map."""


class FeatureMaps(nn.Module):
    """From normalised images float32 [b, 3, h, w] to maps [b, c, h / stride, w / stride], in the
    order of `layers`.

    Not thread-safe: hooks record the maps.
    """

    def __init__(self, network: nn.Module, layers: Sequence[Layer]) -> None:
        super().__init__()
        self.network, self.layers = network, tuple(layers)

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        maps: dict[str, torch.Tensor] = {}

        def store(layer: Layer) -> Callable[[torch.Tensor], None]:
            def use(output: torch.Tensor) -> None:
                values = layer.read(output)
                maps[layer.name] = (
                    values.permute(0, 3, 1, 2) if layer.kind == "map_last" else values
                )
                if len(maps) == len(self.layers):
                    raise _LastMapError

            return use

        handles = [layer.hook(self.network, store(layer)) for layer in self.layers]
        try:
            self.network(images)
        except _LastMapError:
            pass
        finally:
            for handle in handles:
                handle.remove()
        return [maps[layer.name] for layer in self.layers]


def check_any_size(backbone: Backbone, layers: Sequence[Layer]) -> None:
    """Raise UsageError if a network accepts one image size only, such as a transformer with fixed
    position embeddings."""
    module = backbone.module
    image = next(module.parameters()).new_zeros(1, 3, *_TEST_SIZE_PX)
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad():
            FeatureMaps(module, layers)(image)
    except (RuntimeError, AssertionError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UsageError(
            f"{backbone.architecture} does not accept images of "
            f"{_TEST_SIZE_PX[1]} x {_TEST_SIZE_PX[0]} px: {reason}",
            "A detector needs a network for images of any size, such as the convolutional networks "
            "resnet50 and timm('convnext_tiny').",
        ) from None
    finally:
        module.train(was_training)


def spatial_layers(backbone: Backbone) -> list[Layer]:
    """Layers of the table whose output is a map that grows with the image: those before the first
    adaptive pooling."""
    layers: list[Layer] = []
    for layer in backbone.layers:
        if "Adaptive" in type(backbone.module.get_submodule(layer.tap)).__name__:
            break
        if layer.kind in ("map", "map_last"):
            layers.append(layer)
    return layers


def nominal_stride(layer: Layer) -> int:
    """The power of two nearest to the stride of a layer: 16 for AlexNet's map of 13 x 13 at 224
    px."""
    return 2 ** round(math.log2(layer.stride or 1))


def single_map(backbone: Backbone, name: str = "c4") -> Layer:
    """The layer with one map: "c4" (the last with stride 16 or less), "c5" (the last of all), or a
    layer by its name."""
    maps = spatial_layers(backbone)
    if not maps:
        raise UsageError(
            f"{backbone.architecture} has no layer with a feature map",
            "A detector needs one: use a convolutional network.",
        )
    if name == "c5":
        return maps[-1]
    if name == "c4":
        return next((la for la in reversed(maps) if nominal_stride(la) <= _C4_STRIDE), maps[0])
    layer = backbone.layer(name)
    # Vectors, and maps after an adaptive pooling.
    others = {la.name for la in backbone.layers} - {la.name for la in maps}
    if layer.kind not in ("map", "map_last") or layer.name in others:
        raise UsageError(
            f"layer {name!r} of {backbone.architecture} is not a feature map",
            f"Maps: c4, c5, {', '.join(la.name for la in maps)}.",
        )
    return layer


def pyramid_maps(backbone: Backbone) -> list[Layer]:
    """The last map at each of the strides 4, 8, 16 and 32 that the network has; raises UsageError
    if there are fewer than two."""
    last = {nominal_stride(layer): layer for layer in spatial_layers(backbone)}
    levels = [last[stride] for stride in _PYRAMID_STRIDES if stride in last]
    if len(levels) < 2:
        strides = ", ".join(str(s) for s in sorted(last))
        raise UsageError(
            f"{backbone.architecture} has feature maps at the strides {strides}; a pyramid needs "
            "two or more of 4, 8, 16 and 32",
            "Use one map: feature='c4'.",
        )
    return levels
