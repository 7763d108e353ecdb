"""Images that do not fit in memory, and images that are decoded on the fly.

In: rows of a store. Out: batches, the same as resident ones. A thread pool fills one buffer while
the network works on the other: rows are read in ascending order, in as many pieces as there are
    threads; buffers are pinned where there is a GPU. Knows nothing of models.
"""

from __future__ import annotations

import itertools
from abc import abstractmethod
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch

from seedbed.base.device import num_cores
from seedbed.base.errors import BadDataError
from seedbed.data.decode import decode
from seedbed.data.loader import Images
from seedbed.data.preprocessing import Preprocessing
from seedbed.data.store import Store

_MAX_THREADS = 8


class _Ahead(Images):
    """Reads the next batch while the last one is used: two buffers in turn."""

    def __init__(
        self,
        rows: np.ndarray,
        labels: np.ndarray | None,
        device: str,
        preprocessing: Preprocessing,
        stored_px: int,
    ) -> None:
        super().__init__(len(rows), labels, preprocessing, device)
        self._rows, self._stored_px = np.ascontiguousarray(rows, np.int64), stored_px
        self._num_threads = min(_MAX_THREADS, num_cores())
        self._pool = ThreadPoolExecutor(self._num_threads + 1)
        self._buffers: list[torch.Tensor] = [torch.empty(0), torch.empty(0)]
        self._turn = 0
        self._copied: list[torch.cuda.Event | None] = [None, None]
        self._ready: tuple[bytes, Future[torch.Tensor]] | None = None

    @abstractmethod
    def _fill(self, rows: np.ndarray, into: np.ndarray) -> None:
        """Write the pixels of ascending rows into uint8 [m, stored_px, stored_px, 3]; called by
        several threads at once."""

    def prepare(self, which: np.ndarray) -> None:
        if self._ready is None or self._ready[0] != which.tobytes():
            # what was foretold is not what is asked for: its buffer is in use until it has been
            # read
            if self._ready is not None:
                self._ready[1].result()
            self._ready = which.tobytes(), self._pool.submit(self._read, which)

    def take(self, which: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        self.prepare(which)
        assert self._ready
        pixels = self._ready[1].result().to(self.device, non_blocking=True)
        # the buffer may not be filled again before the copy that is under way has ended
        if self.device.startswith("cuda"):
            self._copied[self._turn] = torch.cuda.Event()
            self._copied[self._turn].record()  # pyright: ignore[reportOptionalMemberAccess]
        self._ready = None
        places = np.searchsorted(self._distinct(which), self._rows[which])
        return pixels, torch.from_numpy(places).to(self.device)

    def _distinct(self, which: np.ndarray) -> np.ndarray:
        return np.unique(self._rows[which])

    def _read(self, which: np.ndarray) -> torch.Tensor:
        rows = self._distinct(which)
        buffer = self._buffer(len(rows))
        pixels = buffer.numpy()
        bounds = np.linspace(0, len(rows), self._num_threads + 1).astype(int)
        pieces = [(a, b) for a, b in itertools.pairwise(bounds) if b > a]
        # This very thread does the last piece, so that the pool can never be waiting for itself.
        others = [self._pool.submit(self._fill, rows[a:b], pixels[a:b]) for a, b in pieces[:-1]]
        a, b = pieces[-1]
        self._fill(rows[a:b], pixels[a:b])
        for other in others:
            other.result()
        return buffer

    def _buffer(self, num: int) -> torch.Tensor:
        self._turn = 1 - self._turn
        if (copied := self._copied[self._turn]) is not None:
            copied.synchronize()
        if len(self._buffers[self._turn]) < num:
            shape = (num, self._stored_px, self._stored_px, 3)
            self._buffers[self._turn] = torch.empty(
                shape, dtype=torch.uint8, pin_memory=self.device.startswith("cuda")
            )
        return self._buffers[self._turn][:num]


class Streamed(_Ahead):
    """Rows read ahead from the store's memory map."""

    def __init__(
        self,
        pixels: np.ndarray,
        rows: np.ndarray,
        labels: np.ndarray | None,
        device: str = "cpu",
        preprocessing: Preprocessing | None = None,
    ) -> None:
        super().__init__(
            rows,
            labels,
            device,
            preprocessing or Preprocessing(size_px=pixels.shape[1]),
            pixels.shape[1],
        )
        self._pixels = pixels
        self.loading = f"streamed from disk by {self._num_threads} threads"

    def _fill(self, rows: np.ndarray, into: np.ndarray) -> None:
        np.take(self._pixels, rows, axis=0, out=into, mode="clip")


class Decoded(_Ahead):
    """Images of an encoded store, decoded when they are needed."""

    def __init__(
        self,
        store: Store,
        rows: np.ndarray,
        labels: np.ndarray | None,
        device: str,
        preprocessing: Preprocessing,
    ) -> None:
        super().__init__(rows, labels, device, preprocessing, store.size_px)
        self._store = store
        self.loading = f"decoded on the fly by {self._num_threads} threads"

    def _fill(self, rows: np.ndarray, into: np.ndarray) -> None:
        for i, row in enumerate(rows):
            try:
                into[i] = decode(self._store.encoded(row), self._stored_px, self._store.fit)[0]
            except ValueError as error:
                raise BadDataError(
                    f"{self._store.ids[row]} in {self._store.path} cannot be decoded any more: {error}",
                    "Pack the source again.",
                ) from None
