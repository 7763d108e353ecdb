"""`classes(num=N | fraction=F | names=[...] | without=[...])`: some of the classes, all of their
images.

`pick` says which N. `random`: the lowest-ranked classes. `siblings`: the lowest-ranked class and
those nearest to it in the hierarchy. `spread`: one after another, the class that is farthest from
all before it. Distances are hops along primary parents; ties go to the lower rank.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from seedbed.base.errors import UsageError, unknown
from seedbed.base.randomness import Draw, item_hashes
from seedbed.data.hierarchy import Distances, Hierarchy, require_hierarchy
from seedbed.data.recipes import Axis, ClassRecipe, require_exactly_one
from seedbed.data.sampling import share


@dataclass(frozen=True)
class Classes(ClassRecipe):
    """Keep N classes, a fraction, those named or all but those; N of them drawn with each seed: at
    random, siblings, or spread out."""

    num: int | None = None
    fraction: float | None = None
    names: tuple[str, ...] | None = None
    without: tuple[str, ...] | None = None
    pick: Literal["random", "siblings", "spread"] = "random"

    def __post_init__(self) -> None:
        require_exactly_one(self, "num", "fraction", "names", "without")
        if self.num is not None and self.num < 2:
            raise ValueError(f"num = {self.num}: a classifier needs at least 2 classes")
        if (self.names or self.without) is not None and self.pick != "random":
            raise ValueError(f"pick = {self.pick!r} goes with num or fraction alone")

    @property
    def draws(self) -> bool:
        return self.num is not None or self.fraction is not None

    @property
    def sampled_axis(self) -> Axis | None:
        return "classes" if self.draws and self.pick == "random" else None

    @property
    def class_distance(self) -> Literal["near", "far"] | None:
        return {"random": None, "siblings": "near", "spread": "far"}[self.pick]

    def relabel(
        self, leaves: Sequence[str], hierarchy: Hierarchy | None, draw: Draw
    ) -> Mapping[str, str | None]:
        for name in sorted(set(self.names or self.without or ()) - set(leaves)):
            raise unknown("class", name, leaves, f"classes(names=...), of {len(leaves)} classes")
        if self.without is not None:
            selected = set(leaves) - set(self.without)
        elif self.names is not None:
            selected = set(self.names)
        else:
            selected = self._pick_classes(sorted(leaves), hierarchy, draw)
        return {leaf: leaf if leaf in selected else None for leaf in leaves}

    def _pick_classes(self, leaves: list[str], hierarchy: Hierarchy | None, draw: Draw) -> set[str]:
        num = (
            self.num
            if self.num is not None
            else max(2, int(share(np.array([len(leaves)]), self.fraction or 0)[0]))
        )
        if num > len(leaves):
            raise UsageError(
                f"classes(num={num}): there are only {len(leaves)} classes",
                f"Give at most {len(leaves)}.",
            )
        order = np.argsort(draw.ranks(item_hashes(leaves)), kind="stable")
        if self.pick != "random":
            ordered = [leaves[i] for i in order]
            distances = Distances(
                ordered, require_hierarchy(hierarchy, f"classes(pick={self.pick!r})")
            )
            order = order[
                _nearest(distances, num) if self.pick == "siblings" else _farthest(distances, num)
            ]
        return {leaves[i] for i in order[:num]}


def _nearest(distances: Distances, num: int) -> np.ndarray:
    """The first and those nearest to it, ties in order."""
    return np.argsort(distances.from_class(0), kind="stable")[:num]


def _farthest(distances: Distances, num: int) -> np.ndarray:
    """The first, then again and again the one farthest from all before it, ties in order."""
    chosen, nearest = [0], distances.from_class(0)
    for _ in range(num - 1):
        chosen.append(int(np.argmax(nearest)))
        nearest = np.minimum(nearest, distances.from_class(chosen[-1]))
    return np.array(chosen)
