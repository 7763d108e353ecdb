"""A task: images of a store in fixed, disjoint parts, the metrics, and a score that alone reads the
labels of the test.

In: a store and rows of it. Out: the parts, the metrics with the primary one first, and a
fingerprint of what a measurement depends on. Networks and methods are unknown here.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from seedbed.base.errors import BadDataError
from seedbed.data.store import Store
from seedbed.metrics import METRICS, Metric

REVISION = 1  # raised by hand when splits or scoring change


@dataclass(frozen=True, kw_only=True, repr=False)
class Measurement:
    """Metrics, and the stored predictions from which each of them can be computed again: the
    uncertainty of a test needs no second run."""

    metrics: Mapping[str, float]
    primary: str
    # `ids` uint64 [n] of the test images or queries, and more (seedbed.metrics.metric).
    predictions: Mapping[str, np.ndarray]
    task: str  # fingerprint of the task
    facts: Mapping[str, object] = field(default_factory=dict)  # what the method chose
    # The trained model, calibrated on held-out images, where it is in memory.
    fitted: Any = None
    # Trains the model again, for a measurement that was read from the workspace.
    refit: Callable[[], Any] | None = None
    key: str = ""
    # Of the backbone: architecture, images_seen, weights.
    network: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def model(self) -> Any:
        """The trained model; None for methods that train nothing.

        A measurement that was read from the workspace trains it when it is first asked for.
        """
        return self.fitted if self.refit is None else self.refit()

    @property
    def was_stored(self) -> bool:
        """Whether it was read from the workspace instead of measured now."""
        return self.refit is not None

    @property
    def num_test(self) -> int:
        return len(self.predictions["ids"])

    @property
    def tested_on(self) -> str:
        """What the test consists of: "test images", or "queries"."""
        return METRICS.get(self.primary).counted_in[1]

    def __repr__(self) -> str:
        metrics = ", ".join(
            f"{name} {METRICS.get(name).format(value)}" for name, value in self.metrics.items()
        )
        return f"{metrics} on {self.num_test:,} {self.tested_on}"


@dataclass(frozen=True, kw_only=True)
class Task(ABC):
    """Training, validation and test rows of a store, disjoint and fixed, and how a test is scored.

    Where few labels are known, `fold` assigns the training and validation images to folds. In a
    task of domain adaptation the labelled images come from another domain than the test images,
    and `unlabelled` are further images of the test's domain.

    Labels of training and validation rows are read by methods of the subclasses (`labels`,
    `boxes`), which call `check_known` first. Labels of the test are read by `score` alone.
    """

    kind: ClassVar[str]  # the type of the task

    store: Store
    train: np.ndarray  # int64 [n]
    validation: np.ndarray  # int64 [m]
    test: np.ndarray  # int64 [t]
    primary: str
    fold: np.ndarray | None = None  # int8 of train, then validation; -1: never held out
    unlabelled: np.ndarray | None = None  # int64 [u], in no other part
    chosen: tuple[str, ...] | None = None  # classes of the task where they are not the store's

    def __post_init__(self) -> None:
        parts = [set(rows.tolist()) for rows in (self.train, self.validation, self.test)]
        assert not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2]), (
            "splits overlap"
        )
        others = set().union(*parts)
        assert self.unlabelled is None or not others & set(self.unlabelled.tolist()), (
            "an unlabelled image is in another part"
        )
        if not len(self.test):
            raise BadDataError(
                f"{self.store.name} has no test images",
                "Add a test/ folder, or more images per class.",
            )

    @property
    @abstractmethod
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics that `score` computes, the primary one first."""

    @abstractmethod
    def score(
        self, predictions: Any, /, facts: Mapping[str, object], model: Any = None
    ) -> Measurement:
        """The measurement of predictions for the test rows; each subclass says of which form."""

    @abstractmethod
    def write_results(self, measured: Measurement, folder: Path) -> None:
        """Write a measurement as the files of official scorers into a new folder; nothing where
        the task has no official scorer."""

    @abstractmethod
    def truth(self, rows: np.ndarray) -> list[np.ndarray]:
        """All annotations of some rows as arrays, for the fingerprint."""

    @abstractmethod
    def meaning(self) -> str:
        """What the scores mean, as text, for the fingerprint."""

    @property
    def primary_metric(self) -> Metric:
        """The metric by which backbones are compared: its unit, direction, range."""
        return METRICS.get(self.primary)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.store.classes if self.chosen is None else self.chosen

    @property
    def num_classes(self) -> int:
        return len(self.classes)

    @property
    def num_test(self) -> int:
        """Test images, or queries."""
        return len(self.test)

    @property
    def known(self) -> np.ndarray:
        """Training rows, then validation rows: int64 [n]."""
        return np.concatenate([self.train, self.validation])

    def folds(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Cross-validation folds, or the one validation split: pairs of positions in `known`, to
        train on and to validate on."""
        num, num_train = len(self.train) + len(self.validation), len(self.train)
        if self.fold is None:
            return [(np.arange(num_train), np.arange(num_train, num))]
        numbers = np.unique(self.fold[self.fold >= 0])
        return [(np.flatnonzero(self.fold != k), np.flatnonzero(self.fold == k)) for k in numbers]

    def check_known(self, rows: np.ndarray) -> None:
        """Refuse rows whose labels a method may not read: test rows and unlabelled rows."""
        assert not np.isin(rows, self.test).any(), "test labels are read in scoring alone"
        assert self.unlabelled is None or not np.isin(rows, self.unlabelled).any(), (
            "these images count as unlabelled"
        )

    @property
    def fingerprint(self) -> str:
        """SHA-256 of contents, labels and splits: what a measurement depends on."""
        digest = hashlib.sha256(f"{REVISION} {self.meaning()}".encode())
        for rows in (self.train, self.validation, self.test):
            for array, kind in (
                (self.store.hashes[rows], "<u8"),
                (self.store.checksums[rows], "<u8"),
            ):
                digest.update(np.ascontiguousarray(array, dtype=kind).tobytes())
            for array in self.truth(rows):
                digest.update(np.ascontiguousarray(array).tobytes())
        if self.fold is not None:
            digest.update(self.fold.astype("<i1").tobytes())
        if self.unlabelled is not None:
            digest.update(self.store.checksums[self.unlabelled].astype("<u8").tobytes())
        return digest.hexdigest()[:20]
