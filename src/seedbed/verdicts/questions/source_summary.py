"""What a source holds, so that a question's arms fit it: its classes, their sizes, its hierarchy.

In: a source as a study file names it. Out: facts, told from the listing without reading an image.
Knows nothing of questions.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from seedbed.base.errors import BadDataError, SeedbedError, UsageError
from seedbed.base.paths import expand_user
from seedbed.data.class_faults import refuse_one_class
from seedbed.data.formats import FORMATS, open_source, parse_data
from seedbed.data.hierarchy import Hierarchy
from seedbed.data.hierarchy_files import open_hierarchy
from seedbed.data.source import TRAIN, Source
from seedbed.data.splits import HELD_OUT_SHARE
from seedbed.data.store import Store
from seedbed.data.wordnet import is_synset
from seedbed.tasks.catalogue import OF_ANNOTATIONS
from seedbed.tasks.domains import TARGET
from seedbed.trials.data import OWN_SOURCE, read_data, read_target

Named = str | os.PathLike[str] | Store  # data that a study file can name


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a source holds, as far as it can be told without reading an image."""

    leaves: tuple[str, ...]
    sizes: tuple[int, ...]  # images to train on, of each leaf
    hierarchy: Hierarchy | None
    hierarchy_text: str | None = None  # what the study file must say of it
    unseen: str = ""  # why it could not be looked at

    @property
    def num_images(self) -> int:
        return sum(self.sizes)

    def share_of(self, leaves: set[str]) -> float:
        """The share of the images that these leaves hold."""
        return sum(
            n for leaf, n in zip(self.leaves, self.sizes, strict=True) if leaf in leaves
        ) / max(1, self.num_images)

    @cached_property
    def depths(self) -> dict[int, int]:
        """Depth -> classes that bottom_up leaves there, of the depths that merge something and
        leave two or more, the deepest first."""
        tree = self.hierarchy
        if tree is None:
            return {}
        found: dict[int, int] = {}
        for depth in range(max(tree.depth(leaf) for leaf in self.leaves), -1, -1):
            num = len({tree.ancestor_at(leaf, depth) for leaf in self.leaves})
            if 2 <= num < len(self.leaves) and num not in found.values():
                found[depth] = num
        return found

    def depths_near(self, shares: Sequence[float]) -> dict[int, int]:
        """For each share of the classes the depth that comes nearest to it, each once, the most
        classes first."""
        if self.unseen:
            return {9: 134, 7: 73, 5: 18} if len(shares) > 1 else {7: 73}
        chosen = [
            min(
                self.depths, key=lambda d: (abs(np.log(self.depths[d] / (s * len(self.leaves)))), d)
            )
            for s in shares
            if self.depths
        ]
        return {d: self.depths[d] for d in sorted(set(chosen), reverse=True)}

    def need_hierarchy(self, question: str) -> None:
        """Raise UsageError, with how to get one, where there is no hierarchy to ask of."""
        if not self.unseen and not self.depths:
            raise UsageError(
                f"the question {question!r} needs a class hierarchy with something to merge, and this source has none",
                "Nest the class folders (animals/dogs/1.jpg), or pack it with one: seedbed pack SOURCE STORE --hierarchy wordnet|FILE.",
            )


def look(source: str) -> Facts:
    """Facts of a source; where its data are not there, those of a usual one, with the reason.
    Raises UsageError for a call that is none."""
    try:
        return _facts_of_store(Store.open(source)) if Store.is_at(source) else _facts(source)
    except UsageError:
        raise
    except SeedbedError as error:
        return Facts(
            leaves=tuple(map(str, range(200))),
            sizes=(500,) * 200,
            hierarchy=None,
            unseen=error.message.split("\n")[0],
        )


def open_target(target: str, name: str) -> Source | Store | None:
    """A target as a study file names it; None where its data are not there. Raises UsageError for a
    call that is none."""
    data = read_target(target, name, Path())
    if not isinstance(data.data, str) or data.is_own_source:
        return None
    try:
        if Store.is_at(data.data):
            return Store.open(data.data)
        return open_source(
            data.data, hierarchy=data.hierarchy if isinstance(data.hierarchy, str) else None
        )
    except BadDataError:
        return None


def asked_of(target: str) -> tuple[str, bool]:
    """What is asked of a target, the name of a task, and whether it names images for a whitening;
    classification where nothing is there to be looked at."""
    asked = read_target(target, "target", Path())
    opened = open_target(
        str(asked.data[TARGET]) if isinstance(asked.data, Mapping) else target, "target"
    )
    known = (
        opened.annotated
        if isinstance(opened, Store)
        else opened.annotations.kind
        if opened and opened.annotations
        else None
    )
    return OF_ANNOTATIONS.get(
        known or "", "adaptation" if asked.labelled else "classification"
    ), asked.learn_on is not None


def named(data: Named | Sequence[Named], folder: Path, *, as_target: bool = False) -> list[str]:
    """Data as a study file names them: paths taken from a folder, calls as they are. Raises
    UsageError for data that have no path and for calls that are none, BadDataError for a path at
    which nothing is."""
    found = []
    for given in data if isinstance(data, list | tuple) else [data]:
        if not isinstance(given, str | os.PathLike | Store) or not given:
            raise UsageError(
                f"{given!r} is not a path, a call string or a store",
                "A study file names its data: pack a Source first, sb.pack(...).",
            )
        name = str(given.path.resolve() if isinstance(given, Store) else os.fspath(given))
        if os.path.exists(folder / name):
            name = str(folder / name)
        elif "(" in name and name.partition("(")[0].strip() != OWN_SOURCE:
            name = str(parse_data(name, folder))
        if is_missing(name, as_target=as_target):
            raise BadDataError(f"there is no {name}", f"Paths are relative to the folder {folder}.")
        found.append(name)
    return found


def is_missing(data: str, *, as_target: bool = False) -> bool:
    """Whether a data set is a path, by itself or in a call, at which nothing is; raises UsageError
    for a call that is none."""
    asked = read_target(data, "target", Path()) if as_target else read_data(data, "source")
    if as_target and asked.is_own_source:
        return False
    parts = asked.data.values() if isinstance(asked.data, Mapping) else [asked.data]
    return any(_is_missing(str(part)) for part in parts)


def _is_missing(data: str) -> bool:
    made = FORMATS.make(parse_data(data), f"data set {data!r}")
    if getattr(made, "download", False):
        return False
    paths = [
        path
        for name in made.paths
        if isinstance(path := getattr(made, name), str) and not set("{*") & set(path)
    ]
    return any(not os.path.exists(expand_user(path)) for path in paths)


def _facts(source: str) -> Facts:
    opened = open_source(source)
    refuse_one_class(opened)
    # packing takes a test split off a source without one
    is_split = len(set(opened.splits.tolist())) > 1
    sizes = np.bincount(opened.leaves[opened.splits == TRAIN], minlength=len(opened.classes))
    return _with_hierarchy(
        opened, np.floor((1.0 if is_split else 1 - HELD_OUT_SHARE) * sizes).astype(int)
    )


def _facts_of_store(store: Store) -> Facts:
    return _with_hierarchy(
        store, np.bincount(store.leaves[store.splits == TRAIN], minlength=len(store.classes))
    )


def _with_hierarchy(data: Source | Store, sizes: np.ndarray) -> Facts:
    """The data's own hierarchy, or WordNet where all labels are synsets."""
    tree, text = data.hierarchy, None
    if tree is None and all(is_synset(label) for label in data.classes):
        tree, text = open_hierarchy("wordnet", data.classes), "wordnet"
    return Facts(
        leaves=data.classes, sizes=tuple(sizes.tolist()), hierarchy=tree, hierarchy_text=text
    )
