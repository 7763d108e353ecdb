"""Whole images with their boxes, as a detector takes them: batches of lists, since sizes differ.

In: rows of a store that keeps encoded images, and their boxes. Out: images as they are shown to a
network, uint8 [3, h, w], and boxes scaled with them. Decoded images are kept in memory where they
fit; a thread pool decodes ahead where they do not. Knows nothing of networks.
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
from seedbed.data.decode import decode_whole, whole_size
from seedbed.data.store import Store

_SHARE_OF_MEMORY = 0.3
_MAX_THREADS = 8

# corners float64 [b, 4], labels int64 [b], difficult bool [b]
Truth = tuple[np.ndarray, np.ndarray, np.ndarray]
# "boxes" float32 [b, 4], "labels" int64 [b], from 1: 0 is the background
Boxes = dict[str, torch.Tensor]
SceneBatch = tuple[list[torch.Tensor], list[Boxes]]


@dataclass(frozen=True, kw_only=True)
class SceneSize:
    """At which size images are shown: the shorter side, unless the longer one would exceed its own
    bound."""

    short_px: int
    long_px: int


class Scenes:
    """The images of some rows of a store."""

    def __init__(self, store: Store, rows: np.ndarray, size: SceneSize) -> None:
        self._store, self.rows, self._size = store, np.asarray(rows, np.int64), size
        # as found: width, height
        self.sizes = store.sizes(self.rows) if len(self.rows) else np.zeros((0, 2), np.int32)
        shown = [whole_size(int(w), int(h), size.short_px, size.long_px) for w, h in self.sizes]
        self._fits = 3 * sum(w * h for w, h in shown) <= _SHARE_OF_MEMORY * free_bytes("cpu")
        self._kept: dict[int, np.ndarray] = {}
        self._pool = ThreadPoolExecutor(min(_MAX_THREADS, num_cores()))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def loading(self) -> str:
        return "decoded once, kept in memory" if self._fits else "decoded on the fly"

    def begin(self, which: Sequence[int]) -> list[Future[np.ndarray]]:
        """Start to decode some positions."""
        return [self._pool.submit(self._pixels, int(i)) for i in which]

    def finish(
        self, which: Sequence[int], begun: Sequence[Future[np.ndarray]]
    ) -> list[torch.Tensor]:
        """The images that were begun: uint8 [3, h, w] each."""
        found = [one.result() for one in begun]
        if self._fits:
            self._kept.update(zip(map(int, which), found, strict=True))
        return [torch.from_numpy(pixels).permute(2, 0, 1) for pixels in found]

    def images(self, which: Sequence[int]) -> list[torch.Tensor]:
        return self.finish(which, self.begin(which))

    def plain(self, batch_size: int) -> Iterator[tuple[np.ndarray, list[torch.Tensor]]]:
        """All of them in order, a batch decoded while the one before it is used: positions,
        images."""
        batches = [
            np.arange(i, min(i + batch_size, len(self))) for i in range(0, len(self), batch_size)
        ]
        ahead = self.begin(batches[0].tolist()) if batches else []
        for i, which in enumerate(batches):
            images = self.finish(which.tolist(), ahead)
            ahead = self.begin(batches[i + 1].tolist()) if i + 1 < len(batches) else []
            yield which, images

    def _pixels(self, position: int) -> np.ndarray:
        if position in self._kept:
            return self._kept[position]
        row = int(self.rows[position])
        try:
            return decode_whole(self._store.encoded(row), self._size.short_px, self._size.long_px)[
                0
            ].copy()
        except ValueError as error:
            raise BadDataError(
                f"{self._store.ids[row]} in {self._store.path} can no longer be decoded: {error}",
                "Pack the source again.",
            ) from None


class SceneStream:
    """An endless stream of batches with boxes, mirrored at random: one random order of the images
    after another.

    Difficult boxes are not learnt from. Each step's batch is a function of (seed, step).
    """

    def __init__(
        self, scenes: Scenes, truth: Sequence[Truth], batch_size: int, seed: int, flip: bool = True
    ) -> None:
        self.scenes, self.batch_size, self.seed, self._flip = scenes, batch_size, seed, flip
        self._truth = list(truth)
        self._order, self._mirror = stream(seed, "order"), stream(seed, "augment")
        self._ahead: tuple[int, list[Future[np.ndarray]]] | None = None

    def batch(self, step: int) -> SceneBatch:
        which = self._which(step)
        begun = (
            self._ahead[1] if self._ahead and self._ahead[0] == step else self.scenes.begin(which)
        )
        images = self.scenes.finish(which, begun)
        self._ahead = step + 1, self.scenes.begin(self._which(step + 1))
        places = np.arange(step * self.batch_size, (step + 1) * self.batch_size, dtype=np.uint64)
        mirrored = (mix(places, self._mirror) >> np.uint64(63)).astype(bool) & self._flip
        pairs = [
            self._shown(i, image, bool(m))
            for i, image, m in zip(which, images, mirrored, strict=True)
        ]
        return [image for image, _ in pairs], [boxes for _, boxes in pairs]

    def _which(self, step: int) -> list[int]:
        places = np.arange(step * self.batch_size, (step + 1) * self.batch_size)
        epochs, within = np.divmod(places, len(self.scenes))
        found = []
        for epoch, place in zip(epochs, within, strict=True):
            ranks = mix(
                np.arange(len(self.scenes), dtype=np.uint64), stream(self._order, int(epoch))
            )
            found.append(int(np.argsort(ranks, kind="stable")[place]))
        return found

    def _shown(
        self, position: int, image: torch.Tensor, mirrored: bool
    ) -> tuple[torch.Tensor, Boxes]:
        corners, labels, difficult = self._truth[position]
        width, height = self.scenes.sizes[position]
        scale = np.array([image.shape[2] / width, image.shape[1] / height] * 2)
        boxes = np.clip(corners[~difficult] * scale, 0, (image.shape[2], image.shape[1]) * 2)
        there = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        boxes = boxes[there]
        if mirrored:
            image = image.flip(2)
            boxes = np.stack(
                [
                    image.shape[2] - boxes[:, 2],
                    boxes[:, 1],
                    image.shape[2] - boxes[:, 0],
                    boxes[:, 3],
                ],
                axis=1,
            )
        return image, {
            "boxes": torch.from_numpy(boxes.astype(np.float32).reshape(-1, 4)),
            "labels": torch.from_numpy(labels[~difficult][there] + 1),
        }
