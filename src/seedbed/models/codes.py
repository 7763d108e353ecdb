"""Codes: the activations of named layers for images.

In: a backbone, images on its device, layer names. Out: [n, d] for each layer, in one pass, into
memory or into a file that is mapped into memory. A layer is read after its ReLU where there is one;
maps are averaged over space and tokens over the sequence, or flattened where that is asked for
(stated). The network is in evaluation mode, always: batch norm uses its running statistics, dropout
does nothing. Knows nothing of labels.
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
# up to this side the largest batch is taken; above, as many images as have that many pixels
_FULL_BATCH_PX = 64


def pooling(layer: Layer, flatten: bool = False) -> str:
    """How a layer's output becomes a vector, in words."""
    if layer.kind == "vector" or not flatten:
        return layer.pooling
    return f"flattened from {' x '.join(map(str, layer.shape))}"


def code_dim(layer: Layer, flatten: bool = False) -> int:
    """Length of a code."""
    return layer.flat_dim if flatten else layer.dim


def codes(
    backbone: Backbone,
    images: Images,
    layer: str = PENULTIMATE,
    on_progress: Callable[[int, int], None] | None = None,
) -> torch.Tensor:
    """Pooled codes of all the images in order: float32 [n, d], on the CPU."""
    chosen = backbone.layer(layer)
    found = np.empty((len(images), chosen.dim), np.float32)
    fill_codes(backbone, images, {chosen.name: found}, on_progress=on_progress)
    return torch.from_numpy(found)


def fill_codes(
    backbone: Backbone,
    images: Images,
    into: Mapping[str, np.ndarray],
    *,
    flatten: bool = False,
    change: Callable[[torch.Tensor], torch.Tensor] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write the codes of several layers, one pass for all: each array float16 or float32 [n, d], in
    memory or mapped.

    `change` is done to each batch of images [b, 3, h, w] before the network sees it: mirroring,
    say.
    """
    layers = {name: backbone.layer(name) for name in into}
    caught: dict[str, torch.Tensor] = {}

    def catcher(name: str, layer: Layer) -> Callable[[torch.Tensor], None]:
        def use(output: torch.Tensor) -> None:
            values = layer.read(output).flatten(1) if flatten else layer.pooled(output)
            caught[name] = values

        return use

    handles = [layer.hook(backbone.module, catcher(name, layer)) for name, layer in layers.items()]
    start = 0
    try:
        for _, num in _forward(backbone, images, change):
            for name, values in caught.items():
                _put(values, into[name][start : start + num], name)
            start += num
            if on_progress:
                on_progress(start, len(images))
    finally:
        for handle in handles:
            handle.remove()


def _put(values: torch.Tensor, into: np.ndarray, layer: str) -> None:
    largest = float(values.abs().max()) if into.dtype == np.float16 else 0.0
    if math.isfinite(largest) and largest > _LARGEST_FLOAT16:
        raise UsageError(
            f"codes of layer {layer!r} reach {largest:.4g}, more than float16 holds ({_LARGEST_FLOAT16:,.0f})",
            "Keep them as float32: --dtype float32.",
        )
    into[...] = values.float().cpu().numpy()


def logits(
    backbone: Backbone, images: Images, on_progress: Callable[[int, int], None] | None = None
) -> torch.Tensor:
    """The head's output for all the images in order: float32 [n, num_classes], on the CPU."""
    found = torch.empty(len(images), len(backbone.classes))
    start = 0
    for scores, num in _forward(backbone, images):
        found[start : start + num] = scores.float().cpu()
        start += num
        if on_progress:
            on_progress(start, len(images))
    return found


def _forward(
    backbone: Backbone, images: Images, change: Callable[[torch.Tensor], torch.Tensor] | None = None
) -> Iterator[tuple[torch.Tensor, int]]:
    """Class scores of one batch after another, and how many images it holds."""
    backbone.module.eval()
    with torch.inference_mode():
        for batch in images.plain(batch_size_for(backbone.size_px)):
            yield backbone.module(change(batch) if change else batch), len(batch)


def batch_size_for(size_px: int) -> int:
    """Images in a batch of a forward pass: few where they are large."""
    return int(max(_MIN_BATCH, min(_MAX_BATCH, _MAX_BATCH * (_FULL_BATCH_PX / size_px) ** 2)))


def layer_facts(backbone: Backbone, names: Sequence[str], flatten: bool) -> list[dict[str, Any]]:
    """What a file or a document says of each layer's codes."""
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
