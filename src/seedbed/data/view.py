"""A view: row ids and labels over a store; an arm costs an index, whatever the size of the data.

In: a store, a recipe, a seed. Out: training rows with labels, the label set, and the held-out rows
under the same label set. Knows nothing of training.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from seedbed.base.errors import BadDataError
from seedbed.data.recipes import Recipe
from seedbed.data.selection import Selection
from seedbed.data.source import SPLITS
from seedbed.data.store import Store


@dataclass(frozen=True, kw_only=True)
class StepReport:
    """What one step of a recipe left."""

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
        """The leaf label of each training row, whatever its class: int32 [n]."""
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
        held-out rows, and how the pixels were decoded."""
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
    store.require_single_label()
    recipe = Recipe.of(recipe)
    selection = Selection.everything(store)
    if recipe.steps and not selection.classes:
        raise BadDataError(f"{store.name} has no readable training images for {str(recipe)!r}")
    reports = [_report("", selection)]
    for named in recipe.steps:
        before = selection
        selection = named.step.apply(before, named.draw(seed)).without_empty_classes()
        reports.append(_report(named.name, selection))
        has_merged = not set(selection.classes) <= set(before.classes)
        if has_merged and named.step.control_for is None:
            selection = selection.with_note(_imbalance(*reports[-2:]))
    if len(selection.classes) < min_classes:
        raise BadDataError(
            f"the recipe {str(recipe)!r} leaves {len(selection.classes)} class of {store.name}",
            "A classifier needs at least two.",
        )
    return View(
        store=store,
        classes=selection.classes,
        class_of_leaf=selection.class_of_leaf,
        rows=selection.rows,
        labels=selection.labels,
        notes=selection.notes,
        steps=tuple(reports[1:]),
    )


def _report(name: str, selection: Selection) -> StepReport:
    return StepReport(
        recipe=name,
        num_images=len(selection.rows),
        num_classes=len(selection.classes),
        entropy_bits=entropy_bits(selection.class_sizes),
    )


# Share of the entropy that as many classes of one size would have; below it, the label set counts
# as unbalanced.
_UNBALANCED = 0.9


def _imbalance(before: StepReport, after: StepReport) -> str:
    """The confound of fewer classes: where classes were merged, their sizes differ more than
    before."""
    most, most_before = (np.log2(max(2, report.num_classes)) for report in (after, before))
    share = after.entropy_bits / most
    if not 2 <= after.num_classes < before.num_classes or share >= min(
        _UNBALANCED, before.entropy_bits / most_before
    ):
        return ""
    return (
        f"{after.recipe} leaves {after.num_classes} classes of unlike size "
        f"(entropy {after.entropy_bits:.1f} of {most:.1f} bits): "
        "fewer classes and imbalance are confounded; the control is like(recipe='...')"
    )
