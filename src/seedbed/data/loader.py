"""Batches of images: which ones a training step sees, as a function of (seed, step), and how they
reach the device.

In: a store, rows, labels, what the network takes, a device. Out: batches. Three ways, chosen by
size and stated: *resident* (on the CPU the store's memory map, shared by all workers; on a GPU the
    rows, copied there once), *streamed* (read ahead from the memory map when
the rows do not fit), *decoded* (an encoded store, decoded on the fly). All give the same batches.
Knows nothing of models.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Literal

import numpy as np
import torch

from seedbed.base.device import free_bytes
from seedbed.base.errors import UsageError
from seedbed.base.randomness import mix, stream
from seedbed.data.augment import centre_crop, crop_and_flip, normalise, resized_crop
from seedbed.data.preprocessing import Preprocessing
from seedbed.data.store import Store

Augmentation = Literal["crop", "resized_crop"]
Batch = tuple[torch.Tensor, torch.Tensor]
_BLOCK_BYTES = 2**27
_SHARE_OF_MEMORY = 0.5  # of what is free, for images that stay


class Images(ABC):
    """Some rows of a store in an order, as a network takes them; `labels` may be absent (codes need
    none)."""

    loading: str  # how they reach the device, in words

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
    def take(self, which: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Pixels uint8 [m, h, w, 3] on the device, and where in them the positions `which` lie:
        int64 [b]."""

    def prepare(self, which: np.ndarray) -> None:  # noqa: B027  most have nothing to prepare
        """Told what will be asked for next; may begin to read it."""

    def plain(self, batch_size: int) -> Iterator[torch.Tensor]:
        """All images in order, without augmentation: float32 [b, 3, size_px, size_px]; each batch
        takes the place of the one before.

        New memory for every batch would cost more than its contents, where batches are large: the
        system clears each page.
        """
        batches = [
            np.arange(i, min(i + batch_size, self._num)) for i in range(0, self._num, batch_size)
        ]
        side = self.preprocessing.size_px
        buffer = torch.empty(min(batch_size, self._num), side, side, 3, device=self.device)
        for i, which in enumerate(batches):
            pixels, places = self.take(which)
            if i + 1 < len(batches):
                self.prepare(batches[i + 1])
            chosen = centre_crop(pixels.index_select(0, places), side)
            yield normalise(chosen, self.preprocessing, buffer[: len(which)])

    def augmented(
        self, which: np.ndarray, places: np.ndarray, key: int, augmentation: Augmentation = "crop"
    ) -> Batch:
        """Augmented images and labels of the positions `which`: float32 [b, 3, size_px, size_px],
        int64 [b]."""
        assert self.labels is not None
        pixels, rows = self.take(which)
        augment = crop_and_flip if augmentation == "crop" else resized_crop
        images = augment(pixels, rows, places, key, self.preprocessing.size_px)
        chosen = torch.from_numpy(which).to(self.device, non_blocking=True)
        return normalise(images, self.preprocessing), self.labels[chosen]


class Resident(Images):
    """Images in memory: on the CPU the pages of the store's memory map, on a GPU a copy of the
    rows."""

    def __init__(
        self,
        pixels: np.ndarray,
        rows: np.ndarray,
        labels: np.ndarray | None,
        device: str = "cpu",
        preprocessing: Preprocessing | None = None,
    ) -> None:
        super().__init__(
            len(rows), labels, preprocessing or Preprocessing(size_px=pixels.shape[1]), device
        )
        if device == "cpu":
            self._pixels, self._rows = (
                shared_tensor(pixels),
                torch.from_numpy(np.ascontiguousarray(rows, np.int64)),
            )
        else:
            self._pixels = _copied(pixels, rows, device)
            self._rows = torch.arange(len(rows), device=device)
        self.loading = "resident in memory" if device == "cpu" else f"resident on {device}"

    def take(self, which: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        return self._pixels, self._rows[torch.from_numpy(which).to(self.device)]


def _copied(pixels: np.ndarray, rows: np.ndarray, device: str) -> torch.Tensor:
    """Rows on another device; this machine's memory holds some of them at a time."""
    found = torch.empty((len(rows), *pixels.shape[1:]), dtype=torch.uint8, device=device)
    num = max(1, _BLOCK_BYTES // max(1, pixels[0].nbytes))
    for start in range(0, len(rows), num):
        found[start : start + num] = torch.from_numpy(pixels[rows[start : start + num]]).to(device)
    return found


class Stream:
    """An endless stream of augmented batches: one random permutation of the images after
    another."""

    def __init__(
        self, images: Images, batch_size: int, seed: int, augmentation: Augmentation = "crop"
    ) -> None:
        self.images, self.batch_size, self.seed = images, batch_size, seed
        self.augmentation: Augmentation = augmentation
        self._order_seed, self._augment_key = stream(seed, "order"), stream(seed, "augment")
        self._epochs: dict[int, np.ndarray] = {}

    def batch(self, step: int) -> Batch:
        """The batch of a step, whatever was asked for before: images float32 [b, 3, h, w], labels
        int64 [b]."""
        which, places = self._which(step)
        batch = self.images.augmented(which, places, self._augment_key, self.augmentation)
        self.images.prepare(self._which(step + 1)[0])
        return batch

    def _which(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Positions of the images of a step, and their places in the stream."""
        places = np.arange(step * self.batch_size, (step + 1) * self.batch_size)
        epochs, within = np.divmod(places, len(self.images))
        which = np.concatenate(
            [self._permutation(e)[within[epochs == e]] for e in np.unique(epochs)]
        )
        return which, places.astype(np.uint64)

    def _permutation(self, epoch: int) -> np.ndarray:
        if epoch not in self._epochs:
            ranks = mix(
                np.arange(len(self.images), dtype=np.uint64), stream(self._order_seed, int(epoch))
            )
            self._epochs = {e: p for e, p in self._epochs.items() if e >= epoch - 1}
            self._epochs[epoch] = np.argsort(ranks, kind="stable")
        return self._epochs[epoch]


def shared_tensor(pixels: np.ndarray) -> torch.Tensor:
    """A tensor over the memory of an array that may be read-only; nothing here writes to it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of memory that may not be written
        return torch.from_numpy(pixels)


def open_images(
    store: Store,
    rows: np.ndarray,
    labels: np.ndarray | None,
    preprocessing: Preprocessing,
    device: str = "cpu",
) -> Images:
    """The images of some rows of a store, loaded in the way that their size asks for.

    Raises UsageError when the store is packed at another size than the network takes.
    """
    check_size(store, preprocessing)
    from seedbed.data.streaming import Decoded, Streamed

    if store.is_encoded:
        return Decoded(store, rows, labels, device, preprocessing)
    num_bytes = len(rows) * store.size_px**2 * 3
    if num_bytes <= _SHARE_OF_MEMORY * free_bytes(device):
        return Resident(store.pixels, rows, labels, device, preprocessing)
    return Streamed(store.pixels, rows, labels, device, preprocessing)


def check_size(store: Store, preprocessing: Preprocessing) -> None:
    """Raise UsageError unless the store is packed at a size that the network takes."""
    if store.size_px not in (preprocessing.size_px, preprocessing.store_px):
        sizes = " or ".join(
            str(s) for s in dict.fromkeys((preprocessing.store_px, preprocessing.size_px))
        )
        raise UsageError(
            f"the store {store.path} is packed at {store.size_px} px, and the network takes images packed at {sizes} px",
            f"Name the images ({store.name}) instead of the store, or pack them again with --size-px {preprocessing.store_px}; a "
            f"network that takes any size can be told this one: size_px={store.size_px}.",
        )
