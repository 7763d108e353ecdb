"""Pre-trained box head: the fully connected layers of a network between its last feature map and
its classifier (fc6 and fc7 of AlexNet and VGG).

In: a backbone. Out: a copy of these layers, which a detector applies to RoI features.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

from torch import nn

from seedbed.base.errors import UsageError
from seedbed.models.backbone import Backbone
from seedbed.models.feature_maps import spatial_layers


@dataclass(frozen=True, kw_only=True)
class PretrainedBoxHead:
    """A module from RoI features [r, c, side, side] to codes [r, dim]."""

    module: nn.Module
    side: int
    dim: int


def pretrained_box_head(backbone: Backbone) -> PretrainedBoxHead:
    """Copy the layers before the head, from the sequence that holds it.

    Raises UsageError if the first of them does not read a whole square feature map.
    """
    path, _, name = backbone.heads[0].rpartition(".")
    parent = backbone.module.get_submodule(path)
    layers = list(parent.named_children()) if isinstance(parent, nn.Sequential) else []
    names = [child for child, _ in layers]
    before = [module for _, module in layers[: names.index(name)]] if layers else []
    linear = [module for module in before if isinstance(module, nn.Linear)]
    channels = spatial_layers(backbone)[-1].dim if spatial_layers(backbone) else 0
    side = round((linear[0].in_features / channels) ** 0.5) if linear and channels else 0
    if not side or linear[0].in_features != channels * side**2:
        raise UsageError(
            f"{backbone.architecture} has no fully connected layers on its last feature map, as "
            "AlexNet and VGG have",
            "Use new layers: box_head='new'.",
        )
    first = next(i for i, module in enumerate(before) if isinstance(module, nn.Linear | nn.Dropout))
    module = nn.Sequential(nn.Flatten(1), *copy.deepcopy(before[first:]))
    return PretrainedBoxHead(module=module, side=side, dim=linear[-1].out_features)
