"""digits(): scikit-learn's handwritten digits, 1,797 scans of 8 x 8 px in 10 classes (Alpaydin and
Kaynak 1998, UCI).

In: nothing; the data come with scikit-learn. Out: a Source. Grey values 0..16 become white on
black, resized.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from PIL import Image

from seedbed.data.formats import Format
from seedbed.data.memory_images import loaded_from_pixels
from seedbed.data.source import TRAIN, Loaded, Pixels, Source, from_records, listing_fingerprint


@dataclass(frozen=True)
class DigitPixels(Pixels):
    """The scans, enlarged (bilinear) to the requested size."""

    light: ClassVar[bool] = True

    def load(self, rows: np.ndarray, size_px: int, fit: str = "crop") -> Loaded:
        grey = (_load_scans()[0][rows] * (255 / 16)).astype(np.uint8)
        enlarged = [
            Image.fromarray(g).resize((size_px, size_px), Image.Resampling.BILINEAR) for g in grey
        ]
        pixels = np.repeat(np.stack([np.asarray(e) for e in enlarged])[..., None], 3, axis=3)
        return loaded_from_pixels(pixels, 8, 8)


@dataclass(frozen=True)
class Digits(Format):
    """scikit-learn's digits: 1,797 real 8 x 8 scans of handwritten digits, 10 classes."""

    def read(self) -> Source:
        _, labels = _load_scans()
        records = [(f"{i:04d}", str(label), TRAIN) for i, label in enumerate(labels)]
        return from_records(
            "digits()",
            records,
            pixels=DigitPixels(),
            listing=listing_fingerprint(["digits", str(len(labels))]),
        )


@functools.cache
def _load_scans() -> tuple[np.ndarray, np.ndarray]:
    """Grey values 0..16, float [1797, 8, 8], and labels, int [1797]."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    return np.asarray(images).reshape(-1, 8, 8), np.asarray(labels)
