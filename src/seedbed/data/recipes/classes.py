"""`classes(num=N | fraction=F | names=[...])`: some of the classes, all of their images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from seedbed.base.errors import UsageError, unknown
from seedbed.base.randomness import Draw, item_hashes
from seedbed.data.hierarchy import Hierarchy
from seedbed.data.recipes import ClassRecipe
from seedbed.data.recipes.images import exactly_one, share


@dataclass(frozen=True)
class Classes(ClassRecipe):
    """Keep the N lowest-ranked classes (or a fraction, or named ones), redrawn with each seed."""

    num: int | None = None
    fraction: float | None = None
    names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        exactly_one(self, "num", "fraction", "names")
        if self.num is not None and self.num < 2:
            raise ValueError(f"num = {self.num}: a classifier needs at least 2 classes")

    def relabel(self, leaves: Sequence[str], hierarchy: Hierarchy | None, draw: Draw) -> Mapping[str, str | None]:
        kept = set(self.names) if self.names is not None else self._lowest(sorted(leaves), draw)
        for name in sorted(kept - set(leaves)):
            raise unknown("class", name, leaves, f"classes(names=...), of {len(leaves)} classes")
        return {leaf: leaf if leaf in kept else None for leaf in leaves}

    def _lowest(self, leaves: list[str], draw: Draw) -> set[str]:
        num = self.num if self.num is not None else max(2, int(share(np.array([len(leaves)]), self.fraction or 0)[0]))
        if num > len(leaves):
            raise UsageError(
                f"classes(num={num}) asks for more classes than there are ({len(leaves)})", f"Give at most {len(leaves)}."
            )
        order = np.argsort(draw.ranks(item_hashes(leaves)), kind="stable")
        return {leaves[i] for i in order[:num]}
