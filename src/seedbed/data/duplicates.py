"""Find near duplicates: frames of a burst, re-encoded and slightly cropped copies.

In: small descriptors of images, and a function that returns their pixels. Out: pairs, and groups.
There are two steps.
*Coarse*: each image at 8 x 8, minus its mean, scaled to length 1. Pairs with a cosine above 0.93
are candidates, found by exhaustive products of blocks.
*Fine*: both images at 32 x 32 in grey, minus their local 5 x 5 mean, which leaves edges and
texture. A correlation above 0.65 makes them near duplicates.
The thresholds were set by eye on pairs of Tiny ImageNet and CIFAR-10 (docs/log.md). Mirrored and
strongly cropped copies are not found.
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
_LOCAL: Any = (1, 5, 5)  # the local mean, within each image
# Largest number of candidates of an image; images of nearly one colour would have more.
_MAX_CANDIDATES = 64
PixelsOf = Callable[[np.ndarray], np.ndarray]
OnProgress = Callable[[int, int], None]


def describe(pixels: np.ndarray) -> np.ndarray:
    """Coarse descriptors, before centring: uint8 [k, 192] of uint8 [k, h, w, 3]."""
    size = (COARSE_PX, COARSE_PX)
    small = [np.asarray(Image.fromarray(p).resize(size, Image.Resampling.BOX)) for p in pixels]
    if not small:
        return np.zeros((0, 3 * COARSE_PX**2), np.uint8)
    return np.stack(small).reshape(len(pixels), -1)


def _centre(descriptors: np.ndarray) -> np.ndarray:
    """Scale to mean 0 and length 1: float32 [n, 192]; an image of one colour remains zero."""
    values = descriptors.astype(np.float32)
    values -= values.mean(axis=1, keepdims=True)
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-3)


def candidate_pairs(
    queries: np.ndarray, gallery: np.ndarray | None = None, on_progress: OnProgress | None = None
) -> np.ndarray:
    """Find the coarse pairs.

    The time grows with the square of the number of images; the memory does not, since similarities
    are computed in tiles of 1,024 x 16,384.

    Args:
        queries: descriptors, uint8 [n, 192].
        gallery: descriptors of another set; None pairs the queries with each other, each pair once.
        on_progress: called with (queries done, queries).

    Returns:
        int64 [p, 2], (query, gallery).
    """
    left = _centre(queries)
    right = left if gallery is None else _centre(gallery)
    pairs = [np.zeros((0, 2), np.int64)]
    for start in range(0, len(left), _BLOCK):
        block = left[start : start + _BLOCK]
        nearest = _Nearest(len(block))
        # Within one set only the upper triangle is computed.
        within = start if gallery is None else None
        for first in range(within or 0, len(right), _TILE):
            nearest.add(block @ right[first : first + _TILE].T, first, within)
        pairs.append(np.stack([nearest.rows + start, nearest.columns], axis=1))
        if on_progress:
            on_progress(min(start + _BLOCK, len(left)), len(left))
    return np.concatenate(pairs)


class _Nearest:
    """For each row of a block the most similar gallery images above COARSE, at most
    _MAX_CANDIDATES of them; the gallery is added tile by tile."""

    def __init__(self, num: int) -> None:
        self._num = num
        self.rows, self.columns = np.zeros(0, np.int64), np.zeros(0, np.int64)
        self._scores = np.zeros(0, np.float32)

    def add(self, scores: np.ndarray, first: int, block_start: int | None) -> None:
        """Add a tile of the gallery.

        Args:
            scores: similarities [rows of the block, images of the tile]; overwritten.
            first: position of the tile's first image in the gallery.
            block_start: within one set, the position of the block's first row: pairs of an image
                with itself or an earlier one are ignored. None for two sets.
        """
        if block_start is not None and first < block_start + len(scores):
            rows = np.arange(block_start, block_start + len(scores))[:, None]
            scores[rows >= np.arange(first, first + scores.shape[1])] = -1.0
        rows, columns = np.divmod(np.flatnonzero(scores.ravel() > COARSE), scores.shape[1])
        self.rows = np.concatenate([self.rows, rows])
        self.columns = np.concatenate([self.columns, columns + first])
        self._scores = np.concatenate([self._scores, scores[rows, columns]])
        if len(self.rows) > _MAX_CANDIDATES * self._num:
            self._prune()

    def _prune(self) -> None:
        order = np.lexsort((self.columns, -self._scores, self.rows))
        sizes = np.bincount(self.rows, minlength=self._num)
        ranks = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        best = order[ranks < _MAX_CANDIDATES]
        self.rows, self.columns = self.rows[best], self.columns[best]
        self._scores = self._scores[best]


def confirm_pairs(
    pairs: np.ndarray, queries: PixelsOf, gallery: PixelsOf | None = None
) -> np.ndarray:
    """Keep the coarse pairs whose fine structure agrees too: int64 [p', 2]."""
    confirmed = [pairs[:0]]
    for start in range(0, len(pairs), _BLOCK):
        block = pairs[start : start + _BLOCK]
        left = _fine_descriptors(block[:, 0], queries)
        right = _fine_descriptors(block[:, 1], gallery or queries)
        confirmed.append(block[(left * right).sum(axis=1) > FINE])
    return np.concatenate(confirmed)


def _fine_descriptors(rows: np.ndarray, pixels: PixelsOf) -> np.ndarray:
    """Fine descriptors of rows; each image is read once, and few at a time: they may be large."""
    distinct, inverse = np.unique(rows, return_inverse=True)
    starts = range(0, len(distinct), _READ)
    return np.concatenate([_fine(pixels(distinct[i : i + _READ])) for i in starts])[inverse]


def _fine(pixels: np.ndarray) -> np.ndarray:
    """Grey minus its local mean, scaled to length 1: float32 [k, d]."""
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
    """Find pairs of near duplicates within one set: int64 [p, 2].

    Equal files are searched once; each is paired with the first of them.
    """
    _, first, inverse = np.unique(checksums, return_index=True, return_inverse=True)
    equal = np.stack([first[inverse], np.arange(len(checksums))], axis=1)
    candidates = candidate_pairs(descriptors[first], on_progress=on_progress)
    near = confirm_pairs(first[candidates], pixels)
    return np.concatenate([np.sort(near, axis=1), equal[equal[:, 0] != equal[:, 1]]])


def group_pairs(num: int, pairs: np.ndarray) -> np.ndarray:
    """Number the groups of `num` items that pairs connect, from 0: int32 [num]."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ones = np.ones(len(pairs), np.int8)
    graph = coo_array((ones, (pairs[:, 0], pairs[:, 1])), shape=(num, num))
    return connected_components(graph, directed=False)[1]


def burst_hashes(
    descriptors: np.ndarray,
    checksums: np.ndarray,
    leaves: np.ndarray,
    num_classes: int,
    pixels: PixelsOf,
) -> np.ndarray:
    """One hash for all near duplicates of a class, the lowest of their checksums: uint64 [n].

    Splits by this hash put all of them on one side.
    """
    hashes = checksums.copy()
    order = np.argsort(leaves, kind="stable")
    bounds = np.searchsorted(leaves[order], np.arange(num_classes + 1))
    for start, end in itertools.pairwise(bounds):
        rows = order[start:end]
        pairs = near_pairs(
            descriptors[rows], checksums[rows], lambda some, rows=rows: pixels(rows[some])
        )
        if len(pairs):
            hashes[rows] = _lowest_hashes(checksums[rows], group_pairs(len(rows), pairs))
    return hashes


def merge_groups(hashes: np.ndarray, files: np.ndarray) -> np.ndarray:
    """Merge groups that have parts of one file: the lowest hash of all that are connected.

    Args:
        hashes: uint64 [n], the group of each row.
        files: int [n], the file of each row.
    """
    _, group = np.unique(hashes, return_inverse=True)
    _, file = np.unique(files, return_inverse=True)
    num = len(hashes)
    # Rows, groups and files are items; each row is connected to its group and to its file.
    rows = np.arange(num)
    pairs = np.concatenate([np.stack([rows, num + group], 1), np.stack([rows, 2 * num + file], 1)])
    return _lowest_hashes(hashes, group_pairs(3 * num, pairs)[:num])


def _lowest_hashes(hashes: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The lowest hash of each row's group: uint64 [n]."""
    lowest = np.full(groups.max() + 1, np.iinfo(np.uint64).max, np.uint64)
    np.minimum.at(lowest, groups, hashes)
    return lowest[groups]
