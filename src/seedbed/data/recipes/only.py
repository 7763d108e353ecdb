"""`only(source='name')`: the classes of one of several sources, which are called `name/label`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seedbed.base.errors import unknown
from seedbed.base.randomness import Draw
from seedbed.data.hierarchy import Hierarchy
from seedbed.data.recipes import ClassRecipe


@dataclass(frozen=True)
class Only(ClassRecipe):
    """Keep the classes of one of several sources."""

    source: str

    @property
    def draws(self) -> bool:
        return False

    def relabel(
        self, leaves: Sequence[str], hierarchy: Hierarchy | None, draw: Draw
    ) -> Mapping[str, str | None]:
        prefix = f"{self.source}/"
        class_of = {leaf: leaf if leaf.startswith(prefix) else None for leaf in leaves}
        if not any(class_of.values()):
            raise unknown(
                "source",
                self.source,
                {leaf.partition("/")[0] for leaf in leaves if "/" in leaf},
                "only(source=...)",
            )
        return class_of
