"""`imbalance(ratio=R)`: classes of unequal size, R times as many images in the largest as in the
smallest (Cui et al. 2019, long tails)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seedbed.base.randomness import Draw, item_hashes
from seedbed.data.recipes import ImageRecipe, TrainingRows
from seedbed.data.sampling import lowest_ranked


@dataclass(frozen=True)
class Imbalance(ImageRecipe):
    """Class i of k, in an order drawn with the seed, keeps m R^(-i/(k-1)) images; m is the smallest
    class's size."""

    ratio: float

    def __post_init__(self) -> None:
        if not 1 <= self.ratio < float("inf"):
            raise ValueError(f"ratio = {self.ratio}: give 1 or more")

    def select(self, rows: TrainingRows, draw: Draw) -> np.ndarray:
        places = np.argsort(
            np.argsort(draw.ranks(item_hashes(rows.classes)), kind="stable"), kind="stable"
        )
        smallest = int(rows.class_sizes[rows.class_sizes > 0].min())
        sizes = smallest * self.ratio ** (-places / max(1, len(places) - 1))
        quotas = np.minimum(
            rows.class_sizes, np.maximum(1, np.floor(np.round(sizes, 6) + 0.5).astype(np.int64))
        )
        return lowest_ranked(rows.labels, draw.ranks(rows.hashes), quotas)
