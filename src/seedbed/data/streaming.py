"""Images that do not fit in memory, and images that are decoded on the fly.

In: rows of a store. Out: the same batches as `Resident` gives.
A pool of threads fills one buffer while the network uses the other. Rows are read in ascending
order, in one piece per thread. Buffers are pinned where there is a GPU.
"""

from __future__ import annotations

import itertools
from abc import abstractmethod
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch

from seedbed.base.device import num_cores
from seedbed.base.errors import BadDataError
from seedbed.data.images import Images
from seedbed.data.preprocessing import Preprocessing
from seedbed.data.store import Store

_MAX_THREADS = 8


class _ReadAhead(Images):
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
        self._copies: list[torch.cuda.Event | None] = [None, None]
        self._pending: tuple[bytes, Future[torch.Tensor]] | None = None

    @abstractmethod
    def _fill(self, rows: np.ndarray, pixels: np.ndarray) -> None:
        """Write the images of ascending rows to `pixels`, uint8 [m, stored_px, stored_px, 3];
        several threads call it at once."""

    def prepare(self, positions: np.ndarray) -> None:
        if self._pending is None or self._pending[0] != positions.tobytes():
            # Other positions were announced: their buffer is in use until it has been read.
            if self._pending is not None:
                self._pending[1].result()
            self._pending = positions.tobytes(), self._pool.submit(self._read, positions)

    def take(self, positions: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        self.prepare(positions)
        assert self._pending
        pixels = self._pending[1].result().to(self.device, non_blocking=True)
        # The buffer may be filled again only after its copy to the GPU has ended.
        if self.device.startswith("cuda"):
            self._copies[self._turn] = torch.cuda.Event()
            self._copies[self._turn].record()  # pyright: ignore[reportOptionalMemberAccess]
        self._pending = None
        indices = np.searchsorted(self._distinct_rows(positions), self._rows[positions])
        return pixels, torch.from_numpy(indices).to(self.device)

    def _distinct_rows(self, positions: np.ndarray) -> np.ndarray:
        return np.unique(self._rows[positions])

    def _read(self, positions: np.ndarray) -> torch.Tensor:
        rows = self._distinct_rows(positions)
        buffer = self._next_buffer(len(rows))
        pixels = buffer.numpy()
        bounds = np.linspace(0, len(rows), self._num_threads + 1).astype(int)
        pieces = [(a, b) for a, b in itertools.pairwise(bounds) if b > a]
        # This thread fills the last piece itself, so that the pool never waits for itself.
        futures = [self._pool.submit(self._fill, rows[a:b], pixels[a:b]) for a, b in pieces[:-1]]
        a, b = pieces[-1]
        self._fill(rows[a:b], pixels[a:b])
        for future in futures:
            future.result()
        return buffer

    def _next_buffer(self, num: int) -> torch.Tensor:
        self._turn = 1 - self._turn
        if (copy := self._copies[self._turn]) is not None:
            copy.synchronize()
        if len(self._buffers[self._turn]) < num:
            shape = (num, self._stored_px, self._stored_px, 3)
            self._buffers[self._turn] = torch.empty(
                shape, dtype=torch.uint8, pin_memory=self.device.startswith("cuda")
            )
        return self._buffers[self._turn][:num]


class Streamed(_ReadAhead):
    """Rows read ahead from the store's memory map."""

    def __init__(
        self,
        pixels: np.ndarray,
        rows: np.ndarray,
        labels: np.ndarray | None,
        device: str = "cpu",
        preprocessing: Preprocessing | None = None,
    ) -> None:
        stored_px = pixels.shape[1]
        preprocessing = preprocessing or Preprocessing(size_px=stored_px)
        super().__init__(rows, labels, device, preprocessing, stored_px)
        self._pixels = pixels
        self.loading = f"streamed from disk by {self._num_threads} threads"

    def _fill(self, rows: np.ndarray, pixels: np.ndarray) -> None:
        np.take(self._pixels, rows, axis=0, out=pixels, mode="clip")


class Decoded(_ReadAhead):
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

    def _fill(self, rows: np.ndarray, pixels: np.ndarray) -> None:
        for i, row in enumerate(rows):
            try:
                pixels[i] = self._store.decoded(row, self._stored_px)
            except ValueError as error:
                raise BadDataError(
                    f"{self._store.ids[row]} in {self._store.path} can no longer be decoded: "
                    f"{error}",
                    "Pack the source again.",
                ) from None
