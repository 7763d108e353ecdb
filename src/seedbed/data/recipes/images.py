"""`images(per_class=N | fraction=F | total=N)`: fewer training images, all classes.

The lowest-ranked images of each class stay, so that draws are nested in their size. `total` is
shared out by Sainte-Lague's divisor method, which is house-monotone: a larger total never takes an
image away from a class.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seedbed.base.errors import UsageError
from seedbed.base.randomness import Draw
from seedbed.data.recipes import Axis, ImageRecipe, TrainingRows, require_exactly_one
from seedbed.data.sampling import lowest_ranked, share


@dataclass(frozen=True)
class Images(ImageRecipe):
    """Keep N training images of each class, or a fraction of each class, or N in total."""

    per_class: int | None = None
    fraction: float | None = None
    total: int | None = None

    def __post_init__(self) -> None:
        require_exactly_one(self, "per_class", "fraction", "total")

    @property
    def sampled_axis(self) -> Axis:
        return "images"

    @property
    def image_share(self) -> float | None:
        return self.fraction

    def select(self, rows: TrainingRows, draw: Draw) -> np.ndarray:
        return lowest_ranked(rows.labels, draw.ranks(rows.hashes), self._quotas(rows.class_sizes))

    def _quotas(self, sizes: np.ndarray) -> np.ndarray:
        if self.per_class is not None:
            return np.minimum(sizes, min(self.per_class, 2**62))
        if self.fraction is not None:
            return share(sizes, self.fraction)
        return sainte_lague(sizes, self.total or 0)

    def note(self, rows: TrainingRows) -> str:
        num_short = int((rows.class_sizes < (self.per_class or 0)).sum())
        if not num_short:
            return ""
        return (
            f"{num_short} of {len(rows.classes)} classes have fewer than {self.per_class} images: "
            "all their images stay"
        )


def sainte_lague(sizes: np.ndarray, total: int) -> np.ndarray:
    """Seats for `total` images by class size, at least 1 each, ties to the lower class index: int64
    [num_classes].

    Raises UsageError when there are fewer images than `total`, or fewer than one per class.
    """
    present = sizes > 0
    if not present.sum() <= total <= sizes.sum():
        raise UsageError(
            f"images(total={total}) is not between one per class and all",
            f"Give {present.sum()} to {sizes.sum()}.",
        )
    # Find the largest divisor that gives at least `total`; then take back the surplus, last seats
    # first.
    low, high = 1e-9, 2.0 * sizes.max() + 1
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if _seats(sizes, middle).sum() >= total else (low, middle)
    # Slightly below the divisor, so that rounding loses no seat that a tie would give; the surplus
    # seats go back next.
    seats = _seats(sizes, low * (1 - 1e-9))
    surplus = int(seats.sum() - total)
    last = np.where(seats > 1, sizes / (2 * seats - 1), np.inf)
    order = np.lexsort((-np.arange(len(sizes)), last))
    seats[order[:surplus]] -= 1
    return seats


def _seats(sizes: np.ndarray, divisor: float) -> np.ndarray:
    return np.minimum(
        sizes, np.maximum(sizes > 0, np.floor(sizes / divisor + 0.5).astype(np.int64))
    )
