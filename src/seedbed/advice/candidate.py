"""A candidate: a backbone with a transfer method, scored on held-out images.

In: held-out predictions of one backbone and method. Out: one record; candidates are compared image
by image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from seedbed.tasks.class_scores import HeldOut

Kind = Literal["probe", "neighbours", "joined", "augmented", "finetune", "zero_shot"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """A backbone, a method call that `transfer` accepts, and its held-out predictions."""

    # as the user names it
    backbone: str
    method: str
    kind: Kind
    # the layer that is read out; None where the network is fine-tuned
    layer: str | None
    # whether that is the penultimate layer, which the network's own head reads
    is_penultimate: bool
    held_out: HeldOut
    # of the held-out images among the labelled ones, int64 [m]
    positions: np.ndarray
    # hashes of the held-out images' ids, uint64 [m]: equal at every image size
    images: np.ndarray
    seconds: float
    num_folds: int
    # measured on a subset of the images
    is_preliminary: bool = False
    # bool [m] each: correct predictions at every hyperparameter value that was tried
    correct_by_setting: tuple[np.ndarray, ...] = ()

    @property
    def correct(self) -> np.ndarray:
        """Whether each held-out image is classified correctly, bool [m]."""
        return (self.held_out.scores.argmax(1) == self.held_out.labels).numpy()

    @property
    def accuracy(self) -> float:
        """Top-1 accuracy on the held-out images, percent."""
        return 100.0 * float(self.correct.mean())

    @property
    def name(self) -> str:
        return f"{short_name(self.backbone)} / {self.method}"


def short_name(backbone: str) -> str:
    """The name of a backbone for a sentence: the last part of a path, a call string as it is."""
    text = backbone.rstrip("/")
    return text.rpartition("/")[2] if "/" in text and "(" not in text else text
