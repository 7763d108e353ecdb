"""`under(synsets=[...])`: only the classes under these nodes, along all their parents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seedbed.base.errors import UsageError
from seedbed.base.randomness import Draw
from seedbed.data.hierarchy import Hierarchy, require_hierarchy
from seedbed.data.recipes import ClassRecipe
from seedbed.data.synsets import closure_of


@dataclass(frozen=True)
class Under(ClassRecipe):
    """Keep the classes under these nodes of the hierarchy: ids or names of WordNet, or ids of the
    source's hierarchy."""

    synsets: tuple[str, ...]

    @property
    def draws(self) -> bool:
        return False

    def relabel(
        self, leaves: Sequence[str], hierarchy: Hierarchy | None, draw: Draw
    ) -> Mapping[str, str | None]:
        closure = closure_of(self.synsets, require_hierarchy(hierarchy, "under(synsets=[...])"))
        class_of = {leaf: leaf if leaf in closure else None for leaf in leaves}
        if not any(class_of.values()):
            raise UsageError(
                f"no class lies under {', '.join(self.synsets)}",
                "Show what lies under a node: seedbed hierarchy LEAVES --recipe ...",
            )
        return class_of
