"""The one decoder: encoded bytes -> square uint8 pixels.

In: the bytes of one image file. Out: RGB pixels of size_px x size_px, orientation applied; and the
width and height as found. Raises ValueError with a reason for what cannot be read. `REVISION` is
raised by hand when the meaning of the pixels changes.

JPEG is decoded by libjpeg-turbo (simplejpeg) at the smallest of its scales, eighths of the full
size, that is not below the target: what a full decode would add is thrown away by the resize, but
    for a small difference (docs/formats.md). All else, and every JPEG
that is odd or damaged, goes through Pillow.
"""

from __future__ import annotations

import io
import math
from typing import Any, Literal, get_args

import numpy as np
import simplejpeg
from PIL import Image, ImageOps

REVISION = 2
Fit = Literal["crop", "squash", "pad"]
FITS: tuple[str, ...] = get_args(Fit)
# What is done with an image that is no square; antialiased bilinear in each case.
RULES = {
    "crop": "shorter side to size_px, centre crop",
    "squash": "both sides to size_px, whatever the aspect",
    "pad": "longer side to size_px, the rest black",
}
_ORIENTATION = 0x0112
# A reason instead of a memory error: beyond this many pixels only JPEG is read, at reduced scale.
_MAX_PIXELS = 178_956_970


def decode(data: bytes, size_px: int, fit: Fit = "crop") -> tuple[np.ndarray, int, int]:
    """uint8 [size_px, size_px, 3] pixels, width px, height px of one encoded image."""
    if data[:2] == b"\xff\xd8" and (found := _decode_jpeg(data, size_px, fit)) is not None:
        return found
    try:
        return _decode_any(data, size_px, fit)
    except Exception as error:  # a damaged file may fail anywhere in a decoder
        raise ValueError(_reason(data, error)) from None


def decode_whole(
    data: bytes, short_px: int, long_px: int, *, upright: bool = False
) -> tuple[np.ndarray, int, int]:
    """The whole image as uint8 [h, w, 3], its shorter side `short_px`, or less where the longer
    would exceed `long_px`; width and height.

    Its orientation tag is looked at only if it is to be `upright`: boxes are px of the file as it
    lies there. Raises ValueError with a reason.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            if upright:
                image = ImageOps.exif_transpose(image)
            width, height = image.size
            inner = whole_size(width, height, short_px, long_px)
            image.draft("RGB", inner)
            return _resized(_on_white(image), inner, (0, 0, *image.size)), width, height
    except Exception as error:  # a damaged file may fail anywhere in a decoder
        raise ValueError(_reason(data, error)) from None


def whole_size(width: int, height: int, short_px: int, long_px: int) -> tuple[int, int]:
    """Width and height of an image whose shorter side becomes `short_px`, or less where the longer
    would exceed `long_px`."""
    scale = min(short_px / min(width, height), long_px / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def fit_square(image: Image.Image, size_px: int, fit: Fit = "crop") -> np.ndarray:
    """An image of any mode as uint8 [size_px, size_px, 3]."""
    rgb = _on_white(image)
    width, height = rgb.size
    if fit == "squash" or width == height:
        return _resized(rgb, (size_px, size_px), (0, 0, width, height))
    if fit == "crop":
        side = min(rgb.size)
        left, top = (width - side) / 2, (height - side) / 2
        return _resized(rgb, (size_px, size_px), (left, top, left + side, top + side))
    scale = size_px / max(rgb.size)
    inner = (max(1, round(width * scale)), max(1, round(height * scale)))
    square = np.zeros((size_px, size_px, 3), np.uint8)
    left, top = (size_px - inner[0]) // 2, (size_px - inner[1]) // 2
    square[top : top + inner[1], left : left + inner[0]] = _resized(
        rgb, inner, (0, 0, width, height)
    )
    return square


def _resized(
    rgb: Image.Image, size: tuple[int, int], box: tuple[float, float, float, float]
) -> np.ndarray:
    if rgb.size != size or box != (0, 0, *size):
        rgb = rgb.resize(size, Image.Resampling.BILINEAR, box=box)
    return np.asarray(rgb, dtype=np.uint8)


def _decode_jpeg(data: bytes, size_px: int, fit: Fit) -> tuple[np.ndarray, int, int] | None:
    """By libjpeg-turbo at a reduced scale; None for what is odd or damaged, which Pillow is then
    asked about."""
    try:
        header: tuple[Any, ...] = simplejpeg.decode_jpeg_header(data)
        height, width, colours = int(header[0]), int(header[1]), header[2]
        if colours not in ("YCbCr", "RGB", "Gray", "GRAY"):
            return None
        # Of the side that will be size_px: the shorter one, or the longer one when the image is
        # padded.
        kept = max(height, width) if fit == "pad" else min(height, width)
        lowest = (
            (math.ceil(height * size_px / kept), math.ceil(width * size_px / kept))
            if fit == "pad"
            else (size_px, size_px)
        )
        pixels = simplejpeg.decode_jpeg(data, "RGB", min_height=lowest[0], min_width=lowest[1])
        image = Image.fromarray(pixels)
        if (exif := _exif_of(data)) is not None:
            image = _upright(image, exif)
    except Exception:  # whatever is odd about it, Pillow is asked next
        return None
    return fit_square(image, size_px, fit), width, height


def _exif_of(data: bytes) -> bytes | None:
    """The EXIF block of a JPEG, where it has one: its segments are walked up to the first scan."""
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
        if marker == 0xDA:
            return None
        if marker == 0xE1 and data[place + 4 : place + 10] == b"Exif\x00\x00":
            return data[place + 4 : place + 2 + length]
        place += 2 + length
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


def _upright(image: Image.Image, exif: bytes) -> Image.Image:
    held = Image.Exif()
    held.load(exif)
    turn = _TURNS.get(held.get(_ORIENTATION, 1))
    return image if turn is None else image.transpose(turn)


def _decode_any(data: bytes, size_px: int, fit: Fit) -> tuple[np.ndarray, int, int]:
    with Image.open(io.BytesIO(data)) as image:
        width, height = image.size
        if width * height > _MAX_PIXELS and image.format != "JPEG":
            raise ValueError(
                f"{width:,} x {height:,} pixels are too many to decode: save it smaller, or as JPEG"
            )
        image.draft("RGB", (size_px, size_px))
        upright = ImageOps.exif_transpose(image)
        return fit_square(upright, size_px, fit), width, height


def _on_white(image: Image.Image) -> Image.Image:
    """RGB; what is transparent becomes white, as a viewer would show it; 16-bit grey is scaled."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    if image.mode.startswith("I"):
        return Image.fromarray(_eight_bits(np.asarray(image))).convert("RGB")
    if image.mode == "F":
        raise ValueError(
            "floating-point pixels have no known range: save the image with 8 or 16 bits"
        )
    return image if image.mode == "RGB" else image.convert("RGB")


def _eight_bits(grey: np.ndarray) -> np.ndarray:
    """16-bit grey as 8 bits; deeper values have no known range."""
    if grey.min() < 0 or grey.max() > 65535:
        raise ValueError(
            f"pixels from {grey.min()} to {grey.max()} have no known range: save the image with 8 or 16 bits"
        )
    return (grey.astype(np.int32) >> 8).astype(np.uint8)


_CONTAINERS = {
    b"heic": "HEIC: install pillow-heif (pip install 'seedbed[heic]'), or save it as JPEG",
    b"heix": "HEIC: install pillow-heif (pip install 'seedbed[heic]'), or save it as JPEG",
    b"mif1": "HEIF: install pillow-heif (pip install 'seedbed[heic]'), or save it as JPEG",
    b"avif": "AVIF: this Pillow was built without it; upgrade Pillow, or save it as JPEG",
}


def _reason(data: bytes, error: Exception) -> str:
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
    """HEIC photographs, where the extra is installed."""
    try:
        from pillow_heif import register_heif_opener  # pyright: ignore[reportMissingImports]
    except ImportError:
        return
    register_heif_opener()


_register_heif()
