"""The one decoder: encoded bytes -> square uint8 pixels.

In: the bytes of one image file. Out: RGB pixels of size_px x size_px: orientation applied, shorter side resized, centre crop;
and the width and height as found. Raises ValueError with a reason for what cannot be read. `REVISION` is raised by hand when
the meaning of the pixels changes.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageOps

REVISION = 1
RESIZE_RULE = "shorter side to size_px (antialiased bilinear), centre crop"


def decode(data: bytes, size_px: int) -> tuple[np.ndarray, int, int]:
    """uint8 [size_px, size_px, 3] pixels, width px, height px of one encoded image."""
    try:
        return _decode(data, size_px)
    except Exception as error:  # a damaged file may fail anywhere in a decoder
        raise ValueError(_reason(data, error)) from None


def _decode(data: bytes, size_px: int) -> tuple[np.ndarray, int, int]:
    with Image.open(io.BytesIO(data)) as image:
        width, height = image.size
        # JPEG may be decoded at 1/2, 1/4, 1/8 at no loss to what is kept: at least twice the target is left to the resize.
        image.draft("RGB", (2 * size_px, 2 * size_px))
        upright = ImageOps.exif_transpose(image)
        rgb = _on_white(upright)
    side = min(rgb.size)
    left, top = (rgb.size[0] - side) / 2, (rgb.size[1] - side) / 2
    if rgb.size != (size_px, size_px):
        box = (left, top, left + side, top + side)
        rgb = rgb.resize((size_px, size_px), Image.Resampling.BILINEAR, box=box)
    return np.asarray(rgb, dtype=np.uint8), width, height


def _on_white(image: Image.Image) -> Image.Image:
    """RGB; what is transparent becomes white, as a viewer would show it; 16-bit grey is scaled."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    if image.mode.startswith("I"):
        return Image.fromarray(_eight_bits(np.asarray(image))).convert("RGB")
    if image.mode == "F":
        raise ValueError("floating-point pixels have no known range: save the image with 8 or 16 bits")
    return image if image.mode == "RGB" else image.convert("RGB")


def _eight_bits(grey: np.ndarray) -> np.ndarray:
    """16-bit grey as 8 bits; deeper values have no known range."""
    if grey.min() < 0 or grey.max() > 65535:
        raise ValueError(f"pixels from {grey.min()} to {grey.max()} have no known range: save the image with 8 or 16 bits")
    return (grey.astype(np.int32) >> 8).astype(np.uint8)


def _reason(data: bytes, error: Exception) -> str:
    if not data:
        return "empty file"
    text = " ".join(str(error).split()) or type(error).__name__
    return "not an image that can be identified" if "cannot identify" in text else text
