"""Batched augmentation on device: padded crop and flip, as one gather.

In: uint8 pixels resident on a device, rows, and a key. Out: a float batch, channels-last. Each image's crop and flip are a
function of (key, its place in the stream of images seen), so that no generator has a state. Suffixes: B batch, H height, W width.
"""

from __future__ import annotations

import numpy as np
import torch

from seedbed.base.randomness import mix

# Pixels 0..255 become about -2..2. Constants, so that no network depends on the statistics of one arm's images.
MEAN, STD = 127.5, 64.0


def normalise(pixels: torch.Tensor) -> torch.Tensor:
    """uint8 [B, H, W, 3] -> float32 [B, 3, H, W] in channels-last memory order."""
    return ((pixels.float() - MEAN) * (1 / STD)).permute(0, 3, 1, 2)


def crop_and_flip(pixels: torch.Tensor, rows: torch.Tensor, places: np.ndarray, key: int, pad_px: int) -> torch.Tensor:
    """Crops of the image size from images reflected by `pad_px` at each side, half of them mirrored: uint8 [B, H, W, 3].

    `places` are the positions of these images in the stream of images seen, uint64 [B].
    """
    height, width = pixels.shape[1:3]
    bits = mix(places, key)
    num = np.uint64(2 * pad_px + 1)
    dy, dx = (bits % num).astype(np.int64) - pad_px, ((bits >> np.uint64(20)) % num).astype(np.int64) - pad_px
    flip = (bits >> np.uint64(63)).astype(bool)
    ys = _reflect(dy[:, None] + np.arange(height), height)
    xs = _reflect(dx[:, None] + np.arange(width), width)
    xs[flip] = xs[flip, ::-1]
    ys_BH, xs_BW = (torch.from_numpy(a).to(pixels.device, non_blocking=True) for a in (ys, xs))
    index = ((rows[:, None] * height + ys_BH)[:, :, None] * width + xs_BW[:, None, :]).reshape(-1)
    return pixels.view(-1, 3).index_select(0, index).view(len(rows), height, width, 3)


def _reflect(index: np.ndarray, size: int) -> np.ndarray:
    """Indices beyond the border, mirrored at it."""
    index = np.abs(index)
    return np.where(index >= size, 2 * (size - 1) - index, index)
