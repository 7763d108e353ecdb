"""The tail of a network: its own fully connected layers between the last map and the head (fc6 and
fc7 of AlexNet and VGG).

In: a backbone. Out: a copy of these layers, to stand on pieces of the map. Knows nothing of boxes.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

from torch import nn

from seedbed.base.errors import UsageError
from seedbed.models.backbone import Backbone
from seedbed.models.feature_maps import spatial_layers


@dataclass(frozen=True, kw_only=True)
class Tail:
    """A module from pieces [r, c, side, side] to codes [r, dim]."""

    module: nn.Module
    side: int
    dim: int


def pretrained_box_head(backbone: Backbone) -> Tail:
    """The layers before the head in the sequence that holds it; raises UsageError where they take
    no map whole."""
    path, _, name = backbone.heads[0].rpartition(".")
    parent = backbone.module.get_submodule(path)
    layers = list(parent.named_children()) if isinstance(parent, nn.Sequential) else []
    before = (
        [module for child, module in layers[: [child for child, _ in layers].index(name)]]
        if layers
        else []
    )
    linear = [module for module in before if isinstance(module, nn.Linear)]
    channels = spatial_layers(backbone)[-1].dim if spatial_layers(backbone) else 0
    side = round((linear[0].in_features / channels) ** 0.5) if linear and channels else 0
    if not side or linear[0].in_features != channels * side**2:
        raise UsageError(
            f"{backbone.architecture} has no fully connected layers on its last map, as AlexNet and VGG have",
            "Take new ones: box_head='new'.",
        )
    first = next(i for i, module in enumerate(before) if isinstance(module, nn.Linear | nn.Dropout))
    module = nn.Sequential(nn.Flatten(1), *copy.deepcopy(before[first:]))
    return Tail(module=module, side=side, dim=linear[-1].out_features)
