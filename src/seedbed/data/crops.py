"""Images that are parts of files: a person with its surroundings, a query inside a photograph.

In: files and boxes. Out: a reader of their pixels. Boxes are in px of the file without its
orientation tag, since annotators saw it so.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass

import numpy as np
from PIL import Image

from seedbed.base.randomness import content_hash
from seedbed.data.decode import fit_square
from seedbed.data.image_files import DecodedImage, load_each
from seedbed.data.source import Loaded, Pixels

Box = tuple[float, float, float, float]


def grow_box(box: Box, factor: float) -> Box:
    """Scale a box (edges, px) about its centre: with factor 1.5 each side is 1.5 times as long."""
    left, top, right, bottom = box
    wider, higher = (right - left) * (factor - 1) / 2, (bottom - top) * (factor - 1) / 2
    return left - wider, top - higher, right + wider, bottom + higher


@dataclass(frozen=True)
class CropPixels(Pixels):
    """Reads parts of files, warped to squares; a row without a box (nan) is the whole image, fitted
    by `fit`."""

    root: str
    paths: np.ndarray  # str objects [n]
    boxes: np.ndarray  # float64 [n, 4]: edges in px, clipped to the image when they are read

    def load(self, rows: np.ndarray, size_px: int, fit: str = "crop") -> Loaded:
        return load_each(rows, size_px, lambda row: self._load_one(row, size_px, fit))

    def _load_one(self, row: int, size_px: int, fit: str) -> DecodedImage:
        with open(os.path.join(self.root, str(self.paths[row])), "rb") as file:
            data = file.read()
        box = self.boxes[row]
        with _open_image(data) as image:
            width, height = image.size
            if np.isnan(box).any():
                pixels = fit_square(image, size_px, fit)  # pyright: ignore[reportArgumentType]
                return DecodedImage(content_hash(data), pixels, width, height)
            left, top, right, bottom = np.clip(box, 0, (width, height, width, height))
            if right - left < 1 or bottom - top < 1:
                raise ValueError(
                    f"the box {box.tolist()} lies outside of an image of {width} x {height} px"
                )
            edges = (int(left), int(top), int(np.ceil(right)), int(np.ceil(bottom)))
            pixels = fit_square(image.convert("RGB").crop(edges), size_px, "squash")
            return DecodedImage(content_hash(data + box.tobytes()), pixels, width, height)


def _open_image(data: bytes) -> Image.Image:
    """Open an image; raise ValueError, with a reason that is the same each time, for other data."""
    try:
        return Image.open(io.BytesIO(data))
    except Image.UnidentifiedImageError:
        raise ValueError("not an image that can be identified" if data else "empty file") from None
    except Image.DecompressionBombError:
        raise ValueError("too many pixels to decode: save it smaller") from None
