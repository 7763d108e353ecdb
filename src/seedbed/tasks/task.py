"""A task: a target's images with fixed, disjoint splits and a primary metric; test labels are read in scoring alone.

In: a store, and how many training images per class to use. Out: training and validation rows with labels, test rows without, and
`score`. Knows nothing of backbones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from seedbed.base.errors import BadDataError
from seedbed.data.store import Store
from seedbed.metrics.accuracy import accuracies

if TYPE_CHECKING:
    import torch

    from seedbed.readout.model import Model

REVISION = 1  # raised by hand when splits or scoring change


@dataclass(frozen=True, kw_only=True, repr=False)
class Measurement:
    """Metrics in percent, the primary one, and the prediction behind each: per-image, so that test-set uncertainty needs no rerun."""

    metrics: Mapping[str, float]
    primary: str
    predictions: Mapping[str, np.ndarray]  # ids uint64 [n], labels int32 [n], ranked int32 [n, <=5]
    task: str  # fingerprint of the task
    facts: Mapping[str, object] = field(default_factory=dict)  # what the method chose
    model: Model | None = None  # what was trained, calibrated on held-out images: it saves itself, and predicts

    def __repr__(self) -> str:
        metrics = ", ".join(f"{name} {value:.2f} %" for name, value in self.metrics.items())
        return f"{metrics} on {len(self.predictions['labels']):,} test images"


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """Scores of images that were not learnt from, each by a model that did not see it: float [n, K] of labels int64 [n]."""

    scores: torch.Tensor
    labels: torch.Tensor


@dataclass(frozen=True, kw_only=True)
class Task:
    """Classification of a target: train, validation and test rows of a store, disjoint and fixed.

    A recipe may have left some of the store's classes, or merged them: `classes` and `class_of_leaf` then say which. Where few labels
    are known, `fold` deals the training and validation images into folds. In a task of adaptation the labelled images are of another
    domain than the test images, and `unlabelled` are the images of the test's domain.
    """

    store: Store
    train: np.ndarray  # int64 [n]
    validation: np.ndarray  # int64 [m]
    test: np.ndarray  # int64 [t]
    primary: str = "top1"
    chosen: tuple[str, ...] | None = None  # classes, where they are not the store's own
    class_of_leaf: np.ndarray | None = None  # int32 [num_leaves], into `chosen`, -1 where dropped
    fold: np.ndarray | None = None  # int8 of train, then validation; -1: never held out
    unlabelled: np.ndarray | None = None  # int64 [u], in no other part

    def __post_init__(self) -> None:
        parts = [set(rows.tolist()) for rows in (self.train, self.validation, self.test)]
        assert not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2]), "splits overlap"
        others = set().union(*parts)
        assert self.unlabelled is None or not others & set(self.unlabelled.tolist()), "an unlabelled image is in another part"
        if not len(self.test):
            raise BadDataError(f"{self.store.name} has no test images", "Add a test/ folder, or more images per class.")

    @property
    def classes(self) -> tuple[str, ...]:
        return self.store.classes if self.chosen is None else self.chosen

    @property
    def num_classes(self) -> int:
        return len(self.classes)

    @property
    def known(self) -> np.ndarray:
        """Training rows, then validation rows: int64 [n]."""
        return np.concatenate([self.train, self.validation])

    def folds(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """What to choose by: pairs of positions in `known`, to learn from and to validate on; one pair, or one per fold."""
        num, num_train = len(self.train) + len(self.validation), len(self.train)
        if self.fold is None:
            return [(np.arange(num_train), np.arange(num_train, num))]
        numbers = np.unique(self.fold[self.fold >= 0])
        return [(np.flatnonzero(self.fold != k), np.flatnonzero(self.fold == k)) for k in numbers]

    def labels(self, rows: np.ndarray) -> np.ndarray:
        """Labels of training or validation rows: int64 [n]. Others are refused: test labels are read in `score` alone."""
        assert not np.isin(rows, self.test).any(), "test labels are read in scoring alone"
        assert self.unlabelled is None or not np.isin(rows, self.unlabelled).any(), "these images count as unlabelled"
        return self._labels(rows).astype(np.int64)

    def _labels(self, rows: np.ndarray) -> np.ndarray:
        leaves = self.store.leaves[rows]
        return leaves if self.class_of_leaf is None else self.class_of_leaf[leaves]

    def score(self, ranked: np.ndarray, facts: Mapping[str, object], model: Model | None = None) -> Measurement:
        """The measurement of predictions on the test rows, best class first: int [t, >=1]; `model` made them."""
        labels = self._labels(self.test)
        return Measurement(
            metrics=accuracies(labels, ranked, self.num_classes),
            primary=self.primary,
            predictions={"ids": self.store.hashes[self.test], "labels": labels, "ranked": ranked},
            task=self.fingerprint,
            facts=facts,
            model=model,
        )

    @property
    def fingerprint(self) -> str:
        """SHA-256 of contents, labels and splits: what a measurement depends on."""
        digest = hashlib.sha256(f"{REVISION} {self.store.meaning} {self.primary} {self.num_classes}".encode())
        for rows in (self.train, self.validation, self.test):
            for array, kind in ((self.store.hashes[rows], "<u8"), (self.store.checksums[rows], "<u8"), (self._labels(rows), "<i4")):
                digest.update(np.ascontiguousarray(array, dtype=kind).tobytes())
        if self.fold is not None:
            digest.update(self.fold.astype("<i1").tobytes())
        if self.unlabelled is not None:
            digest.update(self.store.checksums[self.unlabelled].astype("<u8").tobytes())
        return digest.hexdigest()[:20]
