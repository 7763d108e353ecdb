"""`split(kind='minimal'|'random', half='a'|'b')`: one of two halves of the classes that are
as far apart in the hierarchy as possible, or random.

`minimal`: a is the closure of the node whose number of classes is nearest to half (ties: the
shallowest, then the id), b is the rest. Of ILSVRC's 1000 classes the 522 under artifact, and the
478 others (Huh, Agrawal and Efros 2016, section 3.6). `random` has the same sizes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from seedbed.base.errors import UsageError
from seedbed.base.randomness import Draw, item_hashes
from seedbed.data.hierarchy import Hierarchy, require_hierarchy
from seedbed.data.recipes import Axis, ClassRecipe


@dataclass(frozen=True)
class Split(ClassRecipe):
    """One of two halves of the classes: apart in the hierarchy, or drawn at random with the same
    sizes, anew with each seed."""

    kind: Literal["minimal", "random"]
    half: Literal["a", "b"]

    @property
    def draws(self) -> bool:
        return self.kind == "random"

    @property
    def sampled_axis(self) -> Axis | None:
        return "classes" if self.kind == "random" else None

    def relabel(
        self, leaves: Sequence[str], hierarchy: Hierarchy | None, draw: Draw
    ) -> Mapping[str, str | None]:
        a = minimal_half(leaves, require_hierarchy(hierarchy, f"split(kind={self.kind!r})"))
        if self.kind == "random":
            names = sorted(leaves)
            order = np.argsort(draw.ranks(item_hashes(names)), kind="stable")
            a = {names[i] for i in order[: len(a)]}
        return {leaf: leaf if (leaf in a) == (self.half == "a") else None for leaf in leaves}


def minimal_half(leaves: Sequence[str], hierarchy: Hierarchy) -> set[str]:
    """The classes under the node whose number of classes is nearest to half."""
    hierarchy.require_nodes(list(leaves))
    counts = Counter(node for leaf in leaves for node in hierarchy.ancestors(leaf))
    proper = [node for node, n in counts.items() if n < len(leaves)]
    if not proper:
        raise UsageError(
            "these classes cannot be split: no node holds some of them and not all",
            "Give two classes or more.",
        )
    best = min(
        proper, key=lambda node: (abs(2 * counts[node] - len(leaves)), hierarchy.depth(node), node)
    )
    return set(hierarchy.under(best, leaves))
