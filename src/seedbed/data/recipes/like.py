"""`like(recipe='...')`: a random control for another recipe, so that what it does can be told from
how much it does.

Merged classes: a random merging with the same histogram, counted in classes. Dropped classes: as
many dropped, drawn from those that the recipe keeps, in subtrees of like size where there are such.
Dropped images: as many, at random. Drawn anew with each seed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from seedbed.base.errors import UsageError
from seedbed.base.randomness import Draw, item_hashes
from seedbed.data.hierarchy import Hierarchy
from seedbed.data.recipes import ClassRecipe, LabelRecipe, Recipe, relabelled_leaves

_LIKE = 0.8  # of a subtree's size: what counts as like it


@dataclass(frozen=True)
class Like(ClassRecipe):
    """A random control for another recipe: as many classes dropped or merged, as many images
    dropped."""

    recipe: str

    def __post_init__(self) -> None:
        if any(isinstance(step, LabelRecipe | Like) for _, step in self.inner.steps):
            raise ValueError(
                f"recipe = {self.recipe!r}: there is no control for a recipe of labels, nor for a control"
            )

    @cached_property
    def inner(self) -> Recipe:
        """The recipe that this is a control for; which images it drops, the view asks it."""
        return Recipe(self.recipe)

    def relabel(
        self, leaves: Sequence[str], hierarchy: Hierarchy | None, draw: Draw
    ) -> Mapping[str, str | None]:
        theirs = self._theirs(leaves, hierarchy, draw)
        dropped = [leaf for leaf, c in theirs.items() if c is None]
        ours, _ = self._dropped(sorted(leaves), dropped, hierarchy, draw)
        kept = [leaf for leaf in _ranked(sorted(leaves), draw) if leaf not in ours]
        groups = sorted(Counter(c for c in theirs.values() if c is not None).values(), reverse=True)
        if max(groups, default=1) == 1:
            return {leaf: None if leaf in ours else leaf for leaf in leaves}
        width = len(str(len(groups)))
        ends = np.cumsum(groups)
        names = [
            f"random-{int(np.searchsorted(ends, i, side='right')):0{width}d}"
            for i in range(len(kept))
        ]
        return {**dict.fromkeys(ours), **dict(zip(kept, names, strict=True))}

    def note(self, leaves: Sequence[str], hierarchy: Hierarchy | None, draw: Draw) -> str:
        dropped = [leaf for leaf, c in self._theirs(leaves, hierarchy, draw).items() if c is None]
        _, num_unlike = self._dropped(sorted(leaves), dropped, hierarchy, draw)
        if not num_unlike:
            return ""
        return f"{num_unlike} of the classes that {self.recipe} drops have no subtree of like size elsewhere: drawn one by one"

    def _theirs(
        self, leaves: Sequence[str], hierarchy: Hierarchy | None, draw: Draw
    ) -> dict[str, str | None]:
        """What the recipe does to the classes."""
        return relabelled_leaves(leaves, hierarchy, self.inner, draw.seed)

    def _dropped(
        self, leaves: list[str], theirs: list[str], hierarchy: Hierarchy | None, draw: Draw
    ) -> tuple[set[str], int]:
        """As many classes of those that the recipe keeps, and how many of them stand for subtrees
        that have no like."""
        free = set(leaves) - set(theirs)
        if len(theirs) > len(free):
            raise UsageError(
                f"like(recipe={self.recipe!r}) would drop {len(theirs)} of the {len(free)} classes that the recipe keeps",
                "There is no control of this kind for a recipe that drops more than half.",
            )
        if hierarchy is None or not theirs:
            return set([leaf for leaf in _ranked(leaves, draw) if leaf in free][: len(theirs)]), 0
        under, num_single, num_unlike = _under(leaves, hierarchy), 0, 0
        taken: set[str] = set()
        for size in _subtree_sizes(theirs, under, hierarchy):
            found = _like_subtree(size, free - taken, under, draw) if size > 1 else set()
            taken |= found
            num_single += size - len(found)
            num_unlike += size if size > 1 and not found else 0
        left = free - taken
        return taken | set(
            [leaf for leaf in _ranked(leaves, draw) if leaf in left][:num_single]
        ), num_unlike


def _ranked(leaves: list[str], draw: Draw) -> list[str]:
    return [leaves[i] for i in np.argsort(draw.ranks(item_hashes(leaves)), kind="stable")]


def _under(leaves: list[str], hierarchy: Hierarchy) -> dict[str, set[str]]:
    """Node -> the classes under it along primary parents."""
    found: dict[str, set[str]] = {}
    for leaf in leaves:
        for node in hierarchy.chain(leaf):
            found.setdefault(node, set()).add(leaf)
    return found


def _subtree_sizes(
    dropped: list[str], under: Mapping[str, set[str]], hierarchy: Hierarchy
) -> list[int]:
    """Sizes of the largest subtrees of which nothing is left, the largest first; 1 for a lone
    class."""
    gone = set(dropped)
    whole = {node for node, inside in under.items() if inside <= gone}
    tops = {next(node for node in hierarchy.chain(leaf) if node in whole) for leaf in dropped}
    return sorted((len(under[top]) for top in tops), reverse=True)


def _like_subtree(size: int, free: set[str], under: Mapping[str, set[str]], draw: Draw) -> set[str]:
    """A subtree, all of it free, of nearly that size and no more; the one of lowest rank."""
    fitting = sorted(
        node
        for node, inside in under.items()
        if _LIKE * size <= len(inside) <= size and inside <= free
    )
    return under[_ranked(fitting, draw)[0]] if fitting else set()
