"""Codes: activations of layers for images.

In: a backbone, images on its device, layer names. Out: an array [n, d] for each layer, from one
forward pass, in memory or in a memory-mapped file. A layer is read after its ReLU, if it has one.
Feature maps are averaged over space and tokens over the sequence, or flattened. The network is in
evaluation mode: batch norm uses its running statistics, and dropout does nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from seedbed.base.errors import UsageError
from seedbed.data.images import Images
from seedbed.models.backbone import PENULTIMATE, Backbone
from seedbed.models.layers import Layer

_MAX_BATCH, _MIN_BATCH = 500, 16
_LARGEST_FLOAT16 = float(np.finfo(np.float16).max)
# Up to this side, batches are the largest; above, they have as many pixels as such a batch.
_FULL_BATCH_PX = 64


def pooling(layer: Layer, flatten: bool = False) -> str:
    """How the output of a layer becomes a vector, in words."""
    if layer.kind == "vector" or not flatten:
        return layer.pooling
    return f"flattened from {' x '.join(map(str, layer.shape))}"


def code_dim(layer: Layer, flatten: bool = False) -> int:
    """Length of the code of a layer."""
    return layer.flat_dim if flatten else layer.dim


def codes(
    backbone: Backbone,
    images: Images,
    layer: str = PENULTIMATE,
    on_progress: Callable[[int, int], None] | None = None,
) -> torch.Tensor:
    """Pooled codes of all images, in order: float32 [n, d], on the CPU."""
    row = backbone.layer(layer)
    array = np.empty((len(images), row.dim), np.float32)
    fill_codes(backbone, images, {row.name: array}, on_progress=on_progress)
    return torch.from_numpy(array)


def fill_codes(
    backbone: Backbone,
    images: Images,
    arrays: Mapping[str, np.ndarray],
    *,
    flatten: bool = False,
    transform: Callable[[torch.Tensor], torch.Tensor] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write the codes of several layers into arrays, all from one forward pass.

    Args:
        arrays: layer name -> float16 or float32 [n, d], in memory or memory-mapped.
        flatten: flatten feature maps instead of averaging them.
        transform: applied to each batch of images [b, 3, h, w] before the network: mirroring, say.
        on_progress: called with (images done, all images).
    """
    layers = {name: backbone.layer(name) for name in arrays}
    outputs: dict[str, torch.Tensor] = {}

    def store(name: str, layer: Layer) -> Callable[[torch.Tensor], None]:
        def use(output: torch.Tensor) -> None:
            values = layer.read(output).flatten(1) if flatten else layer.pooled(output)
            outputs[name] = values

        return use

    handles = [layer.hook(backbone.module, store(name, layer)) for name, layer in layers.items()]
    start = 0
    try:
        for _, num in _forward(backbone, images, transform):
            for name, values in outputs.items():
                _copy_codes(values, arrays[name][start : start + num], name)
            start += num
            if on_progress:
                on_progress(start, len(images))
    finally:
        for handle in handles:
            handle.remove()


def _copy_codes(values: torch.Tensor, array: np.ndarray, layer: str) -> None:
    """Copy codes into an array; raises UsageError where float16 would overflow."""
    largest = float(values.abs().max()) if array.dtype == np.float16 else 0.0
    if math.isfinite(largest) and largest > _LARGEST_FLOAT16:
        raise UsageError(
            f"codes of layer {layer!r} reach {largest:.4g}, above the largest float16 "
            f"({_LARGEST_FLOAT16:,.0f})",
            "Store them as float32: --dtype float32.",
        )
    array[...] = values.float().cpu().numpy()


def logits(
    backbone: Backbone, images: Images, on_progress: Callable[[int, int], None] | None = None
) -> torch.Tensor:
    """Outputs of the head for all images, in order: float32 [n, num_classes], on the CPU."""
    outputs = torch.empty(len(images), len(backbone.classes))
    start = 0
    for scores, num in _forward(backbone, images):
        outputs[start : start + num] = scores.float().cpu()
        start += num
        if on_progress:
            on_progress(start, len(images))
    return outputs


def _forward(
    backbone: Backbone,
    images: Images,
    transform: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> Iterator[tuple[torch.Tensor, int]]:
    """Class scores and number of images, batch by batch."""
    backbone.module.eval()
    with torch.inference_mode():
        for batch in images.plain(batch_size_for(backbone.size_px)):
            yield backbone.module(transform(batch) if transform else batch), len(batch)


def batch_size_for(size_px: int) -> int:
    """Images in a batch of a forward pass; fewer if they are large."""
    return int(max(_MIN_BATCH, min(_MAX_BATCH, _MAX_BATCH * (_FULL_BATCH_PX / size_px) ** 2)))


def layer_facts(backbone: Backbone, names: Sequence[str], flatten: bool) -> list[dict[str, Any]]:
    """Facts about the codes of each layer, for files and JSON documents."""
    layers = [backbone.layer(name) for name in names]
    return [
        {
            "layer": la.name,
            "dim": code_dim(la, flatten),
            "pooling": pooling(la, flatten),
            "after_relu": la.after_relu,
        }
        for la in layers
    ]
