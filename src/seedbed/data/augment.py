"""Batched augmentation on the device: crops, flips and resized crops.

In: uint8 pixels on a device, rows, and a key. Out: a batch.
The crop and flip of an image are a function of (key, counter), where the counter is the number of
images drawn before it; there is no generator with a state. Suffixes: B batch, H height, W width,
S size_px, C channels.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import torch

from seedbed.base.randomness import mix
from seedbed.data.preprocessing import Preprocessing

# Smallest share of the image that a resized crop shows: with 0.08, as usual for ImageNet, crops of
# small images often miss the object.
MIN_AREA = 0.25
MAX_ASPECT = 4 / 3


def normalise(
    pixels: torch.Tensor, preprocessing: Preprocessing, into: torch.Tensor | None = None
) -> torch.Tensor:
    """Subtract the mean and divide by the standard deviation.

    Args:
        pixels: uint8 or float [B, H, W, 3].
        preprocessing: mean and standard deviation of each channel.
        into: float32 [B, H, W, 3], memory for the result; None allocates it.

    Returns:
        float32 [B, 3, H, W] in channels-last memory order.
    """
    values = _to_float(pixels) if into is None else into.copy_(pixels)
    if preprocessing.is_grey:
        values.sub_(preprocessing.mean[0]).mul_(1 / preprocessing.std[0])
    else:
        # Scales and shifts as whole images: broadcasting over a last axis of length three is slow
        # on a CPU.
        scale, shift = _planes(preprocessing, *pixels.shape[1:3], str(pixels.device))
        torch.addcmul(shift, values, scale, out=values)
    return values.permute(0, 3, 1, 2)


def _to_float(pixels: torch.Tensor) -> torch.Tensor:
    """A float32 copy in new memory."""
    return pixels.to(torch.float32, copy=True, memory_format=torch.contiguous_format)


@functools.lru_cache(maxsize=8)
def _planes(
    preprocessing: Preprocessing, height: int, width: int, device: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Scale and shift of each pixel: float32 [H, W, 3] each."""
    scale = 1 / torch.tensor(preprocessing.std, device=device)
    shift = -torch.tensor(preprocessing.mean, device=device) * scale
    return scale.expand(height, width, 3).contiguous(), shift.expand(height, width, 3).contiguous()


def centre_crop(pixels: torch.Tensor, size_px: int) -> torch.Tensor:
    """The middle [B, size_px, size_px, 3] of [B, H, W, 3]; a view."""
    top, left = (pixels.shape[1] - size_px) // 2, (pixels.shape[2] - size_px) // 2
    return pixels[:, top : top + size_px, left : left + size_px]


def crop_and_flip(
    pixels: torch.Tensor, rows: torch.Tensor, counters: np.ndarray, key: int, size_px: int
) -> torch.Tensor:
    """Random crops of size_px, half of them mirrored: uint8 [B, size_px, size_px, 3].

    Images of exactly that size are first padded by reflection, by an eighth of it at each side.
    `counters`, uint64 [B], is the number of images drawn before each.
    """
    height, width = pixels.shape[1:3]
    bits = mix(counters, key)
    pad_y, pad_x = (size_px // 8 if side == size_px else 0 for side in (height, width))
    dy = (bits % np.uint64(height - size_px + 2 * pad_y + 1)).astype(np.int64) - pad_y
    x_bits = bits >> np.uint64(20)
    dx = (x_bits % np.uint64(width - size_px + 2 * pad_x + 1)).astype(np.int64) - pad_x
    flip = (bits >> np.uint64(63)).astype(bool)
    ys = _reflect(dy[:, None] + np.arange(size_px), height)
    xs = _reflect(dx[:, None] + np.arange(size_px), width)
    xs[flip] = xs[flip, ::-1]
    # Lines are gathered first: their pixels are then close in memory, within 32-bit indices.
    lines = rows[:, None] * height + torch.from_numpy(ys).to(pixels.device, non_blocking=True)
    gathered = pixels.view(-1, width * 3).index_select(0, lines.view(-1)).view(-1, 3)
    num = lines.numel() * width
    starts = torch.arange(0, num, width, dtype=torch.int32, device=pixels.device)
    columns = torch.from_numpy(xs.astype(np.int32)).to(pixels.device, non_blocking=True)
    index = starts.view(lines.shape)[:, :, None] + columns[:, None, :]
    return gathered.index_select(0, index.view(-1)).view(len(rows), size_px, size_px, 3)


def _reflect(index: np.ndarray, size: int) -> np.ndarray:
    """Mirror indices beyond the border at it."""
    index = np.abs(index)
    return np.where(index >= size, 2 * (size - 1) - index, index)


def crop_boxes(
    counters: np.ndarray, key: int, height: int, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw boxes of random resized crops (Szegedy et al. 2015), and which are mirrored.

    The area is uniform in MIN_AREA..1 of the image, the aspect log-uniform in 3/4..4/3, the
    position uniform; boxes are clipped to the image.

    Returns:
        float64 [B, 4] as (top, left, height, width), and bool [B].
    """
    area, aspect, y, x = (_uniform(counters, key, i) for i in range(4))
    share, ratio = MIN_AREA + (1 - MIN_AREA) * area, np.exp((2 * aspect - 1) * math.log(MAX_ASPECT))
    box_height = np.minimum(np.sqrt(share * height * width / ratio), height)
    box_width = np.minimum(np.sqrt(share * height * width * ratio), width)
    top, left = y * (height - box_height), x * (width - box_width)
    boxes = np.stack([top, left, box_height, box_width], axis=1)
    return boxes, (mix(counters, key) >> np.uint64(63)).astype(bool)


def _uniform(counters: np.ndarray, key: int, index: int) -> np.ndarray:
    """The random number `index` of each image: float64 [B] in [0, 1)."""
    return (mix(mix(counters, key), index + 1) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def resized_crop(
    pixels: torch.Tensor, rows: torch.Tensor, counters: np.ndarray, key: int, size_px: int
) -> torch.Tensor:
    """Random resized crops, antialiased bilinear, half of them mirrored.

    Returns:
        float32 [B, size_px, size_px, 3], values 0..255.
    """
    (height, width), num = pixels.shape[1:3], len(rows)
    boxes, flip = crop_boxes(counters, key, height, width)
    spans = torch.from_numpy(boxes.astype(np.float32)).to(pixels.device, non_blocking=True)
    filters_BSH = _resize_filters(spans[:, 0], spans[:, 2], height, size_px)
    filters_BSW = _resize_filters(spans[:, 1], spans[:, 3], width, size_px)
    mirrored = torch.from_numpy(flip).to(pixels.device)
    filters_BSW = torch.where(mirrored[:, None, None], filters_BSW.flip(1), filters_BSW)
    images = pixels.index_select(0, rows).float()
    # Two products of small matrices are faster than gathers: one axis at a time, the other two
    # side by side in memory.
    lines_BSWC = torch.bmm(filters_BSH, images.view(num, height, width * 3))
    lines_BSWC = lines_BSWC.view(num, size_px, width, 3)
    columns = lines_BSWC.permute(0, 2, 1, 3).reshape(num, width, size_px * 3)
    resized = torch.bmm(filters_BSW, columns).view(num, size_px, size_px, 3)
    return resized.permute(0, 2, 1, 3).contiguous()


def _resize_filters(
    starts: torch.Tensor, lengths: torch.Tensor, size: int, size_px: int
) -> torch.Tensor:
    """Weights that resize a span of `size` inputs to size_px outputs: float32 [B, size_px, size].

    This is Pillow's antialiased bilinear filter: triangles as wide as the step of the outputs, and
    at least as wide as that of the inputs. Each row sums to 1.
    """
    step = (lengths / size_px)[:, None]
    centres = starts[:, None] + (torch.arange(size_px, device=starts.device) + 0.5) * step
    support = step.clamp_min(1.0)[:, :, None]
    weights = torch.arange(size, device=starts.device) + 0.5 - centres[:, :, None]
    weights.abs_().div_(-support).add_(1).clamp_min_(0)
    return weights.div_(weights.sum(dim=2, keepdim=True))
