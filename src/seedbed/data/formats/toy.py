"""toy(): images drawn by a program, with a class tree; the embedded default source.

In: the number of images of each class, and a seed.
Out: a Source whose labels are paths (`family/kind/variant`), which give the hierarchy. No file is
read; each image depends on its class and its seed alone (`seedbed.data.toy_drawing`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from seedbed.base.randomness import item_hashes, mix, stream
from seedbed.data import source
from seedbed.data.formats import Format
from seedbed.data.hierarchy import from_paths
from seedbed.data.memory_images import loaded_from_pixels
from seedbed.data.toy_drawing import TREE, render

REVISION = 1  # raised by hand when the drawing changes


@dataclass(frozen=True)
class ToyPixels(source.Pixels):
    """Draws the images of rows; `classes` and `seeds` are in the order of the source's rows."""

    classes: np.ndarray  # int [n]
    seeds: np.ndarray  # uint64 [n]
    light: ClassVar[bool] = True

    def load(self, rows: np.ndarray, size_px: int, fit: str = "crop") -> source.Loaded:
        pixels = render(self.classes[rows], self.seeds[rows], size_px)
        return loaded_from_pixels(pixels, size_px, size_px)


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
                f"per_class = {self.per_class}, test_per_class = {self.test_per_class}: "
                "give at least 2 and 1"
            )

    def read(self) -> source.Source:
        splits = [
            ("train", source.TRAIN, self.per_class),
            ("test", source.TEST, self.test_per_class),
        ]
        records = sorted(
            (f"{name}/{label}/{i:06d}", label, split)
            for name, split, num in splits
            for label in TREE
            for i in range(num)
        )
        ids = [record[0] for record in records]
        positions = {label: i for i, label in enumerate(TREE)}
        sample = [*ids[:: max(1, len(ids) // 100)], str(len(ids))]
        return source.from_records(
            f"toy(per_class={self.per_class}, test_per_class={self.test_per_class}, "
            f"seed={self.seed})",
            records,
            pixels=ToyPixels(
                np.array([positions[label] for _, label, _ in records]),
                mix(item_hashes(ids), stream(self.seed, "toy")),
            ),
            listing=source.listing_fingerprint(["toy", str(REVISION), str(self.seed), *sample]),
            names={label: " ".join(reversed(label.split("/")[1:])) for label in TREE},
            hierarchy=from_paths(list(TREE)),
        )
