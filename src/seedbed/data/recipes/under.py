"""`under(synsets=[...])`: only the classes in the closure of these nodes, over all their
parents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seedbed.base.errors import UsageError
from seedbed.base.randomness import Draw
from seedbed.data.hierarchy import Hierarchy, needed
from seedbed.data.recipes import ClassRecipe
from seedbed.data.synsets import closure_of


@dataclass(frozen=True)
class Under(ClassRecipe):
    """Keep the classes under these nodes of the hierarchy (WordNet ids or names, or a hierarchy's
    own ids)."""

    synsets: tuple[str, ...]

    @property
    def draws(self) -> bool:
        return False

    def relabel(
        self, leaves: Sequence[str], hierarchy: Hierarchy | None, draw: Draw
    ) -> Mapping[str, str | None]:
        closure = closure_of(self.synsets, needed(hierarchy, "under(synsets=[...])"))
        kept = {leaf: leaf if leaf in closure else None for leaf in leaves}
        if not any(kept.values()):
            raise UsageError(
                f"no class lies under {', '.join(self.synsets)}",
                "seedbed hierarchy LEAVES --recipe ... shows what does.",
            )
        return kept
