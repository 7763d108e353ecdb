"""Device-resident batches: which images a training step sees, as a function of (seed, step).

In: pixels of a store, rows, labels, a seed. Out: batches. On the CPU the pixels stay in the store's memory map, shared by all
workers; on a GPU the rows are copied there once. Knows nothing of models.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from seedbed.base.randomness import mix, stream
from seedbed.data.augment import crop_and_flip, normalise


class Resident:
    """Images of some rows of a store, ready for a device; `labels` may be absent (codes need none)."""

    def __init__(self, pixels: np.ndarray, rows: np.ndarray, labels: np.ndarray | None, device: str = "cpu") -> None:
        if device == "cpu":
            self._pixels, self._rows = torch.from_numpy(pixels), torch.from_numpy(np.ascontiguousarray(rows, np.int64))
        else:
            self._pixels = torch.from_numpy(pixels[rows]).to(device)
            self._rows = torch.arange(len(rows), device=device)
        self.labels = None if labels is None else torch.from_numpy(np.ascontiguousarray(labels, np.int64)).to(device)
        self.device = device

    def __len__(self) -> int:
        return len(self._rows)

    def plain(self, batch_size: int) -> Iterator[torch.Tensor]:
        """All images in order, without augmentation: float32 [b, 3, h, w]."""
        for i in range(0, len(self), batch_size):
            yield normalise(self._pixels.index_select(0, self._rows[i : i + batch_size]))

    def augmented(self, which: np.ndarray, places: np.ndarray, key: int, pad_px: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Augmented images and labels of the positions `which`: float32 [b, 3, h, w], int64 [b]."""
        assert self.labels is not None
        chosen = torch.from_numpy(which).to(self.device)
        images = crop_and_flip(self._pixels, self._rows[chosen], places, key, pad_px)
        return normalise(images), self.labels[chosen]

    @property
    def size_px(self) -> int:
        return self._pixels.shape[1]


class Stream:
    """An endless stream of augmented batches: one random permutation of the images after another."""

    def __init__(self, images: Resident, batch_size: int, seed: int) -> None:
        self.images, self.batch_size = images, batch_size
        self._order_seed, self._augment_key = stream(seed, "order"), stream(seed, "augment")
        self._pad_px = images.size_px // 8
        self._epochs: dict[int, np.ndarray] = {}

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The batch of a step, whatever was asked for before: images float32 [b, 3, h, w], labels int64 [b]."""
        places = np.arange(step * self.batch_size, (step + 1) * self.batch_size)
        epochs, within = np.divmod(places, len(self.images))
        which = np.concatenate([self._permutation(e)[within[epochs == e]] for e in np.unique(epochs)])
        return self.images.augmented(which, places.astype(np.uint64), self._augment_key, self._pad_px)

    def _permutation(self, epoch: int) -> np.ndarray:
        if epoch not in self._epochs:
            ranks = mix(np.arange(len(self.images), dtype=np.uint64), stream(self._order_seed, int(epoch)))
            self._epochs = {e: p for e, p in self._epochs.items() if e >= epoch - 1}
            self._epochs[epoch] = np.argsort(ranks, kind="stable")
        return self._epochs[epoch]
