"""Open the images of a store for a network, and draw batches for training.

In: a store, rows, labels, the network's preprocessing, a device. Out: batches.
The batch of a step is a function of (seed, step). Images are loaded in one of three ways, chosen by
size and reported: *resident* in memory, *streamed* from the store's memory map, or *decoded* on the
fly from an encoded store. All three give the same batches.
"""

from __future__ import annotations

import numpy as np

from seedbed.base.device import free_bytes
from seedbed.base.errors import UsageError
from seedbed.base.randomness import mix, stream
from seedbed.data.images import Augmentation, Batch, Images, Resident
from seedbed.data.preprocessing import Preprocessing
from seedbed.data.store import Store
from seedbed.data.streaming import Decoded, Streamed

# Share of the free memory that resident images may take.
_SHARE_OF_MEMORY = 0.5


class Stream:
    """An endless stream of augmented batches: one random permutation of the images per epoch."""

    def __init__(
        self, images: Images, batch_size: int, seed: int, augmentation: Augmentation = "crop"
    ) -> None:
        self.images, self.batch_size, self.seed = images, batch_size, seed
        self.augmentation: Augmentation = augmentation
        self._order_seed, self._augment_key = stream(seed, "order"), stream(seed, "augment")
        self._permutations: dict[int, np.ndarray] = {}

    def batch(self, step: int) -> Batch:
        """Return images float32 [b, 3, h, w] and labels int64 [b] of a step.

        The batch does not depend on which steps were read before.
        """
        positions, counters = self._positions(step)
        batch = self.images.augmented(positions, counters, self._augment_key, self.augmentation)
        self.images.prepare(self._positions(step + 1)[0])
        return batch

    def _positions(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Positions of the images of a step, and the number of images drawn before each."""
        counters = np.arange(step * self.batch_size, (step + 1) * self.batch_size)
        epochs, offsets = np.divmod(counters, len(self.images))
        positions = np.concatenate(
            [self._permutation(e)[offsets[epochs == e]] for e in np.unique(epochs)]
        )
        return positions, counters.astype(np.uint64)

    def _permutation(self, epoch: int) -> np.ndarray:
        """The order of the images in an epoch; the permutations of two epochs are cached."""
        if epoch not in self._permutations:
            ranks = mix(
                np.arange(len(self.images), dtype=np.uint64), stream(self._order_seed, int(epoch))
            )
            self._permutations = {e: p for e, p in self._permutations.items() if e >= epoch - 1}
            self._permutations[epoch] = np.argsort(ranks, kind="stable")
        return self._permutations[epoch]


def open_images(
    store: Store,
    rows: np.ndarray,
    labels: np.ndarray | None,
    preprocessing: Preprocessing,
    device: str = "cpu",
) -> Images:
    """Open rows of a store for a network, resident, streamed or decoded, depending on their size.

    Raises UsageError when the store is packed at a size that the network does not take.
    """
    check_size(store, preprocessing)
    if store.is_encoded:
        return Decoded(store, rows, labels, device, preprocessing)
    num_bytes = len(rows) * store.size_px**2 * 3
    if num_bytes <= _SHARE_OF_MEMORY * free_bytes(device):
        return Resident(store.pixels, rows, labels, device, preprocessing)
    return Streamed(store.pixels, rows, labels, device, preprocessing)


def check_size(store: Store, preprocessing: Preprocessing) -> None:
    """Raise UsageError unless the store is packed at a size that the network takes."""
    if store.size_px in (preprocessing.size_px, preprocessing.store_px):
        return
    sizes = dict.fromkeys((preprocessing.store_px, preprocessing.size_px))
    raise UsageError(
        f"the store {store.path} is packed at {store.size_px} px, and the network takes images "
        f"packed at {' or '.join(map(str, sizes))} px",
        f"Name the images ({store.name}) instead of the store, or pack them again with "
        f"--size-px {preprocessing.store_px}; a network that takes any size can be given this one: "
        f"size_px={store.size_px}.",
    )
