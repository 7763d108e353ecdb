"""`like(recipe='...')`: a random control for another recipe, which separates the effect of what the
recipe drops from the effect of how much it drops.

Merged classes: a random merging with the same histogram, counted in classes. Dropped classes: as
many, drawn from those that the recipe keeps, in subtrees of like size where there are such. Dropped
images: as many, at random. Drawn anew with each seed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from seedbed.base.errors import UsageError
from seedbed.base.randomness import Draw, item_hashes
from seedbed.data.hierarchy import Hierarchy
from seedbed.data.matching_classes import LabelSet
from seedbed.data.recipes import (
    ClassRecipe,
    ImageRecipe,
    Recipe,
    Targets,
    relabelled_leaves,
)
from seedbed.data.selection import Selection

# A subtree is of like size if it holds at least this share of the classes, and no more classes.
_MIN_SHARE = 0.8


@dataclass(frozen=True)
class Like(ClassRecipe):
    """A random control for another recipe: as many classes dropped or merged, as many images
    dropped."""

    # Two controls are equal where the recipes are, however those were written.
    recipe: str = field(compare=False)
    controlled: Recipe = field(init=False, repr=False)

    def __post_init__(self) -> None:
        controlled = Recipe(self.recipe)
        if controlled.changes_labels or controlled.control_for is not None:
            raise ValueError(
                f"recipe = {self.recipe!r}: there is no control for a recipe that changes labels, "
                "nor for a control"
            )
        object.__setattr__(self, "controlled", controlled)

    @property
    def control_for(self) -> Recipe:
        return self.controlled

    def resolve(self, source: LabelSet, targets: Targets) -> Like:
        resolved = self.controlled.resolve(source, targets)
        return self if resolved is self.controlled else Like(recipe=str(resolved))

    def relabel(
        self, leaves: Sequence[str], hierarchy: Hierarchy | None, draw: Draw
    ) -> Mapping[str, str | None]:
        class_of = self._controlled_classes(leaves, hierarchy, draw)
        excluded = [leaf for leaf, c in class_of.items() if c is None]
        dropped, _ = self._drawn_classes(sorted(leaves), excluded, hierarchy, draw)
        remaining = [leaf for leaf in _ranked(sorted(leaves), draw) if leaf not in dropped]
        sizes = Counter(c for c in class_of.values() if c is not None).values()
        if max(sizes, default=1) == 1:
            return {leaf: None if leaf in dropped else leaf for leaf in leaves}
        ends = np.cumsum(sorted(sizes, reverse=True))
        width = len(str(len(sizes)))
        groups = np.searchsorted(ends, np.arange(len(remaining)), side="right")
        names = [f"random-{group:0{width}d}" for group in groups]
        return {**dict.fromkeys(dropped), **dict(zip(remaining, names, strict=True))}

    def note(self, leaves: Sequence[str], hierarchy: Hierarchy | None, draw: Draw) -> str:
        class_of = self._controlled_classes(leaves, hierarchy, draw)
        excluded = [leaf for leaf, c in class_of.items() if c is None]
        _, num_unlike = self._drawn_classes(sorted(leaves), excluded, hierarchy, draw)
        if not num_unlike:
            return ""
        return (
            f"{num_unlike} of the classes that {self.recipe} drops have no subtree of like size "
            "elsewhere: drawn one by one"
        )

    def num_images_to_drop(self, selection: Selection, draw: Draw) -> int:
        """As many as the image recipes of the controlled recipe drop."""
        num_dropped = 0
        for named in self.controlled.steps:
            after = named.step.apply(selection, named.draw(draw.seed)).without_empty_classes()
            if isinstance(named.step, ImageRecipe):
                num_dropped += len(selection.rows) - len(after.rows)
            selection = after
        return num_dropped

    def _controlled_classes(
        self, leaves: Sequence[str], hierarchy: Hierarchy | None, draw: Draw
    ) -> dict[str, str | None]:
        """What the controlled recipe does to the classes."""
        return relabelled_leaves(leaves, hierarchy, self.controlled, draw.seed)

    def _drawn_classes(
        self, leaves: list[str], excluded: list[str], hierarchy: Hierarchy | None, draw: Draw
    ) -> tuple[set[str], int]:
        """As many classes as the controlled recipe drops, drawn from those that it keeps; and how
        many of them stand for subtrees without one of like size."""
        free = set(leaves) - set(excluded)
        if len(excluded) > len(free):
            raise UsageError(
                f"like(recipe={self.recipe!r}) would drop {len(excluded)} of the {len(free)} "
                "classes that the recipe keeps",
                "There is no control of this kind for a recipe that drops more than half.",
            )
        in_order = [leaf for leaf in _ranked(leaves, draw) if leaf in free]
        if hierarchy is None or not excluded:
            return set(in_order[: len(excluded)]), 0
        under, num_single, num_unlike = _under(leaves, hierarchy), 0, 0
        drawn: set[str] = set()
        for size in _subtree_sizes(excluded, under, hierarchy):
            subtree = _like_subtree(size, free - drawn, under, draw) if size > 1 else set()
            drawn |= subtree
            num_single += size - len(subtree)
            num_unlike += size if size > 1 and not subtree else 0
        single = [leaf for leaf in in_order if leaf not in drawn][:num_single]
        return drawn | set(single), num_unlike


def _ranked(leaves: list[str], draw: Draw) -> list[str]:
    return [leaves[i] for i in np.argsort(draw.ranks(item_hashes(leaves)), kind="stable")]


def _under(leaves: list[str], hierarchy: Hierarchy) -> dict[str, set[str]]:
    """Node -> the classes under it along primary parents."""
    under: dict[str, set[str]] = {}
    for leaf in leaves:
        for node in hierarchy.chain(leaf):
            under.setdefault(node, set()).add(leaf)
    return under


def _subtree_sizes(
    dropped: list[str], under: Mapping[str, set[str]], hierarchy: Hierarchy
) -> list[int]:
    """Sizes of the largest subtrees that are dropped as a whole, the largest first; 1 for a lone
    class."""
    all_dropped = set(dropped)
    whole = {node for node, inside in under.items() if inside <= all_dropped}
    tops = {next(node for node in hierarchy.chain(leaf) if node in whole) for leaf in dropped}
    return sorted((len(under[top]) for top in tops), reverse=True)


def _like_subtree(size: int, free: set[str], under: Mapping[str, set[str]], draw: Draw) -> set[str]:
    """A subtree, all of it free, of nearly that size and no more; the one of lowest rank."""
    fitting = sorted(
        node
        for node, inside in under.items()
        if _MIN_SHARE * size <= len(inside) <= size and inside <= free
    )
    return under[_ranked(fitting, draw)[0]] if fitting else set()
