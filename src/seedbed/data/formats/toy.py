"""toy(): a procedural source of images with a class tree, the embedded default.

In: how many images of each fine class, and a seed. Out: a Source whose leaf labels are paths
(`family/kind/variant`), which give the hierarchy. No file is read; each image depends on its class
and its own seed alone. How they are drawn: `seedbed.data.drawing`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from seedbed.base.randomness import item_hashes, mix, stream
from seedbed.data import drawing
from seedbed.data.formats import Format
from seedbed.data.hierarchy import from_paths
from seedbed.data.memory_images import loaded_from_pixels
from seedbed.data.source import (
    TEST,
    TRAIN,
    Loaded,
    Pixels,
    Source,
    from_records,
    listing_fingerprint,
)

REVISION = 1  # raised by hand when the drawing changes


@dataclass(frozen=True)
class ToyPixels(Pixels):
    """Draws the images of rows; `classes` and `seeds` are in the order of the source's rows."""

    classes: np.ndarray  # int [n]
    seeds: np.ndarray  # uint64 [n]
    light: ClassVar[bool] = True

    def load(self, rows: np.ndarray, size_px: int, fit: str = "crop") -> Loaded:
        return loaded_from_pixels(
            drawing.render(self.classes[rows], self.seeds[rows], size_px), size_px, size_px
        )


@dataclass(frozen=True)
class Toy(Format):
    """Procedural images with a class tree of families, kinds and fine variants; deterministic by
    seed."""

    per_class: int = 500
    test_per_class: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        if self.per_class < 2 or self.test_per_class < 1:
            raise ValueError(
                f"per_class = {self.per_class}, test_per_class = {self.test_per_class}: give at least 2 and 1"
            )

    def read(self) -> Source:
        labels = [leaf.name for leaf in drawing.TREE]
        splits = [("train", TRAIN, self.per_class), ("test", TEST, self.test_per_class)]
        records = [
            (f"{name}/{label}/{i:06d}", label, split)
            for name, split, num in splits
            for label in labels
            for i in range(num)
        ]
        records.sort()
        ids = [r[0] for r in records]
        index = {label: i for i, label in enumerate(labels)}
        pixels = ToyPixels(
            np.array([index[r[1]] for r in records]),
            mix(item_hashes(ids), stream(self.seed, "toy")),
        )
        return from_records(
            f"toy(per_class={self.per_class}, test_per_class={self.test_per_class}, seed={self.seed})",
            records,
            pixels=pixels,
            listing=listing_fingerprint(
                [
                    "toy",
                    str(REVISION),
                    str(self.seed),
                    *ids[:: max(1, len(ids) // 100)],
                    str(len(ids)),
                ]
            ),
            names={label: " ".join(reversed(label.split("/")[1:])) for label in labels},
            hierarchy=from_paths(labels),
        )
