"""The maps of a network for images of any size: what a detector stands on.

In: a backbone and names of layers that are maps. Out: a module from images to these maps. The
forward pass ends at the last of them, so that a head which wants one size never runs. Knows nothing
of boxes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from seedbed.base.errors import UsageError
from seedbed.models.backbone import Backbone
from seedbed.models.layers import Layer

_DEEPEST_STRIDE = 16  # C4 of a plain network; C5 has 32
_PYRAMID = (4, 8, 16, 32)
_ODD_PX = (160, 256)  # a height and a width that no network is made for


class _EnoughError(Exception):
    """The last map that is read has been caught."""


class FeatureMaps(nn.Module):
    """Images float32 [b, 3, h, w], normalised, to maps [b, c, h / stride, w / stride], in the order
    of `layers`.

    Used by one thread at a time: the maps are caught by hooks.
    """

    def __init__(self, network: nn.Module, layers: Sequence[Layer]) -> None:
        super().__init__()
        self.network, self.layers = network, tuple(layers)

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        caught: dict[str, torch.Tensor] = {}

        def catcher(layer: Layer):  # noqa: ANN202  a function of a tensor
            def use(output: torch.Tensor) -> None:
                values = layer.read(output)
                caught[layer.name] = (
                    values.permute(0, 3, 1, 2) if layer.kind == "map_last" else values
                )
                if len(caught) == len(self.layers):
                    raise _EnoughError

            return use

        handles = [layer.hook(self.network, catcher(layer)) for layer in self.layers]
        try:
            self.network(images)
        except _EnoughError:
            pass
        finally:
            for handle in handles:
                handle.remove()
        return [caught[layer.name] for layer in self.layers]


def check_any_size(backbone: Backbone, layers: Sequence[Layer]) -> None:
    """Raise UsageError where a network takes images of one size alone, as transformers with fixed
    positions do."""
    module = backbone.module
    shown = next(module.parameters()).new_zeros(1, 3, *_ODD_PX)
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad():
            FeatureMaps(module, layers)(shown)
    except (RuntimeError, AssertionError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UsageError(
            f"{backbone.architecture} does not take images of {_ODD_PX[1]} x {_ODD_PX[0]} px: {reason}",
            "A detector sees images of all sizes. Take a convolutional network: resnet50, or timm('convnext_tiny').",
        ) from None
    finally:
        module.train(was_training)


def spatial_layers(backbone: Backbone) -> list[Layer]:
    """The rows of the layer table that are maps which grow with the image: those before the first
    pooling to a fixed size."""
    found: list[Layer] = []
    for layer in backbone.layers:
        if "Adaptive" in type(backbone.module.get_submodule(layer.tap)).__name__:
            break
        if layer.kind in ("map", "map_last"):
            found.append(layer)
    return found


def nominal_stride(layer: Layer) -> int:
    """The power of two nearest to its stride: AlexNet's 13 x 13 of 224 px count as 16."""
    return 2 ** round(math.log2(layer.stride or 1))


def single_map(backbone: Backbone, name: str = "c4") -> Layer:
    """One map: "c4" (the deepest at stride 16 or less), "c5" (the deepest of all), or a layer by
    its name."""
    maps = spatial_layers(backbone)
    if not maps:
        raise UsageError(
            f"{backbone.architecture} has no layer that is a map",
            "A detector needs one: take a convolutional network.",
        )
    if name == "c5":
        return maps[-1]
    if name == "c4":
        return next((la for la in reversed(maps) if nominal_stride(la) <= _DEEPEST_STRIDE), maps[0])
    layer = backbone.layer(name)
    # vectors, and maps behind a pooling to a fixed size
    fixed = {la.name for la in backbone.layers} - {la.name for la in maps}
    if layer.kind not in ("map", "map_last") or layer.name in fixed:
        raise UsageError(
            f"layer {name!r} of {backbone.architecture} is no map",
            f"Maps: c4, c5, {', '.join(la.name for la in maps)}.",
        )
    return layer


def pyramid_maps(backbone: Backbone) -> list[Layer]:
    """The last map at each of the strides 4, 8, 16 and 32 that the network has; raises UsageError
    where these are fewer than two."""
    last = {nominal_stride(layer): layer for layer in spatial_layers(backbone)}
    found = [last[stride] for stride in _PYRAMID if stride in last]
    if len(found) < 2:
        strides = ", ".join(str(s) for s in sorted(last))
        raise UsageError(
            f"{backbone.architecture} has maps at the strides {strides}, and a pyramid needs two or more of 4, 8, 16 and 32",
            "Take one map: feature='c4'.",
        )
    return found
