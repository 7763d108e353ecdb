"""`top_down(rounds=R)`: R times, each class becomes its parent, and then the topmost of all these
parents above it.

Huh, Agrawal and Efros (2016), section 3.2: three rounds over ILSVRC's 1000 classes give 127, 10 and
2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seedbed.base.randomness import Draw
from seedbed.data.hierarchy import Hierarchy, require_hierarchy
from seedbed.data.recipes import ClassRecipe


@dataclass(frozen=True)
class TopDown(ClassRecipe):
    """Merge classes top-down: R times, each becomes its parent, then the topmost of all these
    parents above it."""

    rounds: int

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise ValueError(f"rounds = {self.rounds}: give 1 or more")

    @property
    def draws(self) -> bool:
        return False

    def relabel(
        self, leaves: Sequence[str], hierarchy: Hierarchy | None, draw: Draw
    ) -> Mapping[str, str | None]:
        hierarchy = require_hierarchy(hierarchy, f"top_down(rounds={self.rounds})")
        entries = {leaf: leaf for leaf in leaves}
        for _ in range(self.rounds):
            parents = {entry: hierarchy.parent(entry) for entry in set(entries.values())}
            reached = set(parents.values())
            topmost = {
                e: next(node for node in hierarchy.chain(p) if node in reached)
                for e, p in parents.items()
            }
            entries = {leaf: topmost[entry] for leaf, entry in entries.items()}
        return entries
