"""Where packed images go: rows of a memory-mapped pixel file, or bytes one after another.

In: batches as they are loaded, in order. Out: the file, closed up over the images that failed, and
the columns that find an image in it. Knows nothing of labels.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import cast

import numpy as np

from seedbed.base.artifacts import preallocate
from seedbed.data.decode import Fit, decode
from seedbed.data.pack_batch import Form, Packed

_BLOCK = 4096  # rows moved at a time


class Sink(ABC):
    """A file that is being filled."""

    place: str | None = None  # a pixel file that workers write into themselves

    @abstractmethod
    def put(self, rows: np.ndarray, loaded: Packed) -> None:
        """Keep a batch; batches come in the order of their rows."""

    @abstractmethod
    def pixels(self, rows: np.ndarray) -> np.ndarray:
        """What was put of these rows, as it will be seen: uint8 [k, size_px, size_px, 3]."""

    @abstractmethod
    def close(self, kept: np.ndarray) -> dict[str, np.ndarray]:
        """End with these rows alone; columns of all rows, where a reader needs some to find an
        image."""


class PixelRows(Sink):
    """uint8 [n, size_px, size_px, 3] in a .npy file, allocated beforehand: a full disk is an error
    now, not a bus error later."""

    def __init__(self, path: Path, num: int, size_px: int) -> None:
        self._path, self.place = path, str(path)
        self._pixels = np.lib.format.open_memmap(path, "w+", np.uint8, (num, size_px, size_px, 3))
        preallocate(path)

    def put(self, rows: np.ndarray, loaded: Packed) -> None:
        if len(loaded.pixels):  # a worker process has written its own
            self._pixels[rows[0] : rows[-1] + 1] = loaded.pixels

    def pixels(self, rows: np.ndarray) -> np.ndarray:
        return np.asarray(self._pixels[rows])

    def close(self, kept: np.ndarray) -> dict[str, np.ndarray]:
        """Rows move down over those that failed, in place: no second copy of the file."""
        num, shape = len(self._pixels), self._pixels.shape[1:]
        for start in range(_first_gap(kept), len(kept), _BLOCK):
            rows = kept[start : start + _BLOCK]
            self._pixels[start : start + len(rows)] = self._pixels[rows]
        self._pixels.flush()
        if len(kept) < num:
            del self._pixels
            _shorten(self._path, len(kept), shape)
        return {}


def _shorten(path: Path, num: int, shape: tuple[int, ...]) -> None:
    """Cut a .npy file of uint8 down to its first rows; its header keeps its length, blanks fill
    it."""
    with path.open("r+b") as file:
        version = np.lib.format.read_magic(file)
        assert version == (1, 0)
        np.lib.format.read_array_header_1_0(file)
        start = file.tell()
        header = repr({"descr": "|u1", "fortran_order": False, "shape": (num, *shape)}).encode()
        file.seek(10)  # after the magic string and the length of the header
        file.write(header.ljust(start - 11) + b"\n")
        file.truncate(start + num * int(np.prod(shape)))


def _first_gap(kept: np.ndarray) -> int:
    moved = np.flatnonzero(kept != np.arange(len(kept)))
    return int(moved[0]) if len(moved) else len(kept)


class Bytes(Sink):
    """Files as they are, one after another; `offset` and `num_bytes` find each."""

    def __init__(self, path: Path, num: int, form: Form) -> None:
        self._path, self._form = path, form
        self._file, self._sizes = path.open("wb"), np.zeros(num, np.int64)

    def put(self, rows: np.ndarray, loaded: Packed) -> None:
        self._sizes[rows] = [len(data) for data in loaded.encoded]
        self._file.write(b"".join(loaded.encoded))

    def pixels(self, rows: np.ndarray) -> np.ndarray:
        self._file.flush()
        ends = np.cumsum(self._sizes)
        data = np.memmap(self._path, np.uint8, "r")
        places = [(int(ends[row] - self._sizes[row]), int(ends[row])) for row in rows]
        size_px, fit = self._form.size_px, cast(Fit, self._form.fit)
        return np.stack([decode(data[a:b].tobytes(), size_px, fit)[0] for a, b in places])

    def close(self, kept: np.ndarray) -> dict[str, np.ndarray]:
        self._file.close()
        ends = np.cumsum(self._sizes)
        return {"offset": (ends - self._sizes)[kept], "num_bytes": self._sizes[kept]}
