"""Codes: the activations of a named layer for images.

In: a backbone, images on a device, a layer name. Out: float32 [n, d]. Maps are averaged over space (stated in `pooling`); the
network is in evaluation mode, so batch norm uses its running statistics. Knows nothing of labels.
"""

from __future__ import annotations

import torch

from seedbed.data.loader import Resident
from seedbed.models.backbone import PENULTIMATE, Backbone

_BATCH = 500


def pooling(backbone: Backbone, layer: str = PENULTIMATE) -> str:
    """How the layer's output becomes a vector."""
    return "mean over space" if len(backbone.layer(layer).shape) == 3 or backbone.layer(layer).name == "pool" else "as it is"


@torch.inference_mode()
def codes(backbone: Backbone, images: Resident, layer: str = PENULTIMATE) -> torch.Tensor:
    """Codes of all the images in order, in one pass: float32 [n, d], on the CPU."""
    caught: list[torch.Tensor] = []
    place = backbone.module.get_submodule(backbone.layer(layer).name)
    # A clone: a later in-place ReLU would overwrite what the hook saw.
    handle = place.register_forward_hook(lambda _m, _i, out: caught.append(_vector(out).clone()))
    backbone.module.eval()
    try:
        for batch in images.plain(_BATCH):
            backbone.module(batch)
    finally:
        handle.remove()
    return torch.cat(caught).float().cpu()


@torch.inference_mode()
def logits(backbone: Backbone, images: Resident) -> torch.Tensor:
    """The head's output for all the images in order: float32 [n, num_classes], on the CPU."""
    backbone.module.eval()
    return torch.cat([backbone.module(batch).float().cpu() for batch in images.plain(_BATCH)])


def _vector(output: torch.Tensor) -> torch.Tensor:
    return output.mean(dim=(2, 3)) if output.ndim == 4 else output
