"""Decode images: encoded bytes to square uint8 pixels.

In: the bytes of one image file. Out: RGB pixels of size_px x size_px, orientation applied, and the
width and height of the file. Raises ValueError with a reason for what cannot be read. `REVISION` is
raised by hand when the meaning of the pixels changes.

This file needs numpy, Pillow and simplejpeg alone: `export` copies it beside a model, so that other
programs decode images as `predict` does.

JPEG is decoded by libjpeg-turbo (simplejpeg) at a reduced scale: the smallest one, in eighths, that
is not below the target size. The resize would discard most of what a full decode adds
(docs/reference/formats.md). For the bicubic rules, which published networks need, it is not below
twice the target size: such networks were trained on full decodes (docs/log.md). Pillow decodes
everything else, and unusual or damaged JPEG.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable
from typing import Any, Literal, get_args

import numpy as np
import simplejpeg
from PIL import Image, ImageOps

REVISION = 2
# How an image becomes square, and after "_" the interpolation where it is not bilinear.
Fit = Literal["crop", "squash", "pad", "crop_bicubic", "squash_bicubic", "pad_bicubic"]
FITS: tuple[str, ...] = get_args(Fit)
_SHAPES = {
    "crop": "shorter side to size_px, centre crop",
    "squash": "both sides to size_px, whatever the aspect",
    "pad": "longer side to size_px, the rest black",
}
ORIENTATION_TAG = 0x0112
# Larger images are refused unless they are JPEG, which is read at reduced scale.
_MAX_PIXELS = 178_956_970
MAX_16_BIT = 65535.0
_WHITES = (1.0, *(2.0**bits - 1 for bits in (8, 10, 12, 14, 16)))


def decode(
    data: bytes, size_px: int, fit: Fit = "crop", white: float | None = None
) -> tuple[np.ndarray, int, int]:
    """Decode an image to uint8 [size_px, size_px, 3]; also return its width and height in px.

    `white`: the value that becomes 255 in an image of more than 8 bits (`white_value`).
    """
    if data[:2] == b"\xff\xd8" and (decoded := _decode_jpeg(data, size_px, fit)) is not None:
        return decoded
    try:
        return _decode_with_pillow(data, size_px, fit, white)
    except Exception as error:  # a damaged file may fail anywhere in a decoder
        raise ValueError(why_unreadable(data, error)) from None


def describe_fit(fit: str) -> str:
    """How an image becomes a square, in words."""
    shape, _, interpolation = fit.partition("_")
    return f"{_SHAPES[shape]}; antialiased {interpolation or 'bilinear'}"


def fit_square(
    image: Image.Image, size_px: int, fit: Fit = "crop", white: float | None = None
) -> np.ndarray:
    """Convert an image of any mode to uint8 [size_px, size_px, 3]."""
    rgb = to_rgb(image, white)
    width, height = rgb.size
    shape, _, interpolation = fit.partition("_")
    if shape == "squash" or width == height:
        return resize(rgb, (size_px, size_px), (0, 0, width, height), interpolation)
    if shape == "crop":
        side = min(rgb.size)
        left, top = (width - side) / 2, (height - side) / 2
        box = (left, top, left + side, top + side)
        return resize(rgb, (size_px, size_px), box, interpolation)
    scale = size_px / max(rgb.size)
    inner_width, inner_height = max(1, round(width * scale)), max(1, round(height * scale))
    square = np.zeros((size_px, size_px, 3), np.uint8)
    left, top = (size_px - inner_width) // 2, (size_px - inner_height) // 2
    inner = resize(rgb, (inner_width, inner_height), (0, 0, width, height), interpolation)
    square[top : top + inner_height, left : left + inner_width] = inner
    return square


def resize(
    rgb: Image.Image,
    size: tuple[int, int],
    box: tuple[float, float, float, float],
    interpolation: str = "",
) -> np.ndarray:
    """A part of an image at a size, antialiased: bilinear, or "bicubic"."""
    kernels = Image.Resampling
    if rgb.size != size or box != (0, 0, *size):
        kernel = kernels.BICUBIC if interpolation == "bicubic" else kernels.BILINEAR
        rgb = rgb.resize(size, kernel, box=box)
    return np.asarray(rgb, dtype=np.uint8)


def _decode_jpeg(data: bytes, size_px: int, fit: Fit) -> tuple[np.ndarray, int, int] | None:
    """Decode by libjpeg-turbo at a reduced scale; None for a JPEG that only Pillow may read."""
    try:
        header: tuple[Any, ...] = simplejpeg.decode_jpeg_header(data)
        height, width, colours = int(header[0]), int(header[1]), header[2]
        if colours not in ("YCbCr", "RGB", "Gray", "GRAY"):
            return None
        least_px = _least_px(size_px, fit)
        min_height = min_width = least_px
        if fit.startswith("pad"):
            longer = max(height, width)
            min_height = math.ceil(height * least_px / longer)
            min_width = math.ceil(width * least_px / longer)
        pixels = simplejpeg.decode_jpeg(data, "RGB", min_height=min_height, min_width=min_width)
        image = Image.fromarray(pixels)
        if (exif := _exif_block(data)) is not None:
            image = _turn_upright(image, exif)
    except Exception:  # Pillow may still read it
        return None
    return fit_square(image, size_px, fit), width, height


def _least_px(size_px: int, fit: Fit) -> int:
    """The least side of a JPEG that is decoded at a reduced scale."""
    return 2 * size_px if fit.endswith("_bicubic") else size_px


def _exif_block(data: bytes) -> bytes | None:
    """The EXIF block of a JPEG, if it has one before its first scan."""
    offset = 2
    while offset + 4 <= len(data) and data[offset] == 0xFF:
        marker, length = data[offset + 1], int.from_bytes(data[offset + 2 : offset + 4], "big")
        if marker == 0xDA:
            return None
        if marker == 0xE1 and data[offset + 4 : offset + 10] == b"Exif\x00\x00":
            return data[offset + 4 : offset + 2 + length]
        offset += 2 + length
    return None


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _turn_upright(image: Image.Image, exif: bytes) -> Image.Image:
    tags = Image.Exif()
    tags.load(exif)
    turn = _TURNS.get(tags.get(ORIENTATION_TAG, 1))
    return image if turn is None else image.transpose(turn)


def _decode_with_pillow(
    data: bytes, size_px: int, fit: Fit, white: float | None
) -> tuple[np.ndarray, int, int]:
    with Image.open(io.BytesIO(data)) as image:
        width, height = image.size
        if width * height > _MAX_PIXELS and image.format != "JPEG":
            raise ValueError(
                f"{width:,} x {height:,} pixels are too many to decode: save it smaller, or as JPEG"
            )
        least_px = _least_px(size_px, fit)
        image.draft("RGB", (least_px, least_px))
        upright = ImageOps.exif_transpose(image)
        return fit_square(upright, size_px, fit, white), width, height


def to_rgb(image: Image.Image, white: float | None) -> Image.Image:
    """Convert to RGB: transparent parts become white, grey of more than 8 bits becomes 8-bit."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    if is_deep(image):
        return Image.fromarray(to_8_bits(image, white)).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def is_deep(image: Image.Image) -> bool:
    """Whether an image has one channel of more than 8 bits."""
    return image.mode.startswith("I") or image.mode == "F"


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


_CONTAINERS = {
    b"heic": "HEIC: install pillow-heif (pip install 'seedbed[heic]'), or save it as JPEG",
    b"heix": "HEIC: install pillow-heif (pip install 'seedbed[heic]'), or save it as JPEG",
    b"mif1": "HEIF: install pillow-heif (pip install 'seedbed[heic]'), or save it as JPEG",
    b"avif": "AVIF: this Pillow was built without it; upgrade Pillow, or save it as JPEG",
}


def why_unreadable(data: bytes, error: Exception) -> str:
    """Why an image cannot be decoded, for the list of unreadable images."""
    if not data:
        return "empty file"
    if isinstance(error, Image.DecompressionBombError):
        return "too many pixels to decode: save it smaller, or as JPEG"
    text = " ".join(str(error).split()) or type(error).__name__
    if "cannot identify" not in text:
        return text
    container = data[8:12] if data[4:8] == b"ftyp" else b""
    return _CONTAINERS.get(container, "not an image that can be identified")


def _register_heif() -> None:
    """Let Pillow read HEIC photographs, if the extra is installed."""
    try:
        from pillow_heif import register_heif_opener  # pyright: ignore[reportMissingImports]
    except ImportError:
        return
    register_heif_opener()


_register_heif()
