"""`bottom_up(depth=D)`: each class becomes its ancestor at depth D, or stays where it is not that
deep (Huh, Agrawal and Efros 2016, section 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seedbed.base.randomness import Draw
from seedbed.data.hierarchy import Hierarchy, require_hierarchy
from seedbed.data.recipes import ClassRecipe


@dataclass(frozen=True)
class BottomUp(ClassRecipe):
    """Merge classes bottom-up: each becomes its ancestor at this depth of the hierarchy; the root
    is at depth 0."""

    depth: int

    def __post_init__(self) -> None:
        if self.depth < 1:
            raise ValueError(
                f"depth = {self.depth} would leave one class, the root; give 1 or more"
            )

    @property
    def draws(self) -> bool:
        return False

    def relabel(
        self, leaves: Sequence[str], hierarchy: Hierarchy | None, draw: Draw
    ) -> Mapping[str, str | None]:
        hierarchy = require_hierarchy(hierarchy, f"bottom_up(depth={self.depth})")
        return {leaf: hierarchy.ancestor_at(leaf, self.depth) for leaf in leaves}
