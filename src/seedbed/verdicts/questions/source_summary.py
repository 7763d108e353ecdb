"""A summary of a source, so that a question's arms fit it; and what is known of a target.

In: data as a study file names them. Out: classes, images per class and hierarchy, from the listing
alone: no image is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from seedbed.base.errors import BadDataError, SeedbedError, UsageError
from seedbed.data.class_faults import refuse_one_class
from seedbed.data.hierarchy import Hierarchy
from seedbed.data.hierarchy_files import open_hierarchy
from seedbed.data.source import TRAIN, Source
from seedbed.data.splits import HELD_OUT_SHARE
from seedbed.data.store import Store
from seedbed.data.wordnet import is_synset
from seedbed.engine.data_spec import DataSpec, read_target
from seedbed.engine.opening import open_data
from seedbed.tasks.catalogue import TASK_OF_ANNOTATIONS
from seedbed.tasks.domains import TARGET

# The depths of a source that cannot be opened, with the classes that bottom_up leaves there.
_ASSUMED_DEPTHS = {9: 134, 7: 73, 5: 18}
_ASSUMED_DEPTH = {7: 73}


@dataclass(frozen=True, kw_only=True)
class SourceSummary:
    """What is known of a source without reading an image."""

    leaves: tuple[str, ...]
    # training images of each leaf
    sizes: tuple[int, ...]
    hierarchy: Hierarchy | None
    # the hierarchy that the study must name, as the data bring none
    hierarchy_setting: str | None = None
    # why the source cannot be opened; all else is then assumed
    not_opened: str = ""

    @property
    def num_images(self) -> int:
        return sum(self.sizes)

    def share_of(self, leaves: set[str]) -> float:
        """The share of the images that belong to these leaves."""
        sizes = zip(self.leaves, self.sizes, strict=True)
        return sum(size for leaf, size in sizes if leaf in leaves) / max(1, self.num_images)

    @cached_property
    def depths(self) -> dict[int, int]:
        """Depth -> number of classes that bottom_up leaves there, the deepest first; only depths
        that merge some classes and leave two or more."""
        tree = self.hierarchy
        if tree is None:
            return {}
        num_classes: dict[int, int] = {}
        for depth in range(max(tree.depth(leaf) for leaf in self.leaves), -1, -1):
            num = len({tree.ancestor_at(leaf, depth) for leaf in self.leaves})
            if 2 <= num < len(self.leaves) and num not in num_classes.values():
                num_classes[depth] = num
        return num_classes

    def depths_near(self, shares: Sequence[float]) -> dict[int, int]:
        """For each share of the classes the depth that leaves nearest to it, each depth once, the
        most classes first."""
        if self.not_opened:
            return dict(_ASSUMED_DEPTHS if len(shares) > 1 else _ASSUMED_DEPTH)
        chosen = {self._depth_near(share) for share in shares if self.depths}
        return {depth: self.depths[depth] for depth in sorted(chosen, reverse=True)}

    def _depth_near(self, share: float) -> int:
        num = share * len(self.leaves)
        return min(self.depths, key=lambda depth: (abs(np.log(self.depths[depth] / num)), depth))

    def require_hierarchy(self, question: str) -> None:
        """Raise UsageError, with how to get one, if the source has no hierarchy to merge classes
        by."""
        if not self.not_opened and not self.depths:
            raise UsageError(
                f"the question {question!r} needs a class hierarchy with something to merge, and "
                "this source has none",
                "Nest the class folders (animals/dogs/1.jpg), or pack it with one: seedbed pack "
                "SOURCE STORE --hierarchy wordnet|FILE.",
            )


def summarise_source(source: str, folder: Path) -> SourceSummary:
    """The summary of a source; an assumed one, with the reason, if its data cannot be opened.
    Raises UsageError for an invalid call string."""
    try:
        data = open_data(source, folder)
        if isinstance(data, Source):
            refuse_one_class(data)
        return _summary(data)
    except UsageError:
        raise
    except SeedbedError as error:
        return SourceSummary(
            leaves=tuple(map(str, range(200))),
            sizes=(500,) * 200,
            hierarchy=None,
            not_opened=error.message.split("\n")[0],
        )


def open_target(target: str, name: str, folder: Path) -> Source | Store | None:
    """The data of a target; None if they cannot be opened, or are the source's. Raises UsageError
    for an invalid call string."""
    return _open_spec(read_target(target, name, folder), folder)


def task_of_target(target: str, folder: Path) -> tuple[str, bool]:
    """The name of a target's task, and whether it names images for a whitening; a target that
    cannot be opened is one of classification."""
    spec = read_target(target, "target", folder)
    data = spec
    if isinstance(spec.data, Mapping):
        data = read_target(str(spec.data[TARGET]), "target", folder)
    opened = _open_spec(data, folder)
    if isinstance(opened, Store):
        annotated = opened.annotation_kind
    else:
        annotated = opened.annotations.kind if opened and opened.annotations else None
    of_labels = "adaptation" if spec.labelled else "classification"
    return TASK_OF_ANNOTATIONS.get(annotated or "", of_labels), spec.learn_on is not None


def _open_spec(spec: DataSpec, folder: Path) -> Source | Store | None:
    if not isinstance(spec.data, str) or spec.is_study_source:
        return None
    try:
        return open_data(spec, folder)
    except BadDataError:
        return None


def _summary(data: Source | Store) -> SourceSummary:
    """The summary of opened data: with their hierarchy, or WordNet if all labels are synsets."""
    sizes = np.bincount(data.leaves[data.splits == TRAIN], minlength=len(data.classes))
    if isinstance(data, Source) and len(set(data.splits.tolist())) == 1:
        # packing takes a test split off a source without one
        sizes = np.floor((1 - HELD_OUT_SHARE) * sizes).astype(int)
    tree, setting = data.hierarchy, None
    if tree is None and all(is_synset(label) for label in data.classes):
        tree, setting = open_hierarchy("wordnet", data.classes), "wordnet"
    return SourceSummary(
        leaves=data.classes,
        sizes=tuple(sizes.tolist()),
        hierarchy=tree,
        hierarchy_setting=setting,
    )
