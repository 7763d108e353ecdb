"""Pack one batch of images, in a thread or in a worker process.

In: a part of a source's pixel reader, and where its rows go. Out: the columns of those rows. A
worker process writes the pixels into the store's file itself.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, fields, replace
from typing import Any, cast

import numpy as np

from seedbed.base.randomness import content_hash
from seedbed.base.worker_pool import WorkerDiedError, run_jobs
from seedbed.data.bit_depth import peak
from seedbed.data.decode import Fit, decode
from seedbed.data.duplicates import COARSE_PX, describe
from seedbed.data.image_files import DecodedImage, EncodedPixels, load_each
from seedbed.data.source import Loaded, Pixels

RUN = "seedbed.data.pack_batch:run"
_NO_PIXELS = np.zeros((0, 0, 0, 3), np.uint8)
_NO_DESCRIPTORS = np.zeros((0, 0), np.uint8)
# When so many images in a row end a worker, the images are not the cause.
_MAX_DEATHS = 3


@dataclass(frozen=True, kw_only=True)
class StoreForm:
    """What a store keeps of each image: pixels of one size, or encoded files."""

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
        fit = f", {self.fit}" if self.fit != "crop" else ""
        return f"at {self.size_px} px{fit}{', encoded' if self.encoded else ''}"


@dataclass(frozen=True, kw_only=True)
class PackedBatch(Loaded):
    """A loaded batch with descriptors for near duplicates, and with bytes in an encoded store."""

    descriptors: np.ndarray  # uint8 [k, 192]; empty for generated images
    encoded: list[bytes] = field(default_factory=list)


@dataclass(frozen=True)
class Job:
    """Rows to pack: a reader of these rows alone, and the pixel file that they go into; None in an
    encoded store."""

    pixels: EncodedPixels
    rows: np.ndarray
    form: StoreForm
    pixel_file: str | None


def run(job: Job) -> PackedBatch:
    """Pack rows in a worker process: write their pixels into the store's file, return the rest."""
    warnings.simplefilter("ignore")  # Pillow warns of unusual metadata; only pixels matter here
    batch = batch_loader(job.pixels, job.form)(np.arange(len(job.rows)))
    if job.pixel_file is None:
        return batch
    file = np.load(job.pixel_file, mmap_mode="r+")
    file[job.rows[0] : job.rows[-1] + 1] = batch.pixels
    return replace(batch, pixels=_NO_PIXELS)


def run_one_by_one(job: Job, died: WorkerDiedError) -> PackedBatch:
    """Repeat a job that ended its worker, image by image.

    An image that ends a worker twice counts as unreadable. Raises `died` if the first images all
    do, since something else must then be wrong.
    """
    singles = (
        Job(job.pixels.part(np.array([i])), job.rows[i : i + 1], job.form, job.pixel_file)
        for i in range(len(job.rows))
    )
    parts: list[PackedBatch] = []
    with closing(run_jobs(RUN, singles, 1, _run_again)) as batches:
        for part in batches:
            parts.append(part)
            if len(parts) == _MAX_DEATHS and all(p.failures for p in parts):
                raise died
    return PackedBatch(
        pixels=_NO_PIXELS,
        widths=np.concatenate([p.widths for p in parts]),
        heights=np.concatenate([p.heights for p in parts]),
        checksums=np.concatenate([p.checksums for p in parts]),
        failures={i: p.failures[0] for i, p in enumerate(parts) if p.failures},
        peaks={i: p.peaks[0] for i, p in enumerate(parts) if p.peaks},
        descriptors=np.concatenate([p.descriptors for p in parts]),
        encoded=[data for p in parts for data in p.encoded],
    )


def _run_again(single: Job, _died: WorkerDiedError) -> PackedBatch:
    """Try an image again: other images may have used up the memory."""
    return next(run_jobs(RUN, [single], 1, _unreadable_batch))


def _unreadable_batch(single: Job, died: WorkerDiedError) -> PackedBatch:
    """The batch of one image whose decoder ends the process."""
    no_checksum, no_size = np.zeros(1, np.uint64), np.zeros(1, np.int32)
    return PackedBatch(
        pixels=_NO_PIXELS,
        widths=no_size,
        heights=no_size,
        checksums=no_checksum,
        failures={0: f"its decoder crashes (exit status {died.status})"},
        descriptors=np.zeros((1, 3 * COARSE_PX**2), np.uint8),
        encoded=[b""] if single.pixel_file is None else [],
    )


def batch_loader(pixels: Pixels, form: StoreForm) -> Callable[[np.ndarray], PackedBatch]:
    """A function that loads rows in the form that the store keeps."""
    if form.encoded:
        assert isinstance(pixels, EncodedPixels)
        return lambda rows: _load_encoded(pixels, rows, form)
    return lambda rows: _load_pixels(pixels, rows, form)


def _load_pixels(pixels: Pixels, rows: np.ndarray, form: StoreForm) -> PackedBatch:
    loaded = pixels.load(rows, form.size_px, form.fit)
    descriptors = _NO_DESCRIPTORS if pixels.light else describe(loaded.pixels)
    columns = {f.name: getattr(loaded, f.name) for f in fields(Loaded)}
    return PackedBatch(**columns, descriptors=descriptors)


def _load_encoded(pixels: EncodedPixels, rows: np.ndarray, form: StoreForm) -> PackedBatch:
    """Load the bytes of files; decode each once, so that damaged images are noticed now."""
    readable: dict[int, bytes] = {}

    def load_one(row: int) -> DecodedImage:
        data = pixels.read(row)
        image, width, height = decode(data, form.size_px, cast(Fit, form.fit), pixels.white)
        readable[row] = data
        return DecodedImage(content_hash(data), image, width, height, peak(data))

    loaded = load_each(rows, form.size_px, load_one)
    return PackedBatch(
        pixels=_NO_PIXELS,
        widths=loaded.widths,
        heights=loaded.heights,
        checksums=loaded.checksums,
        failures=loaded.failures,
        peaks=loaded.peaks,
        descriptors=describe(loaded.pixels),
        encoded=[readable.get(int(row), b"") for row in rows],
    )
