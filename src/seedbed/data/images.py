"""Rows of a store as a network takes them: abstract `Images`, and images resident in memory.

In: rows and labels of a store, the network's preprocessing, a device.
Out: batches of tensors on the device, with or without augmentation.
Images that do not fit in memory, or that are decoded on the fly: `seedbed.data.streaming`.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Literal

import numpy as np
import torch

from seedbed.data.augment import centre_crop, crop_and_flip, normalise, resized_crop
from seedbed.data.preprocessing import Preprocessing

Augmentation = Literal["crop", "resized_crop"]
Batch = tuple[torch.Tensor, torch.Tensor]
_BLOCK_BYTES = 2**27  # copied to another device at a time


class Images(ABC):
    """Some rows of a store in a fixed order; `labels` is None where only codes are needed."""

    loading: str  # how images reach the device, for messages and reports

    def __init__(
        self, num: int, labels: np.ndarray | None, preprocessing: Preprocessing, device: str
    ) -> None:
        self._num, self.preprocessing, self.device = num, preprocessing, device
        self.labels = (
            None
            if labels is None
            else torch.from_numpy(np.ascontiguousarray(labels, np.int64)).to(device)
        )

    def __len__(self) -> int:
        return self._num

    @abstractmethod
    def take(self, positions: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Return pixels on the device, and where in them each position lies.

        Args:
            positions: int64 [b], indices into the rows that this object was made of.

        Returns:
            Pixels uint8 [m, h, w, 3], and int64 [b], indices into these pixels.
        """

    def prepare(self, positions: np.ndarray) -> None:  # noqa: B027  most have nothing to prepare
        """Announce the positions of the next `take`, so that reading may begin."""

    def plain(self, batch_size: int) -> Iterator[torch.Tensor]:
        """Yield all images in order without augmentation: float32 [b, 3, size_px, size_px].

        All batches share one buffer: each overwrites the one before. Fresh memory for every batch
        costs more than filling it, since the system clears each page.
        """
        batches = [
            np.arange(i, min(i + batch_size, self._num)) for i in range(0, self._num, batch_size)
        ]
        size_px = self.preprocessing.size_px
        buffer = torch.empty(min(batch_size, self._num), size_px, size_px, 3, device=self.device)
        for i, positions in enumerate(batches):
            pixels, indices = self.take(positions)
            if i + 1 < len(batches):
                self.prepare(batches[i + 1])
            cropped = centre_crop(pixels.index_select(0, indices), size_px)
            yield normalise(cropped, self.preprocessing, buffer[: len(positions)])

    def augmented(
        self,
        positions: np.ndarray,
        counters: np.ndarray,
        key: int,
        augmentation: Augmentation = "crop",
    ) -> Batch:
        """Return augmented images float32 [b, 3, size_px, size_px] and labels int64 [b].

        Args:
            positions: int64 [b], which images.
            counters: uint64 [b], how many images were drawn before each: the augmentation is a
                function of `key` and this number.
            key: seed of the augmentation.
            augmentation: "crop" (shift and flip) or "resized_crop".
        """
        assert self.labels is not None
        pixels, indices = self.take(positions)
        augment = crop_and_flip if augmentation == "crop" else resized_crop
        images = augment(pixels, indices, counters, key, self.preprocessing.size_px)
        positions_there = torch.from_numpy(positions).to(self.device, non_blocking=True)
        return normalise(images, self.preprocessing), self.labels[positions_there]


class Resident(Images):
    """Images in memory: the store's memory map on the CPU, a copy of the rows on a GPU."""

    def __init__(
        self,
        pixels: np.ndarray,
        rows: np.ndarray,
        labels: np.ndarray | None,
        device: str = "cpu",
        preprocessing: Preprocessing | None = None,
    ) -> None:
        preprocessing = preprocessing or Preprocessing(size_px=pixels.shape[1])
        super().__init__(len(rows), labels, preprocessing, device)
        if device == "cpu":
            self._pixels = shared_tensor(pixels)
            self._rows = torch.from_numpy(np.ascontiguousarray(rows, np.int64))
        else:
            self._pixels = _copy_rows(pixels, rows, device)
            self._rows = torch.arange(len(rows), device=device)
        self.loading = "resident in memory" if device == "cpu" else f"resident on {device}"

    def take(self, positions: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        return self._pixels, self._rows[torch.from_numpy(positions).to(self.device)]


def shared_tensor(pixels: np.ndarray) -> torch.Tensor:
    """A tensor over the memory of an array that may be read-only; nothing here writes to it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of read-only memory
        return torch.from_numpy(pixels)


def _copy_rows(pixels: np.ndarray, rows: np.ndarray, device: str) -> torch.Tensor:
    """Copy rows to another device block by block: not all of them need fit in this memory."""
    copy = torch.empty((len(rows), *pixels.shape[1:]), dtype=torch.uint8, device=device)
    num = max(1, _BLOCK_BYTES // max(1, pixels[0].nbytes))
    for start in range(0, len(rows), num):
        copy[start : start + num] = torch.from_numpy(pixels[rows[start : start + num]]).to(device)
    return copy
