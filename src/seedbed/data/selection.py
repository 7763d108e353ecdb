"""A selection: which training images and classes of a store remain, step by step.

In: a store. Out: rows, labels and the label set after each step of a recipe. Knows nothing of
recipes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from seedbed.base.randomness import Draw
from seedbed.data.source import TRAIN
from seedbed.data.store import Store

# A control that drops as many images as another recipe leaves at least these.
_MIN_IMAGES = 2


@dataclass(frozen=True, kw_only=True)
class TrainingRows:
    """The n training images that a step chooses from; labels count 0..num_classes-1."""

    labels: np.ndarray  # int32 [n]
    hashes: np.ndarray  # uint64 [n], of the ids
    classes: tuple[str, ...]

    @property
    def class_sizes(self) -> np.ndarray:
        """Training images of each class: int64 [num_classes]."""
        return np.bincount(self.labels, minlength=len(self.classes))


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The training images and classes of a store that remain; each method returns a new one."""

    store: Store
    classes: tuple[str, ...]
    class_of_leaf: np.ndarray  # int32 [num_leaves], -1 where dropped
    rows: np.ndarray  # int64 [n], training rows of the store, ascending
    labels: np.ndarray  # int32 [n], index into classes
    notes: tuple[str, ...] = ()

    @staticmethod
    def everything(store: Store) -> Selection:
        """All training images and every class that has one."""
        rows = np.flatnonzero(store.splits == TRAIN)
        return Selection(
            store=store,
            classes=store.classes,
            class_of_leaf=np.arange(len(store.classes), dtype=np.int32),
            rows=rows,
            labels=store.leaves[rows],
        ).without_empty_classes()

    @property
    def class_sizes(self) -> np.ndarray:
        """Training images of each class: int64 [num_classes]."""
        return np.bincount(self.labels, minlength=len(self.classes))

    @property
    def training_rows(self) -> TrainingRows:
        """What an image recipe or a label recipe sees."""
        return TrainingRows(
            labels=self.labels, hashes=self.store.hashes[self.rows], classes=self.classes
        )

    def with_note(self, note: str) -> Selection:
        """The same with one more note; an empty note changes nothing."""
        return replace(self, notes=(*self.notes, note)) if note else self

    def with_labels(self, labels: np.ndarray) -> Selection:
        """The same images with new labels: int32 [n]."""
        return replace(self, labels=labels)

    def with_rows(self, selected: np.ndarray) -> Selection:
        """Only these rows: bool [n], or their positions, int64 [m], ascending."""
        return replace(self, rows=self.rows[selected], labels=self.labels[selected])

    def drop_at_random(self, num_images: int, draw: Draw) -> Selection:
        """Drop that many images at random, whatever their classes; two images always remain."""
        if num_images == 0:
            return self
        order = np.argsort(draw.ranks(self.store.hashes[self.rows]), kind="stable")
        return self.with_rows(np.sort(order[: max(_MIN_IMAGES, len(order) - num_images)]))

    def relabel(self, class_of: Mapping[str, str | None]) -> Selection:
        """Merge, rename and drop classes: {class: new class, or None where dropped}."""
        classes, new_index = index_classes(self.classes, class_of)
        labels = new_index[self.labels]
        has_class = labels >= 0
        is_class = self.class_of_leaf >= 0
        class_of_leaf = np.where(is_class, new_index[self.class_of_leaf], -1).astype(np.int32)
        return replace(
            self,
            classes=classes,
            class_of_leaf=class_of_leaf,
            rows=self.rows[has_class],
            labels=labels[has_class],
        )

    def without_empty_classes(self) -> Selection:
        """A class left with no training image leaves the label set in every split."""
        sizes = dict(zip(self.classes, self.class_sizes, strict=True))
        empty = [name for name, size in sizes.items() if size == 0]
        if not empty:
            return self
        remaining = self.relabel({name: name if size else None for name, size in sizes.items()})
        return remaining.with_note(
            f"{len(empty)} classes have no training image and left the label set ({empty[0]}, ...)"
        )


def index_classes(
    classes: Sequence[str], class_of: Mapping[str, str | None]
) -> tuple[tuple[str, ...], np.ndarray]:
    """The new label set, sorted, and the map from old label to new, -1 where dropped: int32
    [len(classes)]."""
    new_classes = tuple(sorted({c for c in class_of.values() if c is not None}))
    index = {c: i for i, c in enumerate(new_classes)}
    targets = (class_of[c] for c in classes)
    new_index = [-1 if target is None else index[target] for target in targets]
    return new_classes, np.array(new_index, dtype=np.int32)
