"""A candidate that was measured on images it had not learnt from.

In: what a backbone and a method gave. Out: one record that can be compared with others image by
image. Knows nothing of how it came about.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from seedbed.tasks.classification import HeldOut

Kind = Literal["probe", "neighbours", "joined", "augmented", "finetune"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Entry:
    """One candidate: a backbone as the user calls it, a method call that `transfer` takes, and its
    held-out predictions."""

    backbone: str
    method: str
    kind: Kind
    layer: str | None  # that codes are read at; None where the network is tuned
    is_top: bool  # whether that is the layer that the head reads
    held_out: HeldOut
    positions: np.ndarray  # of the held-out images among the known, int64 [m]
    images: np.ndarray  # hashes of their ids, uint64 [m]: the same image in every size
    seconds: float
    num_folds: int
    is_rough: bool = False  # a first look at a part of the images
    # bool [m] each: what every setting that was tried got right, the chosen one's among them
    settings: tuple[np.ndarray, ...] = ()

    @property
    def right(self) -> np.ndarray:
        """bool [m]."""
        return (self.held_out.scores.argmax(1) == self.held_out.labels).numpy()

    @property
    def accuracy(self) -> float:
        """Top-1 on the held-out images, percent."""
        return 100.0 * float(self.right.mean())

    @property
    def name(self) -> str:
        return f"{short(self.backbone)} / {self.method}"


def short(backbone: str) -> str:
    """What a backbone is called in a sentence: of a path, its last part; of a call without other
    settings, the network."""
    text = backbone.rstrip("/")
    return text.rpartition("/")[2] if "/" in text and "(" not in text else text
