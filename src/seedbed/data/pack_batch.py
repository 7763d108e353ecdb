"""One batch of packing, done by a thread or by a worker process.

In: a part of a source's pixel reader, and where its rows go. Out: the columns of those rows; their
pixels are in place. Knows nothing of labels.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from seedbed.base.randomness import content_hash
from seedbed.base.worker_pool import WorkerDiedError, run_jobs
from seedbed.data.decode import decode
from seedbed.data.duplicates import COARSE_PX, describe
from seedbed.data.image_files import EncodedPixels, OneImage, load_each
from seedbed.data.source import Loaded, Pixels

_NO_PIXELS = np.zeros((0, 0, 0, 3), np.uint8)
_RUN, _HOPELESS = "seedbed.data.pack_batch:run", 3
_NOT_DESCRIBED = np.zeros((0, 0), np.uint8)


@dataclass(frozen=True, kw_only=True)
class Form:
    """What a store holds of each image."""

    size_px: int
    fit: str = "crop"
    encoded: bool = False

    def to_card(self) -> dict[str, Any]:
        return {
            "kind": "encoded" if self.encoded else "pixels",
            "size_px": self.size_px,
            "fit": self.fit,
        }

    def __str__(self) -> str:
        return (
            f"at {self.size_px} px"
            + (f", {self.fit}" if self.fit != "crop" else "")
            + (", encoded" if self.encoded else "")
        )


@dataclass(frozen=True, kw_only=True)
class Packed(Loaded):
    """A batch as packing takes it: files' own bytes where these are kept, and what near duplicates
    are told by."""

    descriptors: np.ndarray  # uint8 [k, 192], or nothing of sources that are drawn
    encoded: list[bytes] = field(default_factory=list)


@dataclass(frozen=True)
class Job:
    """Rows to pack: a reader of these rows alone, and the pixel file that they go into, or none
    where their bytes are kept."""

    pixels: EncodedPixels
    rows: np.ndarray
    form: Form
    place: str | None


def run(job: Job) -> Packed:
    """Do a job in a worker process: pixels go straight into the store's file, and columns come
    back."""
    warnings.simplefilter("ignore")  # Pillow warns of odd metadata; pixels decide here
    loaded = loader_of(job.pixels, job.form)(np.arange(len(job.rows)))
    if job.place is None:
        return loaded
    file = np.load(job.place, mmap_mode="r+")
    file[job.rows[0] : job.rows[-1] + 1] = loaded.pixels
    return replace(loaded, pixels=_NO_PIXELS)


def one_by_one(job: Job, died: WorkerDiedError) -> Packed:
    """A job in whose middle a worker ended, done again image by image: one that ends a worker twice
    by itself counts as unreadable.

    Raises `died` when the first few all do: then something else is wrong.
    """
    singles = (
        Job(job.pixels.part(np.array([i])), job.rows[i : i + 1], job.form, job.place)
        for i in range(len(job.rows))
    )
    parts: list[Packed] = []
    with closing(run_jobs(_RUN, singles, 1, _once_more)) as done:
        for part in done:
            parts.append(part)
            if len(parts) == _HOPELESS and all(p.failures for p in parts):
                raise died
    return Packed(
        pixels=_NO_PIXELS,
        widths=np.concatenate([p.widths for p in parts]),
        heights=np.concatenate([p.heights for p in parts]),
        checksums=np.concatenate([p.checksums for p in parts]),
        failures={i: p.failures[0] for i, p in enumerate(parts) if p.failures},
        descriptors=np.concatenate([p.descriptors for p in parts]),
        encoded=[data for p in parts for data in p.encoded],
    )


def _once_more(single: Job, _died: WorkerDiedError) -> Packed:
    """It may have been ended for what others had taken of the memory."""
    return next(run_jobs(_RUN, [single], 1, _lost))


def _lost(single: Job, died: WorkerDiedError) -> Packed:
    """The image that brought its decoder down."""
    none, zero = np.zeros(1, np.uint64), np.zeros(1, np.int32)
    return Packed(
        pixels=_NO_PIXELS,
        widths=zero,
        heights=zero,
        checksums=none,
        failures={0: f"it brings its decoder down (exit status {died.status})"},
        descriptors=np.zeros((1, 3 * COARSE_PX**2), np.uint8),
        encoded=[b""] if single.place is None else [],
    )


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
    """Bytes as found; each image is decoded once, so that a damaged one is found now and not in a
    training."""
    kept: dict[int, bytes] = {}

    def one(row: int) -> OneImage:
        data = pixels.read(row)
        found = content_hash(data), *decode(data, form.size_px, form.fit)  # pyright: ignore[reportArgumentType]
        kept[row] = data
        return found

    loaded = load_each(rows, form.size_px, one)
    return Packed(
        pixels=_NO_PIXELS,
        widths=loaded.widths,
        heights=loaded.heights,
        checksums=loaded.checksums,
        failures=loaded.failures,
        descriptors=describe(loaded.pixels),
        encoded=[kept.get(int(row), b"") for row in rows],
    )
