"""Batches of images that a program draws or holds in memory.

In: arrays of pixels. Out: `Loaded` batches.
"""

from __future__ import annotations

import numpy as np

from seedbed.base.randomness import content_hash
from seedbed.data.source import Loaded


def loaded_from_pixels(pixels: np.ndarray, width: int, height: int) -> Loaded:
    """Make a batch from uint8 pixels [k, size_px, size_px, 3]; checksums are of the pixels."""
    k = len(pixels)
    checksums = np.fromiter(
        (content_hash(np.ascontiguousarray(p).data) for p in pixels), np.uint64, count=k
    )
    return Loaded(
        pixels=pixels,
        widths=np.full(k, width, np.int32),
        heights=np.full(k, height, np.int32),
        checksums=checksums,
    )
