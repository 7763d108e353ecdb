"""`shuffle_labels(fraction=F)`: the labels of a share of the training images are permuted among
themselves, so that class sizes stay."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seedbed.base.randomness import Draw, mix
from seedbed.data.recipes import LabelRecipe, TrainingRows


@dataclass(frozen=True)
class ShuffleLabels(LabelRecipe):
    """Permute the labels of a share of the training images, those of lowest rank, among
    themselves."""

    fraction: float

    def __post_init__(self) -> None:
        if not 0 < self.fraction <= 1:
            raise ValueError(f"fraction = {self.fraction} is outside (0, 1]")

    @property
    def shuffled_share(self) -> float:
        return self.fraction

    def assign(self, rows: TrainingRows, draw: Draw) -> np.ndarray:
        ranks = draw.ranks(rows.hashes)
        order = np.argsort(ranks, kind="stable")
        chosen = order[: int(np.floor(round(len(order) * self.fraction, 6) + 0.5))]
        labels = rows.labels.copy()
        # A second rank orders the same images again: each gets the label of the image that is now
        # in its place.
        labels[chosen] = rows.labels[chosen[np.argsort(mix(ranks[chosen], 1), kind="stable")]]
        return labels
