"""Write the images of a store: rows of a memory-mapped pixel file, or the bytes of files.

In: loaded batches, in order. Out: a file without the images that failed, and the columns that are
needed to find an image in it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import cast

import numpy as np

from seedbed.base.artifacts import preallocate
from seedbed.data.decode import Fit, decode
from seedbed.data.pack_batch import PackedBatch, StoreForm

_BLOCK = 4096  # rows moved at a time


class ImageWriter(ABC):
    """A file that images are written to."""

    pixel_file: str | None = None  # a file that worker processes write their pixels into
    white: float | None = None  # the value that becomes 255 in images of more than 8 bits

    @abstractmethod
    def write(self, rows: np.ndarray, batch: PackedBatch) -> None:
        """Write a batch; batches come in the order of their rows."""

    @abstractmethod
    def write_again(self, rows: np.ndarray, pixels: np.ndarray) -> None:
        """Replace the pixels of rows that were written; encoded files stay what they are."""

    @abstractmethod
    def pixels(self, rows: np.ndarray) -> np.ndarray:
        """The pixels of rows that were written: uint8 [k, size_px, size_px, 3]."""

    @abstractmethod
    def finish(self, readable: np.ndarray) -> dict[str, np.ndarray]:
        """Remove all rows but the readable ones; return the columns that find an image."""


class PixelWriter(ImageWriter):
    """uint8 [n, size_px, size_px, 3] in a .npy file.

    The file is allocated beforehand: a full disk is then an error now, not a bus error later.
    """

    def __init__(self, path: Path, num: int, size_px: int) -> None:
        self._path, self.pixel_file = path, str(path)
        self._pixels = np.lib.format.open_memmap(path, "w+", np.uint8, (num, size_px, size_px, 3))
        preallocate(path)

    def write(self, rows: np.ndarray, batch: PackedBatch) -> None:
        if len(batch.pixels):  # a worker process has written its pixels itself
            self._pixels[rows[0] : rows[-1] + 1] = batch.pixels

    def write_again(self, rows: np.ndarray, pixels: np.ndarray) -> None:
        self._pixels[rows] = pixels

    def pixels(self, rows: np.ndarray) -> np.ndarray:
        return np.asarray(self._pixels[rows])

    def finish(self, readable: np.ndarray) -> dict[str, np.ndarray]:
        """Move rows over those that failed, in place: there is no second copy of the file."""
        num, shape = len(self._pixels), self._pixels.shape[1:]
        for start in range(_first_gap(readable), len(readable), _BLOCK):
            rows = readable[start : start + _BLOCK]
            self._pixels[start : start + len(rows)] = self._pixels[rows]
        self._pixels.flush()
        if len(readable) < num:
            del self._pixels
            _truncate(self._path, len(readable), shape)
        return {}


def _truncate(path: Path, num: int, shape: tuple[int, ...]) -> None:
    """Cut a .npy file of uint8 to its first rows; spaces keep the length of its header."""
    with path.open("r+b") as file:
        version = np.lib.format.read_magic(file)
        assert version == (1, 0)
        np.lib.format.read_array_header_1_0(file)
        start = file.tell()
        header = repr({"descr": "|u1", "fortran_order": False, "shape": (num, *shape)}).encode()
        file.seek(10)  # after the magic string and the length of the header
        file.write(header.ljust(start - 11) + b"\n")
        file.truncate(start + num * int(np.prod(shape)))


def _first_gap(readable: np.ndarray) -> int:
    moved = np.flatnonzero(readable != np.arange(len(readable)))
    return int(moved[0]) if len(moved) else len(readable)


class EncodedWriter(ImageWriter):
    """The bytes of files, one after another; `offset` and `num_bytes` find each."""

    def __init__(self, path: Path, num: int, form: StoreForm) -> None:
        self._path, self._form = path, form
        self._file, self._sizes = path.open("wb"), np.zeros(num, np.int64)

    def write(self, rows: np.ndarray, batch: PackedBatch) -> None:
        self._sizes[rows] = [len(data) for data in batch.encoded]
        self._file.write(b"".join(batch.encoded))

    def write_again(self, rows: np.ndarray, pixels: np.ndarray) -> None:
        """The bytes are kept, and decoded by `white` when they are needed."""

    def pixels(self, rows: np.ndarray) -> np.ndarray:
        self._file.flush()
        ends = np.cumsum(self._sizes)
        data = np.memmap(self._path, np.uint8, "r")
        ranges = [(int(ends[row] - self._sizes[row]), int(ends[row])) for row in rows]
        form = self._form.size_px, cast(Fit, self._form.fit), self.white
        return np.stack([decode(data[a:b].tobytes(), *form)[0] for a, b in ranges])

    def finish(self, readable: np.ndarray) -> dict[str, np.ndarray]:
        self._file.close()
        ends = np.cumsum(self._sizes)
        return {"offset": (ends - self._sizes)[readable], "num_bytes": self._sizes[readable]}
