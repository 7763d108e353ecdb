"""Images that a program draws or holds in memory: the pixel readers of generated sources.

In: functions or arrays. Out: `Loaded` batches. Knows nothing of labels or files.
"""

from __future__ import annotations

import numpy as np

from seedbed.base.randomness import content_hash
from seedbed.data.source import Loaded


def loaded_from_pixels(pixels: np.ndarray, width: int, height: int) -> Loaded:
    """A batch from uint8 pixels [k, size_px, size_px, 3]: checksums are taken of the pixels
    themselves."""
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
