"""One batch of packing, done by a thread or by a worker process.

In: a part of a source's pixel reader, and where its rows go. Out: the columns of those rows; their pixels are in place. Knows nothing of
labels.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from seedbed.base.randomness import content_hash
from seedbed.data.decode import decode
from seedbed.data.duplicates import describe
from seedbed.data.files import EncodedPixels, OneImage, load_each
from seedbed.data.source import Loaded, Pixels

_NO_PIXELS = np.zeros((0, 0, 0, 3), np.uint8)
_NOT_DESCRIBED = np.zeros((0, 0), np.uint8)


@dataclass(frozen=True, kw_only=True)
class Form:
    """What a store holds of each image."""

    size_px: int
    fit: str = "crop"
    encoded: bool = False

    def to_card(self) -> dict[str, Any]:
        return {"kind": "encoded" if self.encoded else "pixels", "size_px": self.size_px, "fit": self.fit}

    def __str__(self) -> str:
        return f"at {self.size_px} px" + (f", {self.fit}" if self.fit != "crop" else "") + (", encoded" if self.encoded else "")


@dataclass(frozen=True, kw_only=True)
class Packed(Loaded):
    """A batch as packing takes it: files' own bytes where these are kept, and what near duplicates are told by."""

    descriptors: np.ndarray  # uint8 [k, 192], or nothing of sources that are drawn
    encoded: list[bytes] = field(default_factory=list)


@dataclass(frozen=True)
class Job:
    """Rows to pack: a reader of these rows alone, and the pixel file that they go into, or none where their bytes are kept."""

    pixels: EncodedPixels
    rows: np.ndarray
    form: Form
    place: str | None


def run(job: Job) -> Packed:
    """Do a job in a worker process: pixels go straight into the store's file, and columns come back."""
    warnings.simplefilter("ignore")  # Pillow warns of odd metadata; pixels decide here
    loaded = loader_of(job.pixels, job.form)(np.arange(len(job.rows)))
    if job.place is None:
        return loaded
    file = np.load(job.place, mmap_mode="r+")
    file[job.rows[0] : job.rows[-1] + 1] = loaded.pixels
    return replace(loaded, pixels=_NO_PIXELS)


def loader_of(pixels: Pixels, form: Form) -> Callable[[np.ndarray], Packed]:
    """What loads rows in the form that a store holds."""
    if form.encoded:
        assert isinstance(pixels, EncodedPixels)
        return lambda rows: _load_bytes(pixels, rows, form)
    return lambda rows: _load_pixels(pixels, rows, form)


def _load_pixels(pixels: Pixels, rows: np.ndarray, form: Form) -> Packed:
    loaded = pixels.load(rows, form.size_px, form.fit)
    described = _NOT_DESCRIBED if pixels.light else describe(loaded.pixels)
    columns = {f.name: getattr(loaded, f.name) for f in fields(Loaded)}
    return Packed(**columns, descriptors=described)


def _load_bytes(pixels: EncodedPixels, rows: np.ndarray, form: Form) -> Packed:
    """Bytes as found; each image is decoded once, so that a damaged one is found now and not in a training."""
    kept: dict[int, bytes] = {}

    def one(row: int) -> OneImage:
        data = pixels.read(row)
        found = content_hash(data), *decode(data, form.size_px, form.fit)  # pyright: ignore[reportArgumentType]
        kept[row] = data
        return found

    loaded = load_each(rows, form.size_px, one)
    columns = {f.name: getattr(loaded, f.name) for f in fields(Loaded)} | {"pixels": _NO_PIXELS}
    return Packed(**columns, descriptors=describe(loaded.pixels), encoded=[kept.get(int(row), b"") for row in rows])
