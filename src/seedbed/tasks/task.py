"""A task: a target's images with fixed, disjoint splits and a primary metric; test labels are read in scoring alone.

In: a store, and how many training images per class to use. Out: training and validation rows with labels, test rows without, and
`score`. Knows nothing of backbones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from seedbed.base.errors import BadDataError
from seedbed.data.store import Store
from seedbed.metrics.accuracy import accuracies

REVISION = 1  # raised by hand when splits or scoring change


@dataclass(frozen=True, kw_only=True, repr=False)
class Measurement:
    """Metrics in percent, the primary one, and the prediction behind each: per-image, so that test-set uncertainty needs no rerun."""

    metrics: Mapping[str, float]
    primary: str
    predictions: Mapping[str, np.ndarray]  # ids uint64 [n], labels int32 [n], ranked int32 [n, <=5]
    task: str  # fingerprint of the task
    facts: Mapping[str, object] = field(default_factory=dict)  # what the method chose

    def __repr__(self) -> str:
        metrics = ", ".join(f"{name} {value:.2f} %" for name, value in self.metrics.items())
        return f"{metrics} on {len(self.predictions['labels']):,} test images"


@dataclass(frozen=True, kw_only=True)
class Task:
    """Classification of a target: train, validation and test rows of a store, disjoint and fixed.

    A recipe may have left some of the store's classes, or merged them: `classes` and `class_of_leaf` then say which.
    """

    store: Store
    train: np.ndarray  # int64 [n]
    validation: np.ndarray  # int64 [m]
    test: np.ndarray  # int64 [t]
    primary: str = "top1"
    chosen: tuple[str, ...] | None = None  # classes, where they are not the store's own
    class_of_leaf: np.ndarray | None = None  # int32 [num_leaves], into `chosen`, -1 where dropped

    def __post_init__(self) -> None:
        parts = [set(rows.tolist()) for rows in (self.train, self.validation, self.test)]
        assert not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2]), "splits overlap"
        if not len(self.test):
            raise BadDataError(f"{self.store.name} has no test images", "Add a test/ folder, or more images per class.")

    @property
    def classes(self) -> tuple[str, ...]:
        return self.store.classes if self.chosen is None else self.chosen

    @property
    def num_classes(self) -> int:
        return len(self.classes)

    def labels(self, rows: np.ndarray) -> np.ndarray:
        """Labels of training or validation rows: int64 [n]. Test labels are refused: they are read in `score` alone."""
        assert not np.isin(rows, self.test).any(), "test labels are read in scoring alone"
        return self._labels(rows).astype(np.int64)

    def _labels(self, rows: np.ndarray) -> np.ndarray:
        leaves = self.store.leaves[rows]
        return leaves if self.class_of_leaf is None else self.class_of_leaf[leaves]

    def score(self, ranked: np.ndarray, facts: Mapping[str, object]) -> Measurement:
        """The measurement of predictions on the test rows, best class first: int [t, >=1]."""
        labels = self._labels(self.test)
        return Measurement(
            metrics=accuracies(labels, ranked, self.num_classes),
            primary=self.primary,
            predictions={"ids": self.store.hashes[self.test], "labels": labels, "ranked": ranked},
            task=self.fingerprint,
            facts=facts,
        )

    @property
    def fingerprint(self) -> str:
        """SHA-256 of contents, labels and splits: what a measurement depends on."""
        digest = hashlib.sha256(f"{REVISION} {self.store.meaning} {self.primary} {self.num_classes}".encode())
        for rows in (self.train, self.validation, self.test):
            for array, kind in ((self.store.hashes[rows], "<u8"), (self.store.checksums[rows], "<u8"), (self._labels(rows), "<i4")):
                digest.update(np.ascontiguousarray(array, dtype=kind).tobytes())
        return digest.hexdigest()[:20]
