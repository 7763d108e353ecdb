"""Decode images: encoded bytes to square uint8 pixels.

In: the bytes of one image file. Out: RGB pixels of size_px x size_px, orientation applied, and the
width and height of the file. Raises ValueError with a reason for what cannot be read. `REVISION` is
raised by hand when the meaning of the pixels changes.

JPEG is decoded by libjpeg-turbo (simplejpeg) at a reduced scale: the smallest one, in eighths, that
is not below the target size. The resize would discard most of what a full decode adds
(docs/reference/formats.md). Pillow decodes everything else, and unusual or damaged JPEG.
"""

from __future__ import annotations

import functools
import io
import math
import os
from typing import Any, Literal, get_args

import numpy as np
import simplejpeg
from PIL import Image, ImageOps

from seedbed.data.bit_depth import is_deep, to_8_bits

REVISION = 2
Fit = Literal["crop", "squash", "pad"]
FITS: tuple[str, ...] = get_args(Fit)
# How an image that is not square becomes one; antialiased bilinear in each case.
RULES = {
    "crop": "shorter side to size_px, centre crop",
    "squash": "both sides to size_px, whatever the aspect",
    "pad": "longer side to size_px, the rest black",
}
_ORIENTATION = 0x0112
# Larger images are refused unless they are JPEG, which is read at reduced scale.
_MAX_PIXELS = 178_956_970


# Formats of Pillow that hold no photographs, need other programs, or are read by no decoder here.
_NO_PHOTOGRAPHS = frozenset(
    {
        "BUFR",
        "CUR",
        "EPS",
        "FITS",
        "FLI",
        "GBR",
        "GRIB",
        "HDF5",
        "ICNS",
        "ICO",
        "IPTC",
        "MPEG",
        "WMF",
    }
)
# Photographs that Pillow does not list: it reads .mpo as JPEG, and the others with a package that
# may be missing. Then the reason says which.
_LISTED_ALWAYS = frozenset({".avif", ".heic", ".heif", ".hif", ".jp2", ".mpo"})


@functools.cache
def image_suffixes() -> frozenset[str]:
    """Suffixes of image files, in lower case with their dots: those of the decoder."""
    suffixes = Image.registered_extensions()
    readable = {s for s, name in suffixes.items() if name in Image.OPEN}
    return _LISTED_ALWAYS | {s for s in readable if suffixes[s] not in _NO_PHOTOGRAPHS}


def has_image_suffix(path: str) -> bool:
    """Whether a file is an image by its name."""
    return os.path.splitext(path)[1].lower() in image_suffixes()


def decode(
    data: bytes, size_px: int, fit: Fit = "crop", white: float | None = None
) -> tuple[np.ndarray, int, int]:
    """Decode an image to uint8 [size_px, size_px, 3]; also return its width and height in px.

    `white`: the value that becomes 255 in an image of more than 8 bits (`bit_depth.white_value`).
    """
    if data[:2] == b"\xff\xd8" and (decoded := _decode_jpeg(data, size_px, fit)) is not None:
        return decoded
    try:
        return _decode_with_pillow(data, size_px, fit, white)
    except Exception as error:  # a damaged file may fail anywhere in a decoder
        raise ValueError(_reason(data, error)) from None


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
        raise ValueError(_reason(data, error)) from None


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
    return _resize(_to_rgb(image, white), size, (0, 0, *image.size)), width, height


def whole_size(width: int, height: int, short_px: int, long_px: int) -> tuple[int, int]:
    """Width and height after `decode_whole`: the shorter side becomes `short_px`, or less where the
    longer one would exceed `long_px`."""
    scale = min(short_px / min(width, height), long_px / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def fit_square(
    image: Image.Image, size_px: int, fit: Fit = "crop", white: float | None = None
) -> np.ndarray:
    """Convert an image of any mode to uint8 [size_px, size_px, 3]."""
    rgb = _to_rgb(image, white)
    width, height = rgb.size
    if fit == "squash" or width == height:
        return _resize(rgb, (size_px, size_px), (0, 0, width, height))
    if fit == "crop":
        side = min(rgb.size)
        left, top = (width - side) / 2, (height - side) / 2
        return _resize(rgb, (size_px, size_px), (left, top, left + side, top + side))
    scale = size_px / max(rgb.size)
    inner_width, inner_height = max(1, round(width * scale)), max(1, round(height * scale))
    square = np.zeros((size_px, size_px, 3), np.uint8)
    left, top = (size_px - inner_width) // 2, (size_px - inner_height) // 2
    inner = _resize(rgb, (inner_width, inner_height), (0, 0, width, height))
    square[top : top + inner_height, left : left + inner_width] = inner
    return square


def _resize(
    rgb: Image.Image, size: tuple[int, int], box: tuple[float, float, float, float]
) -> np.ndarray:
    if rgb.size != size or box != (0, 0, *size):
        rgb = rgb.resize(size, Image.Resampling.BILINEAR, box=box)
    return np.asarray(rgb, dtype=np.uint8)


def _decode_jpeg(data: bytes, size_px: int, fit: Fit) -> tuple[np.ndarray, int, int] | None:
    """Decode by libjpeg-turbo at a reduced scale; None for a JPEG that only Pillow may read."""
    try:
        header: tuple[Any, ...] = simplejpeg.decode_jpeg_header(data)
        height, width, colours = int(header[0]), int(header[1]), header[2]
        if colours not in ("YCbCr", "RGB", "Gray", "GRAY"):
            return None
        min_height = min_width = size_px
        if fit == "pad":
            longer = max(height, width)
            min_height = math.ceil(height * size_px / longer)
            min_width = math.ceil(width * size_px / longer)
        pixels = simplejpeg.decode_jpeg(data, "RGB", min_height=min_height, min_width=min_width)
        image = Image.fromarray(pixels)
        if (exif := _exif_block(data)) is not None:
            image = _turn_upright(image, exif)
    except Exception:  # Pillow may still read it
        return None
    return fit_square(image, size_px, fit), width, height


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
    turn = _TURNS.get(tags.get(_ORIENTATION, 1))
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
        image.draft("RGB", (size_px, size_px))
        upright = ImageOps.exif_transpose(image)
        return fit_square(upright, size_px, fit, white), width, height


def _to_rgb(image: Image.Image, white: float | None) -> Image.Image:
    """Convert to RGB: transparent parts become white, grey of more than 8 bits becomes 8-bit."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    if is_deep(image):
        return Image.fromarray(to_8_bits(image, white)).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


_CONTAINERS = {
    b"heic": "HEIC: install pillow-heif (pip install 'seedbed[heic]'), or save it as JPEG",
    b"heix": "HEIC: install pillow-heif (pip install 'seedbed[heic]'), or save it as JPEG",
    b"mif1": "HEIF: install pillow-heif (pip install 'seedbed[heic]'), or save it as JPEG",
    b"avif": "AVIF: this Pillow was built without it; upgrade Pillow, or save it as JPEG",
}


def _reason(data: bytes, error: Exception) -> str:
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
