"""Batched augmentation on device: crops, flips and resized crops.

In: uint8 pixels on a device, rows, and a key. Out: a batch. Each image's crop and flip are a
function of (key, its place in the stream of images seen), so that no generator has a state.
Suffixes: B batch, H height, W width.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import torch

from seedbed.base.randomness import mix
from seedbed.data.preprocessing import Preprocessing

# of a resized crop, share of the image: ImageNet's usual 0.08 hides small images' objects
MIN_AREA = 0.25
MAX_ASPECT = 4 / 3


def normalise(
    pixels: torch.Tensor, preprocessing: Preprocessing, into: torch.Tensor | None = None
) -> torch.Tensor:
    """uint8 or float [B, H, W, 3] -> float32 [B, 3, H, W] in channels-last memory order; `into` is
    a float32 [B, H, W, 3] to use."""
    values = _as_float(pixels) if into is None else into.copy_(pixels)
    if preprocessing.is_grey:
        values.sub_(preprocessing.mean[0]).mul_(1 / preprocessing.std[0])
    else:
        # Whole images of scales and shifts: broadcasting over a last axis of three is slow on a
        # CPU, and one pass is enough.
        scale, shift = _planes(preprocessing, *pixels.shape[1:3], str(pixels.device))
        torch.addcmul(shift, values, scale, out=values)
    return values.permute(0, 3, 1, 2)


def _as_float(pixels: torch.Tensor) -> torch.Tensor:
    """float32, of memory that nothing else has."""
    return pixels.to(torch.float32, copy=True, memory_format=torch.contiguous_format)


@functools.lru_cache(maxsize=8)
def _planes(
    preprocessing: Preprocessing, height: int, width: int, device: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """float32 [H, W, 3] twice."""
    scale = 1 / torch.tensor(preprocessing.std, device=device)
    shift = -torch.tensor(preprocessing.mean, device=device) * scale
    return scale.expand(height, width, 3).contiguous(), shift.expand(height, width, 3).contiguous()


def centre_crop(pixels: torch.Tensor, size_px: int) -> torch.Tensor:
    """The middle [B, size_px, size_px, 3] of [B, H, W, 3]; a view."""
    top, left = (pixels.shape[1] - size_px) // 2, (pixels.shape[2] - size_px) // 2
    return pixels[:, top : top + size_px, left : left + size_px]


def crop_and_flip(
    pixels: torch.Tensor, rows: torch.Tensor, places: np.ndarray, key: int, size_px: int
) -> torch.Tensor:
    """Random crops of size_px, half of them mirrored: uint8 [B, size_px, size_px, 3].

    Images of that very size are first reflected by an eighth of it at each side. `places` are the
    positions of these images in the stream of images seen, uint64 [B].
    """
    height, width = pixels.shape[1:3]
    bits = mix(places, key)
    pad_y, pad_x = (size_px // 8 if side == size_px else 0 for side in (height, width))
    dy = (bits % np.uint64(height - size_px + 2 * pad_y + 1)).astype(np.int64) - pad_y
    dx = ((bits >> np.uint64(20)) % np.uint64(width - size_px + 2 * pad_x + 1)).astype(
        np.int64
    ) - pad_x
    flip = (bits >> np.uint64(63)).astype(bool)
    ys, xs = (
        _reflect(dy[:, None] + np.arange(size_px), height),
        _reflect(dx[:, None] + np.arange(size_px), width),
    )
    xs[flip] = xs[flip, ::-1]
    # Whole lines first: what is then gathered by pixels lies together, and 32-bit indices reach it.
    lines = rows[:, None] * height + torch.from_numpy(ys).to(pixels.device, non_blocking=True)
    near = pixels.view(-1, width * 3).index_select(0, lines.view(-1)).view(-1, 3)
    starts = torch.arange(
        0, lines.numel() * width, width, dtype=torch.int32, device=pixels.device
    ).view(lines.shape)
    across = torch.from_numpy(xs.astype(np.int32)).to(pixels.device, non_blocking=True)
    index = starts[:, :, None] + across[:, None, :]
    return near.index_select(0, index.view(-1)).view(len(rows), size_px, size_px, 3)


def _reflect(index: np.ndarray, size: int) -> np.ndarray:
    """Indices beyond the border, mirrored at it."""
    index = np.abs(index)
    return np.where(index >= size, 2 * (size - 1) - index, index)


def crop_boxes(
    places: np.ndarray, key: int, height: int, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Boxes of random resized crops (Szegedy et al. 2015), and which are mirrored: float64 [B, 4]
    as (top, left, height, width), bool [B].

    Area uniform in MIN_AREA..1 of the image, aspect log-uniform in 3/4..4/3, clipped to the image;
    position uniform.
    """
    area, aspect, y, x = (_uniform(places, key, i) for i in range(4))
    share, ratio = MIN_AREA + (1 - MIN_AREA) * area, np.exp((2 * aspect - 1) * math.log(MAX_ASPECT))
    tall = np.minimum(np.sqrt(share * height * width / ratio), height)
    wide = np.minimum(np.sqrt(share * height * width * ratio), width)
    boxes = np.stack([y * (height - tall), x * (width - wide), tall, wide], axis=1)
    return boxes, (mix(places, key) >> np.uint64(63)).astype(bool)


def _uniform(places: np.ndarray, key: int, which: int) -> np.ndarray:
    """float64 [B] in [0, 1)."""
    return (mix(mix(places, key), which + 1) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def resized_crop(
    pixels: torch.Tensor, rows: torch.Tensor, places: np.ndarray, key: int, size_px: int
) -> torch.Tensor:
    """Random resized crops, antialiased bilinear, half of them mirrored: float32 [B, size_px,
    size_px, 3], in units of pixels."""
    height, width = pixels.shape[1:3]
    boxes, flip = crop_boxes(places, key, height, width)
    spans = torch.from_numpy(boxes.astype(np.float32)).to(pixels.device, non_blocking=True)
    down_BSH, across_BSW = (
        _filters(spans[:, 0], spans[:, 2], height, size_px),
        _filters(spans[:, 1], spans[:, 3], width, size_px),
    )
    mirrored = torch.from_numpy(flip).to(pixels.device)
    across_BSW = torch.where(mirrored[:, None, None], across_BSW.flip(1), across_BSW)
    images = pixels.index_select(0, rows).float()
    # Two products of small matrices instead of gathers: an axis at a time, the other two lying
    # together.
    num = len(rows)
    rows_BSWC = torch.bmm(down_BSH, images.view(num, height, width * 3)).view(
        num, size_px, width, 3
    )
    columns = rows_BSWC.permute(0, 2, 1, 3).reshape(num, width, size_px * 3)
    return (
        torch.bmm(across_BSW, columns)
        .view(num, size_px, size_px, 3)
        .permute(0, 2, 1, 3)
        .contiguous()
    )


def _filters(starts: torch.Tensor, lengths: torch.Tensor, size: int, size_px: int) -> torch.Tensor:
    """What each of size_px outputs takes of `size` inputs, for a span of them: float32 [B, size_px,
    size], rows sum to 1.

    Triangles as wide as an output's step, and never narrower than an input's: Pillow's antialiased
    bilinear filter.
    """
    step = (lengths / size_px)[:, None]
    centres = starts[:, None] + (torch.arange(size_px, device=starts.device) + 0.5) * step
    support = step.clamp_min(1.0)[:, :, None]
    weights = torch.arange(size, device=starts.device) + 0.5 - centres[:, :, None]
    weights.abs_().div_(-support).add_(1).clamp_min_(0)
    return weights.div_(weights.sum(dim=2, keepdim=True))
