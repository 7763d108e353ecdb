"""Images of more than 8 bits a pixel: 16-bit, 32-bit and floating-point grey.

Cameras of microscopes and satellites write 8, 10 or 12 bits into 16; scaled as 16 bits, such images
are nearly black. The bit depth is therefore that of the whole data set: the least one that holds
its largest value. That value, `white`, becomes 255.

In: the bytes of an image, or a grey image. Out: its largest value; the value of white of a data
set; 8-bit grey.
"""

from __future__ import annotations

import io
from collections.abc import Iterable

import numpy as np
from PIL import Image

MAX_16_BIT = 65535.0
_PNG = b"\x89PNG\r\n\x1a\n"
_EIGHT_BITS = (b"\xff\xd8", b"GIF8", b"BM", b"RIFF")  # JPEG, GIF, BMP, WebP
_WHITES = (1.0, *(2.0**bits - 1 for bits in (8, 10, 12, 14, 16)))


def is_deep(image: Image.Image) -> bool:
    """Whether an image has one channel of more than 8 bits."""
    return image.mode.startswith("I") or image.mode == "F"


def peak(data: bytes) -> float | None:
    """The largest value of an encoded image of more than 8 bits; None for another image, or one
    that cannot be read."""
    if data.startswith(_EIGHT_BITS) or (data.startswith(_PNG) and data[24:25] != b"\x10"):
        return None
    try:
        with Image.open(io.BytesIO(data)) as image:
            return float(np.asarray(image).max()) if is_deep(image) else None
    except Exception:  # the decoder gives the reason
        return None


def white_value(peaks: Iterable[float]) -> float:
    """The value that becomes 255 in a data set with these largest values: the largest value of the
    least bit depth (8, 10, 12, 14 or 16) that holds them all; 1 for values up to 1."""
    largest = max(peaks)
    return next((white for white in _WHITES if largest <= white), largest)


def to_8_bits(image: Image.Image, white: float | None = None) -> np.ndarray:
    """Scale grey values of 0..white to 0..255: uint8 [height, width].

    Without `white`, integers are taken as 16 bits, and floating-point values by the largest of the
    image. Raises ValueError for values below 0, above white, or that are no numbers.
    """
    values = np.asarray(image)
    low, high = float(values.min()), float(values.max())
    if not np.isfinite([low, high]).all():
        raise ValueError("some pixels are no numbers")
    if white is None:
        white = white_value([high]) if values.dtype.kind == "f" else MAX_16_BIT
    if low < 0 or high > white:
        raise ValueError(
            f"pixels from {low:g} to {high:g} have no known range: save the image with 8 or 16 bits"
        )
    if white == MAX_16_BIT:
        return (values.astype(np.int64) >> 8).astype(np.uint8)
    return np.rint(values * (255.0 / white)).astype(np.uint8)


def describe_white(white: float) -> str:
    """A sentence on how images of more than 8 bits are shown."""
    return f"images of more than 8 bits are scaled so that {white:,g} is white"
