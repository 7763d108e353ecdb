"""Images of more than 8 bits a pixel: 16-bit, 32-bit and floating-point grey.

Cameras of microscopes and satellites write 8, 10 or 12 bits into 16; scaled as 16 bits, such images
are nearly black. The bit depth is therefore that of the whole data set: the least one that holds
its largest value. That value, `white`, becomes 255.

In: the bytes of an image, or a grey image. Out: its largest value; the value of white of a data
set; 8-bit grey.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from seedbed.data.decode import is_deep

_PNG = b"\x89PNG\r\n\x1a\n"
_EIGHT_BITS = (b"\xff\xd8", b"GIF8", b"BM", b"RIFF")  # JPEG, GIF, BMP, WebP


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


def describe_white(white: float) -> str:
    """A sentence on how images of more than 8 bits are shown."""
    return f"images of more than 8 bits are scaled so that {white:,g} is white"
