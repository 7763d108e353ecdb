"""Near duplicates: frames of a burst, re-encoded and slightly cropped copies.

In: small descriptors of images, and a way to their pixels. Out: pairs, and groups. Two steps.
*Coarse*: each image at 8 x 8, its mean taken away, scaled to length 1; pairs with a cosine above
0.93 are candidates, found by exhaustive products of blocks. *Fine*: both at 32 x 32 in grey, less
their own 5 x 5 mean, which leaves edges and texture; a correlation above 0.65 makes them near
duplicates. The thresholds were set by eye on pairs of Tiny ImageNet and CIFAR-10 (docs/log.md).
Mirrored and strongly cropped copies are not found.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

COARSE_PX, FINE_PX = 8, 32
COARSE, FINE = 0.93, 0.65
_BLOCK, _TILE = 1024, 16_384  # queries and gallery of a product
_READ = 64  # images read at a time
_LOCAL: Any = (1, 5, 5)  # over each image by itself
_MOST = 64  # candidates of one image: more come from images that are all but flat
PixelsOf = Callable[[np.ndarray], np.ndarray]
OnProgress = Callable[[int, int], None]


def describe(pixels: np.ndarray) -> np.ndarray:
    """Coarse descriptors, before centring: uint8 [k, 192] of uint8 [k, h, w, 3]."""
    size = (COARSE_PX, COARSE_PX)
    small = [np.asarray(Image.fromarray(p).resize(size, Image.Resampling.BOX)) for p in pixels]
    return (
        np.stack(small).reshape(len(pixels), -1)
        if small
        else np.zeros((0, 3 * COARSE_PX**2), np.uint8)
    )


def _centred(descriptors: np.ndarray) -> np.ndarray:
    """float32 [n, 192] of mean 0 and length 1; an image of one colour stays zero, near to
    nothing."""
    values = descriptors.astype(np.float32)
    values -= values.mean(axis=1, keepdims=True)
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-3)


def candidates(
    queries: np.ndarray, gallery: np.ndarray | None = None, on_progress: OnProgress | None = None
) -> np.ndarray:
    """Coarse pairs: int64 [p, 2], (query, gallery); within one set when there is no gallery, each
    pair once.

    Work grows with the square of the number of images, memory does not: tiles of 1,024 x 16,384
    similarities. `on_progress` is called with (queries done, queries).
    """
    left = _centred(queries)
    right = left if gallery is None else _centred(gallery)
    found = [np.zeros((0, 2), np.int64)]
    for start in range(0, len(left), _BLOCK):
        block = left[start : start + _BLOCK]
        near = _Nearest(len(block))
        # Of a set with itself, the upper triangle.
        for first in range(start if gallery is None else 0, len(right), _TILE):
            near.add(
                block @ right[first : first + _TILE].T, first, start if gallery is None else None
            )
        found.append(np.stack([near.rows + start, near.columns], axis=1))
        if on_progress:
            on_progress(min(start + _BLOCK, len(left)), len(left))
    return np.concatenate(found)


class _Nearest:
    """The nearest of a growing gallery to each row of a block, at most _MOST of those that are near
    enough."""

    def __init__(self, num: int) -> None:
        self._num = num
        self.rows, self.columns, self._scores = (
            np.zeros(0, np.int64),
            np.zeros(0, np.int64),
            np.zeros(0, np.float32),
        )

    def add(self, scores: np.ndarray, first: int, above: int | None) -> None:
        """Similarities [rows, some of the gallery from `first` on]; with `above`, where the rows
        begin, only what lies after each."""
        if above is not None and first < above + len(scores):
            scores[
                np.arange(above, above + len(scores))[:, None]
                >= np.arange(first, first + scores.shape[1])
            ] = -1.0
        rows, columns = np.divmod(np.flatnonzero(scores.ravel() > COARSE), scores.shape[1])
        self.rows, self.columns = (
            np.concatenate([self.rows, rows]),
            np.concatenate([self.columns, columns + first]),
        )
        self._scores = np.concatenate([self._scores, scores[rows, columns]])
        if len(self.rows) > _MOST * self._num:
            self._prune()

    def _prune(self) -> None:
        order = np.lexsort((self.columns, -self._scores, self.rows))
        sizes = np.bincount(self.rows, minlength=self._num)
        ranks = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        kept = order[ranks < _MOST]
        self.rows, self.columns, self._scores = (
            self.rows[kept],
            self.columns[kept],
            self._scores[kept],
        )


def confirmed(pairs: np.ndarray, queries: PixelsOf, gallery: PixelsOf | None = None) -> np.ndarray:
    """Those of the coarse pairs whose fine structure agrees: int64 [p', 2]."""
    kept = [pairs[:0]]
    for start in range(0, len(pairs), _BLOCK):
        part = pairs[start : start + _BLOCK]
        agree = (_fine_of(part[:, 0], queries) * _fine_of(part[:, 1], gallery or queries)).sum(
            axis=1
        )
        kept.append(part[agree > FINE])
    return np.concatenate(kept)


def _fine_of(rows: np.ndarray, pixels: PixelsOf) -> np.ndarray:
    """Fine descriptors of rows, each image read once and few at a time: they may be large."""
    used, which = np.unique(rows, return_inverse=True)
    return np.concatenate([_fine(pixels(used[i : i + _READ])) for i in range(0, len(used), _READ)])[
        which
    ]


def _fine(pixels: np.ndarray) -> np.ndarray:
    """float32 [k, d] of length 1: grey, less its local mean."""
    from scipy.ndimage import uniform_filter

    side = min(FINE_PX, pixels.shape[1])
    images = [
        Image.fromarray(p).convert("L").resize((side, side), Image.Resampling.BOX) for p in pixels
    ]
    grey = np.stack([np.asarray(image, np.float32) for image in images])
    detail = (grey - uniform_filter(grey, size=_LOCAL, mode="mirror")).reshape(len(grey), -1)
    return detail / np.maximum(np.linalg.norm(detail, axis=1, keepdims=True), 1e-3)


def near_pairs(
    descriptors: np.ndarray,
    checksums: np.ndarray,
    pixels: PixelsOf,
    on_progress: OnProgress | None = None,
) -> np.ndarray:
    """Pairs of near duplicates within one set: int64 [p, 2]. Equal files are one image in the
    search, and paired with its first."""
    _, first, which = np.unique(checksums, return_index=True, return_inverse=True)
    equal = np.stack([first[which], np.arange(len(checksums))], axis=1)
    found = candidates(descriptors[first], on_progress=on_progress)
    near = confirmed(first[found], pixels)
    return np.concatenate([np.sort(near, axis=1), equal[equal[:, 0] != equal[:, 1]]])


def groups_of(num: int, pairs: np.ndarray) -> np.ndarray:
    """The group of each of `num` items that pairs join, numbered from 0: int32 [num]."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ones = np.ones(len(pairs), np.int8)
    return connected_components(
        coo_array((ones, (pairs[:, 0], pairs[:, 1])), shape=(num, num)), directed=False
    )[1]


def burst_hashes(
    descriptors: np.ndarray,
    checksums: np.ndarray,
    leaves: np.ndarray,
    num_classes: int,
    pixels: PixelsOf,
) -> np.ndarray:
    """One hash for all near duplicates of a class, the lowest of their checksums: uint64 [n], so
    that splits keep them on one side."""
    hashes = checksums.copy()
    order = np.argsort(leaves, kind="stable")
    bounds = np.searchsorted(leaves[order], np.arange(num_classes + 1))
    for start, end in itertools.pairwise(bounds):
        rows = order[start:end]
        pairs = near_pairs(
            descriptors[rows], checksums[rows], lambda some, rows=rows: pixels(rows[some])
        )
        if len(pairs):
            hashes[rows] = _lowest(checksums[rows], groups_of(len(rows), pairs))
    return hashes


def together(hashes: np.ndarray, files: np.ndarray) -> np.ndarray:
    """Hashes of groups, uint64 [n], joined where two rows are parts of one file, int [n]: the
    lowest hash of all that hang together."""
    _, group = np.unique(hashes, return_inverse=True)
    _, file = np.unique(files, return_inverse=True)
    num = len(hashes)
    # Rows, groups and files are items; each row is joined to its group and to its file.
    rows = np.arange(num)
    pairs = np.concatenate([np.stack([rows, num + group], 1), np.stack([rows, 2 * num + file], 1)])
    joined = groups_of(3 * num, pairs)[:num]
    return _lowest(hashes, joined)


def _lowest(hashes: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The lowest hash of each row's group: uint64 [n]."""
    lowest = np.full(groups.max() + 1, np.iinfo(np.uint64).max, np.uint64)
    np.minimum.at(lowest, groups, hashes)
    return lowest[groups]
