"""`budget(images=N, favour='classes'|'examples')`: exactly N images, over many classes or in few
(Huh, Agrawal, Efros 2016, section 3.4).

The images are spread over the classes as evenly as their sizes allow: each class gives the same
number, or all that it has; the remainder goes, one each, to the classes of lowest rank. `examples`
takes the fewest classes, by rank, that hold N.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from seedbed.base.errors import UsageError
from seedbed.base.randomness import Draw, item_hashes
from seedbed.data.recipes import Axis, ImageRecipe, Recipe, TrainingRows
from seedbed.data.sampling import lowest_ranked


@dataclass(frozen=True)
class Budget(ImageRecipe):
    """Exactly N training images: over all classes, or in as few classes as hold them."""

    images: int
    favour: Literal["classes", "examples"]

    def __post_init__(self) -> None:
        if self.images < 2:
            raise ValueError(f"images = {self.images}: give 2 or more")

    @property
    def sampled_axis(self) -> Axis:
        return "images"

    @property
    def over_more_classes(self) -> Recipe | None:
        if self.favour == "classes":
            return None
        return Recipe(f"budget(images={self.images}, favour='classes')")

    def select(self, rows: TrainingRows, draw: Draw) -> np.ndarray:
        sizes = rows.class_sizes
        ranks = np.argsort(
            np.argsort(draw.ranks(item_hashes(rows.classes)), kind="stable"), kind="stable"
        )
        if self.images > sizes.sum():
            raise UsageError(
                f"budget(images={self.images}) asks for more images than there are "
                f"({sizes.sum():,})",
                "Give fewer.",
            )
        if self.favour == "examples":
            sizes = np.where(ranks < self._num_classes(sizes, ranks), sizes, 0)
        elif self.images < len(sizes):
            raise UsageError(
                f"budget(images={self.images}, favour='classes') is less than one image for each "
                f"of {len(sizes)} classes",
                f"Give {len(sizes)} or more.",
            )
        return lowest_ranked(
            rows.labels, draw.ranks(rows.hashes), evenly(sizes, self.images, ranks)
        )

    def _num_classes(self, sizes: np.ndarray, ranks: np.ndarray) -> int:
        """How many classes, in order of rank, hold the images; at least 2."""
        totals = np.cumsum(sizes[np.argsort(ranks)])
        return max(2, int(np.searchsorted(totals, self.images)) + 1)


def evenly(sizes: np.ndarray, total: int, ranks: np.ndarray) -> np.ndarray:
    """Quotas that sum to `total`: min(size, level), and one more for the classes of lowest rank
    that have more: int64 [num_classes]."""
    # The highest level that does not give more than the total.
    low, high = 0, int(sizes.max())
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (
            (middle, high) if np.minimum(sizes, middle).sum() <= total else (low, middle - 1)
        )
    quotas = np.minimum(sizes, low).astype(np.int64)
    more = np.flatnonzero(sizes > low)
    quotas[more[np.argsort(ranks[more])][: total - int(quotas.sum())]] += 1
    return quotas
