"""A view: a store, row ids and labels; an arm costs an index, whatever the size of the data.

In: a store, a recipe, a seed. Out: training rows with labels, the label set, and the held-out rows
under the same label set. Knows nothing of training.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from seedbed.base.errors import BadDataError, UsageError
from seedbed.base.randomness import Draw
from seedbed.data.recipes import ClassRecipe, ImageRecipe, LabelRecipe, Recipe, TrainingRows
from seedbed.data.recipes.like import Like
from seedbed.data.source import SPLITS, TRAIN
from seedbed.data.store import Store


@dataclass(frozen=True, kw_only=True)
class StepReport:
    """What a recipe left."""

    recipe: str
    num_images: int
    num_classes: int
    entropy_bits: float  # of the class sizes; log2(num_classes) when balanced


@dataclass(frozen=True, kw_only=True)
class View:
    """What an arm keeps of a store. `class_of_leaf` maps each leaf of the store to a class, -1
    where dropped, in every split."""

    store: Store
    classes: tuple[str, ...]
    class_of_leaf: np.ndarray  # int32 [num_leaves]
    rows: np.ndarray  # int64 [n], training rows of the store, ascending
    labels: np.ndarray  # int32 [n], index into classes
    notes: tuple[str, ...] = ()
    steps: tuple[StepReport, ...] = ()

    @property
    def leaves(self) -> np.ndarray:
        """The leaf label of each training row, always kept: int32 [n]."""
        return self.store.leaves[self.rows]

    def held_out(self, split: str = "test") -> tuple[np.ndarray, np.ndarray]:
        """Rows of another split whose class is kept, and their labels: int64 [m], int32 [m]."""
        rows = np.flatnonzero(self.store.splits == SPLITS.index(split))
        labels = self.class_of_leaf[self.store.leaves[rows]]
        return rows[labels >= 0], labels[labels >= 0]

    @cached_property
    def class_sizes(self) -> np.ndarray:
        """Training images of each class: int64 [num_classes]."""
        return np.bincount(self.labels, minlength=len(self.classes))

    @property
    def entropy_bits(self) -> float:
        """Entropy of the class sizes, in bits; log2(num_classes) when balanced."""
        return entropy_bits(self.class_sizes)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of what a training sees: ids, contents and classes of its rows and of the
        held-out rows, and the pixels' meaning."""
        digest = hashlib.sha256(f"{self.store.meaning}\n{chr(10).join(self.classes)}".encode())
        for rows, labels in ((self.rows, self.labels), self.held_out()):
            for array, kind in (
                (self.store.hashes[rows], "<u8"),
                (self.store.checksums[rows], "<u8"),
                (labels, "<i4"),
            ):
                digest.update(np.ascontiguousarray(array, dtype=kind).tobytes())
        return digest.hexdigest()[:20]

    @property
    def ids_sha256(self) -> str:
        """SHA-256 of the training ids, sorted and joined by newlines, UTF-8."""
        return ids_sha256(self.store.ids[self.rows])


def ids_sha256(ids: np.ndarray) -> str:
    """SHA-256 of ids, sorted and joined by newlines, UTF-8."""
    return hashlib.sha256("\n".join(sorted(ids)).encode("utf-8", "surrogateescape")).hexdigest()


def entropy_bits(sizes: np.ndarray) -> float:
    """Entropy of shares, in bits."""
    p = sizes[sizes > 0] / sizes.sum()
    return float(-(p * np.log2(p)).sum()) + 0.0  # 0.0, not -0.0, for one class


def make_view(
    store: Store, recipe: Recipe | str = "", seed: int = 0, *, min_classes: int = 2
) -> View:
    """Apply a recipe to the training rows and the label set of a store; same store, recipe and
    seed, same view.

    Raises UsageError for a recipe that cannot be read or does not fit the data, BadDataError when
    fewer than `min_classes` classes are left.
    """
    store.must_have_one_label()
    recipe = Recipe(recipe) if isinstance(recipe, str) else recipe
    rows = np.flatnonzero(store.splits == TRAIN)
    state = _State(
        store.classes,
        np.arange(len(store.classes), dtype=np.int32),
        rows,
        store.leaves[rows],
        store,
    )
    state = state.without_empty_classes()
    if recipe.steps and not state.classes:
        raise BadDataError(f"{store.name} has no readable training images for {recipe.text!r}")
    reports = [state.report("")]
    for name, step in recipe.steps:
        before, state = (
            state,
            state.apply(step, Draw(seed=seed, purpose=f"sample/{name}")).without_empty_classes(),
        )
        reports.append(state.report(name))
        if not set(state.classes) <= set(before.classes) and not isinstance(step, Like):  # merged
            state = state._noted(_imbalance(*reports[-2:]))
    if len(state.classes) < min_classes:
        raise BadDataError(
            f"the recipe {recipe.text!r} leaves {len(state.classes)} class of {store.name}",
            "A classifier needs at least two.",
        )
    return View(
        store=store,
        classes=state.classes,
        class_of_leaf=state.class_of_leaf,
        rows=state.rows,
        labels=state.labels,
        notes=state.notes,
        steps=tuple(reports[1:]),
    )


# of the entropy that as many classes of one size would have; below, the label set counts as
# unbalanced
_UNBALANCED = 0.9


def _imbalance(before: StepReport, after: StepReport) -> str:
    """The confound of fewer classes: where classes were merged, their sizes differ more than
    before."""
    most, was = (np.log2(max(2, report.num_classes)) for report in (after, before))
    share = after.entropy_bits / most
    if not 2 <= after.num_classes < before.num_classes or share >= min(
        _UNBALANCED, before.entropy_bits / was
    ):
        return ""
    return (
        f"{after.recipe} leaves {after.num_classes} classes of unlike size (entropy {after.entropy_bits:.1f} of {most:.1f} bits): "
        "fewer classes and imbalance are confounded; the control is like(recipe='...')"
    )


@dataclass(frozen=True)
class _State:
    """A view in the making."""

    classes: tuple[str, ...]
    class_of_leaf: np.ndarray
    rows: np.ndarray
    labels: np.ndarray
    store: Store
    notes: tuple[str, ...] = ()

    def report(self, recipe: str) -> StepReport:
        sizes = np.bincount(self.labels, minlength=len(self.classes))
        return StepReport(
            recipe=recipe,
            num_images=len(self.rows),
            num_classes=len(self.classes),
            entropy_bits=entropy_bits(sizes),
        )

    def apply(self, step: object, draw: Draw) -> _State:
        if isinstance(step, ClassRecipe):
            made = self._noted(step.note(self.classes, self.store.hierarchy, draw))
            made = made._relabelled(step.relabel(self.classes, self.store.hierarchy, draw))
            return made._thinned_like(self, step, draw) if isinstance(step, Like) else made
        seen = TrainingRows(
            labels=self.labels, hashes=self.store.hashes[self.rows], classes=self.classes
        )
        if isinstance(step, ImageRecipe):
            kept, note = step.select(seen, draw), step.note(seen)
            notes = (*self.notes, note) if note else self.notes
            return _State(
                self.classes,
                self.class_of_leaf,
                self.rows[kept],
                self.labels[kept],
                self.store,
                notes,
            )
        if isinstance(step, LabelRecipe):
            return _State(
                self.classes,
                self.class_of_leaf,
                self.rows,
                step.assign(seen, draw),
                self.store,
                self.notes,
            )
        raise UsageError(f"{type(step).__name__} is neither a class, an image nor a label recipe")

    def _noted(self, note: str) -> _State:
        return replace(self, notes=(*self.notes, note)) if note else self

    def _thinned_like(self, before: _State, control: Like, draw: Draw) -> _State:
        """As many images dropped, at random, as the recipe drops that this is the control for."""
        theirs, num_dropped = before, 0
        for name, step in control.inner.steps:
            after = theirs.apply(
                step, Draw(seed=draw.seed, purpose=f"sample/{name}")
            ).without_empty_classes()
            num_dropped += (
                len(theirs.rows) - len(after.rows) if isinstance(step, ImageRecipe) else 0
            )
            theirs = after
        if num_dropped == 0:
            return self
        order = np.argsort(draw.ranks(self.store.hashes[self.rows]), kind="stable")
        kept = np.sort(order[: max(2, len(order) - num_dropped)])
        return replace(self, rows=self.rows[kept], labels=self.labels[kept])

    def _relabelled(self, new: Mapping[str, str | None]) -> _State:
        classes, step = index_classes(self.classes, new)
        labels = step[self.labels]
        kept = labels >= 0
        class_of_leaf = np.where(self.class_of_leaf >= 0, step[self.class_of_leaf], -1).astype(
            np.int32
        )
        return _State(classes, class_of_leaf, self.rows[kept], labels[kept], self.store, self.notes)

    def without_empty_classes(self) -> _State:
        """A class left with no training image leaves the label set in every split."""
        sizes = np.bincount(self.labels, minlength=len(self.classes))
        empty = [c for c, size in zip(self.classes, sizes, strict=True) if size == 0]
        if not empty:
            return self
        kept = self._relabelled(
            {c: None if size == 0 else c for c, size in zip(self.classes, sizes, strict=True)}
        )
        note = (
            f"{len(empty)} classes have no training image and left the label set ({empty[0]}, ...)"
        )
        return _State(
            kept.classes,
            kept.class_of_leaf,
            kept.rows,
            kept.labels,
            self.store,
            (*self.notes, note),
        )


def index_classes(
    old: Sequence[str], new: Mapping[str, str | None]
) -> tuple[tuple[str, ...], np.ndarray]:
    """The new label set, sorted, and the map from old label to new, -1 where dropped: int32
    [len(old)]."""
    classes = tuple(sorted({c for c in new.values() if c is not None}))
    index = {c: i for i, c in enumerate(classes)}
    targets = (new[c] for c in old)
    return classes, np.array(
        [-1 if target is None else index[target] for target in targets], dtype=np.int32
    )
