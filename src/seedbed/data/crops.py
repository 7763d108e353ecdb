"""Images that are parts of files: a person with what is around, a query inside a photograph.

In: files and boxes. Out: a reader of their pixels. Boxes are px of the file as it lies there,
without its orientation tag, since that is what was annotated.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass

import numpy as np
from PIL import Image

from seedbed.base.randomness import content_hash
from seedbed.data.decode import fit_square
from seedbed.data.image_files import OneImage, load_each
from seedbed.data.source import Loaded, Pixels


def with_context(
    box: tuple[float, float, float, float], factor: float
) -> tuple[float, float, float, float]:
    """A box (edges, px) grown about its centre: factor 1.5 makes each side half as long again."""
    left, top, right, bottom = box
    wider, higher = (right - left) * (factor - 1) / 2, (bottom - top) * (factor - 1) / 2
    return left - wider, top - higher, right + wider, bottom + higher


@dataclass(frozen=True)
class CropPixels(Pixels):
    """Parts of files, warped to squares; a row without a box (nan) is the whole image, fitted as
    others are."""

    root: str
    paths: np.ndarray  # str objects [n]
    boxes: np.ndarray  # float64 [n, 4]: edges in px, cut at the image's own

    def load(self, rows: np.ndarray, size_px: int, fit: str = "crop") -> Loaded:
        def one(row: int) -> OneImage:
            with open(os.path.join(self.root, str(self.paths[row])), "rb") as file:
                data = file.read()
            box = self.boxes[row]
            with _opened(data) as image:
                width, height = image.size
                if np.isnan(box).any():
                    return content_hash(data), fit_square(image, size_px, fit), width, height  # pyright: ignore[reportArgumentType]
                left, top, right, bottom = np.clip(box, 0, (width, height, width, height))
                if right - left < 1 or bottom - top < 1:
                    raise ValueError(
                        f"the box {box.tolist()} lies outside of an image of {width} x {height} px"
                    )
                part = image.convert("RGB").crop(
                    (int(left), int(top), int(np.ceil(right)), int(np.ceil(bottom)))
                )
                return (
                    content_hash(data + box.tobytes()),
                    fit_square(part, size_px, "squash"),
                    width,
                    height,
                )

        return load_each(rows, size_px, one)


def _opened(data: bytes) -> Image.Image:
    """Raises ValueError, with a reason that is the same each time, for what is no image."""
    try:
        return Image.open(io.BytesIO(data))
    except Image.UnidentifiedImageError:
        raise ValueError("not an image that can be identified" if data else "empty file") from None
    except Image.DecompressionBombError:
        raise ValueError("too many pixels to decode: save it smaller") from None
