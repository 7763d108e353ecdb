"""Faults in the classes of a data set: no image, no readable image, one image, one class only.

In: a source or a store. Out: an error where a classifier is to be trained, or a report for an
audit. An audit reports these faults; packing for a training refuses them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from seedbed.base.errors import BadDataError
from seedbed.data.source import TRAIN, Source
from seedbed.data.store import Store

_MAX_NAMES = 10  # classes that a note lists by name


@dataclass(frozen=True, kw_only=True)
class ClassFaults:
    """Classes that a classifier cannot be trained on, each list sorted by name."""

    # without any image: empty class folders, labels that no box carries
    empty: list[str]
    # with images, none of which can be read
    unreadable: list[str]
    # with one readable image
    single_image: list[str]
    # the only class with images, where there is just one
    only_class: str | None
    # with test or validation images, and none to train on
    without_training: list[str] = field(default_factory=list)
    # pairs whose names differ only in blanks or in the form of their letters
    similar_names: list[tuple[str, str]] = field(default_factory=list)

    @property
    def notes(self) -> list[str]:
        """One sentence for each kind of fault that occurs."""
        kinds = {
            "without images": self.empty,
            "without readable images": self.unreadable,
            "with one image": self.single_image,
            "with test or validation images alone": self.without_training,
        }
        notes = [
            f"{len(names)} class{'' if len(names) == 1 else 'es'} {kind}: {_join_names(names)}"
            for kind, names in kinds.items()
            if names
        ]
        notes += [
            f"classes {one!r} and {other!r} differ only in blanks or in the form of their letters"
            for one, other in self.similar_names
        ]
        if self.only_class is not None:
            notes.append(
                f"one class only ({self.only_class!r}); a classifier needs at least two classes"
            )
        return notes


def find_class_faults(store: Store) -> ClassFaults:
    """Find the classes of a store that have too few images; queries and answers have no classes."""
    if store.annotation_kind == "relevance":
        return ClassFaults(empty=[], unreadable=[], single_image=[], only_class=None)
    sizes = store.class_sizes()
    without, single = ([store.classes[i] for i in np.flatnonzero(sizes == n)] for n in (0, 1))
    populated = [store.classes[i] for i in np.flatnonzero(sizes)]
    has_labels = (
        store.annotation_kind is not None
    )  # a class may then have no box and no mark at all
    return ClassFaults(
        empty=sorted({*store.empty_classes, *(without if has_labels else [])}),
        unreadable=[] if has_labels else without,
        single_image=single,
        only_class=populated[0] if len(populated) == 1 and not has_labels else None,
        without_training=[] if has_labels else _without_training(store, sizes),
        similar_names=_similar_names(store.classes),
    )


def _without_training(store: Store, sizes: np.ndarray) -> list[str]:
    """Classes that have images, and no training image although others have."""
    num_training = store.class_sizes(TRAIN)
    if not num_training.any():
        return []
    return [store.classes[i] for i in np.flatnonzero((sizes > 0) & (num_training == 0))]


def _similar_names(classes: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of classes that are read alike; those that differ in case the store notes itself."""
    first: dict[str, str] = {}
    pairs: list[tuple[str, str]] = []
    for label in classes:
        key = " ".join(unicodedata.normalize("NFC", label).split())
        if first.setdefault(key, label) != label:
            pairs.append((first[key], label))
    return pairs


def split_note(store: Store) -> list[str]:
    """A note on a test split that the data set does not have, as a list of at most one."""
    if not store.card["splits"]["test"]:
        return ["no test images"]
    derived = store.card["derived_splits"].get("test")
    return [f"no test split in the data; test images are {derived}"] if derived else []


def refuse_one_class(source: Source) -> None:
    """Raise BadDataError where a source, or one of the sources that it joins, has one class."""
    if source.annotations is not None or not (source.leaves >= 0).any():
        return
    classes_of: dict[str, Sequence[str]] = {source.name: source.classes}
    if source.parts is not None:
        classes_of = {
            name: [source.classes[leaf] for leaf in np.unique(source.leaves[source.parts == i])]
            for i, name in enumerate(source.part_names)
        }
    for name, classes in classes_of.items():
        if len(classes) < 2:
            raise BadDataError(
                f"{name} has one class only ({classes[0]!r})",
                "A classifier needs at least two classes: one folder of images for each.",
            )


def small_classes(source: Source, sizes: np.ndarray) -> np.ndarray:
    """Classes with too few readable images, of sizes [num_classes]: int64 [num_small].

    A class needs one image to train on and one to test on. Data that have test images alone can be
    scored without training, so one image is enough there.
    """
    return np.flatnonzero(sizes < (1 if source.only_held_out else 2))


def refuse_small_classes(source: Source, sizes: np.ndarray) -> None:
    """Raise BadDataError where a class has too few readable images; sizes: [num_classes]."""
    small = small_classes(source, sizes)
    if not len(small):
        return
    num = int(sizes[small[0]])
    others = f" (and {len(small) - 1} more such classes)" if len(small) > 1 else ""
    raise BadDataError(
        f"class {source.classes[small[0]]!r} of {source.name} has {num} readable "
        f"image{'' if num == 1 else 's'}{others}",
        "A class needs at least two images, one to learn from and one to be tested on: "
        "add images, or remove its folder.",
    )


def _join_names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return ", ".join(map(repr, names[:_MAX_NAMES])) + more
