"""Whole images with their boxes, as a detector takes them: batches are lists, since sizes differ.

In: rows of an encoded store, and their boxes. Out: images uint8 [3, h, w], and boxes scaled with
them. Decoded images are cached if they fit in memory; otherwise a thread pool decodes ahead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from seedbed.base.device import free_bytes, num_cores
from seedbed.base.errors import BadDataError
from seedbed.base.randomness import mix, stream
from seedbed.data.store import Store
from seedbed.data.whole_images import decode_whole, whole_size

_SHARE_OF_MEMORY = 0.3
_MAX_THREADS = 8

# corners float64 [b, 4], labels int64 [b], difficult bool [b]
Truth = tuple[np.ndarray, np.ndarray, np.ndarray]
# "boxes" float32 [b, 4], "labels" int64 [b], from 1: 0 is the background
Boxes = dict[str, torch.Tensor]
DetectionBatch = tuple[list[torch.Tensor], list[Boxes]]


@dataclass(frozen=True, kw_only=True)
class ImageSize:
    """The size that images are resized to: the shorter side becomes `short_px`, unless the longer
    one would exceed `long_px`."""

    short_px: int
    long_px: int


class WholeImages:
    """The images of some rows of a store, resized but not cropped."""

    def __init__(self, store: Store, rows: np.ndarray, size: ImageSize) -> None:
        self._store, self.rows, self._size = store, np.asarray(rows, np.int64), size
        # width and height of the files
        self.sizes = store.sizes(self.rows) if len(self.rows) else np.zeros((0, 2), np.int32)
        resized = [whole_size(int(w), int(h), size.short_px, size.long_px) for w, h in self.sizes]
        self._fits = 3 * sum(w * h for w, h in resized) <= _SHARE_OF_MEMORY * free_bytes("cpu")
        self._cache: dict[int, np.ndarray] = {}
        self._pool = ThreadPoolExecutor(min(_MAX_THREADS, num_cores()))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def loading(self) -> str:
        return "decoded once, kept in memory" if self._fits else "decoded on the fly"

    def begin(self, positions: Sequence[int]) -> list[Future[np.ndarray]]:
        """Start to decode the images at some positions."""
        return [self._pool.submit(self._pixels, int(i)) for i in positions]

    def finish(
        self, positions: Sequence[int], futures: Sequence[Future[np.ndarray]]
    ) -> list[torch.Tensor]:
        """Wait for the images that `begin` started: uint8 [3, h, w] each."""
        images = [future.result() for future in futures]
        if self._fits:
            self._cache.update(zip(map(int, positions), images, strict=True))
        return [torch.from_numpy(pixels).permute(2, 0, 1) for pixels in images]

    def images(self, positions: Sequence[int]) -> list[torch.Tensor]:
        """The images at some positions: uint8 [3, h, w] each."""
        return self.finish(positions, self.begin(positions))

    def plain(self, batch_size: int) -> Iterator[tuple[np.ndarray, list[torch.Tensor]]]:
        """Yield all images in order, as positions and images; the next batch is decoded ahead."""
        batches = [
            np.arange(i, min(i + batch_size, len(self))) for i in range(0, len(self), batch_size)
        ]
        ahead = self.begin(batches[0].tolist()) if batches else []
        for i, positions in enumerate(batches):
            images = self.finish(positions.tolist(), ahead)
            ahead = self.begin(batches[i + 1].tolist()) if i + 1 < len(batches) else []
            yield positions, images

    def _pixels(self, position: int) -> np.ndarray:
        if position in self._cache:
            return self._cache[position]
        row, size = int(self.rows[position]), self._size
        try:
            decoded = decode_whole(
                self._store.encoded(row), size.short_px, size.long_px, white=self._store.white
            )
        except ValueError as error:
            raise BadDataError(
                f"{self._store.ids[row]} in {self._store.path} can no longer be decoded: {error}",
                "Pack the source again.",
            ) from None
        return decoded[0].copy()


class DetectionStream:
    """An endless stream of batches with boxes: one random permutation of the images per epoch.

    Images are mirrored at random. Difficult boxes are left out. The batch of a step is a function
    of (seed, step).
    """

    def __init__(
        self,
        images: WholeImages,
        truth: Sequence[Truth],
        batch_size: int,
        seed: int,
        flip: bool = True,
    ) -> None:
        self.images, self.batch_size, self.seed, self._flip = images, batch_size, seed, flip
        self._truth = list(truth)
        self._order_seed, self._mirror_key = stream(seed, "order"), stream(seed, "augment")
        self._ahead: tuple[int, list[Future[np.ndarray]]] | None = None

    def batch(self, step: int) -> DetectionBatch:
        """The images and boxes of a step."""
        positions = self._positions(step)
        ahead = self._ahead
        futures = ahead[1] if ahead and ahead[0] == step else self.images.begin(positions)
        images = self.images.finish(positions, futures)
        self._ahead = step + 1, self.images.begin(self._positions(step + 1))
        counters = np.arange(step * self.batch_size, (step + 1) * self.batch_size, dtype=np.uint64)
        mirrored = (mix(counters, self._mirror_key) >> np.uint64(63)).astype(bool) & self._flip
        pairs = [
            self._with_boxes(i, image, bool(m))
            for i, image, m in zip(positions, images, mirrored, strict=True)
        ]
        return [image for image, _ in pairs], [boxes for _, boxes in pairs]

    def _positions(self, step: int) -> list[int]:
        counters = np.arange(step * self.batch_size, (step + 1) * self.batch_size)
        epochs, offsets = np.divmod(counters, len(self.images))
        positions = []
        for epoch, offset in zip(epochs, offsets, strict=True):
            numbers = np.arange(len(self.images), dtype=np.uint64)
            ranks = mix(numbers, stream(self._order_seed, int(epoch)))
            positions.append(int(np.argsort(ranks, kind="stable")[offset]))
        return positions

    def _with_boxes(
        self, position: int, image: torch.Tensor, mirrored: bool
    ) -> tuple[torch.Tensor, Boxes]:
        """Scale the boxes of an image with it, and mirror both if asked to."""
        corners, labels, difficult = self._truth[position]
        width, height = self.images.sizes[position]
        scale = np.array([image.shape[2] / width, image.shape[1] / height] * 2)
        boxes = np.clip(corners[~difficult] * scale, 0, (image.shape[2], image.shape[1]) * 2)
        is_inside = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        boxes = boxes[is_inside]
        if mirrored:
            image, right = image.flip(2), image.shape[2]
            sides = [right - boxes[:, 2], boxes[:, 1], right - boxes[:, 0], boxes[:, 3]]
            boxes = np.stack(sides, axis=1)
        return image, {
            "boxes": torch.from_numpy(boxes.astype(np.float32).reshape(-1, 4)),
            "labels": torch.from_numpy(labels[~difficult][is_inside] + 1),
        }
