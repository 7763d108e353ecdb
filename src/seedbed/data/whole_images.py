"""Decode images whole, for boxes: the shorter side to a length, the aspect kept.

In: the bytes of one image file, or an open image. Out: uint8 [h, w, 3], and the width and height of
the file.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageOps

from seedbed.data.decode import resize, to_rgb, why_unreadable


def decode_whole(
    data: bytes,
    short_px: int,
    long_px: int,
    *,
    upright: bool = False,
    white: float | None = None,
) -> tuple[np.ndarray, int, int]:
    """Decode a whole image to uint8 [h, w, 3]; also return its width and height in px.

    Args:
        data: the bytes of an image file.
        short_px: length of the shorter side, or less where the longer one would exceed `long_px`.
        long_px: largest length of the longer side.
        upright: apply the orientation tag. Boxes are in px of the file without it.
        white: the value that becomes 255 in an image of more than 8 bits.

    Raises:
        ValueError: the image cannot be read; the message is the reason.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            return fit_whole(image, short_px, long_px, upright=upright, white=white)
    except Exception as error:  # a damaged file may fail anywhere in a decoder
        raise ValueError(why_unreadable(data, error)) from None


def fit_whole(
    image: Image.Image,
    short_px: int,
    long_px: int,
    *,
    upright: bool = False,
    white: float | None = None,
) -> tuple[np.ndarray, int, int]:
    """`decode_whole` of an open image."""
    if upright:
        image = ImageOps.exif_transpose(image)
    width, height = image.size
    size = whole_size(width, height, short_px, long_px)
    image.draft("RGB", size)
    return resize(to_rgb(image, white), size, (0, 0, *image.size)), width, height


def whole_size(width: int, height: int, short_px: int, long_px: int) -> tuple[int, int]:
    """Width and height after `decode_whole`: the shorter side becomes `short_px`, or less where the
    longer one would exceed `long_px`."""
    scale = min(short_px / min(width, height), long_px / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))
