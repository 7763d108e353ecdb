"""What the exclusions of a recipe drop and why, and which remaining classes a person might call the
same.

In: class labels, a hierarchy, a recipe. Out: a record. Knows nothing of images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seedbed.data.hierarchy import Hierarchy, require_hierarchy
from seedbed.data.near_classes import NearClass, near_classes
from seedbed.data.recipes import Recipe
from seedbed.data.synsets import closure_of


@dataclass(frozen=True, kw_only=True)
class ExcludedClasses:
    """Each dropped class with the excluded node that it lies under, and the remaining classes that
    are near to an excluded node."""

    dropped: dict[str, str]  # leaf -> node
    near: list[NearClass]


def excluded_classes(
    leaves: Sequence[str], hierarchy: Hierarchy | None, recipe: Recipe
) -> ExcludedClasses | None:
    """What the recipe's exclusions do to these leaves; None where it excludes no node."""
    nodes = recipe.excluded_nodes()
    if not nodes:
        return None
    tree = require_hierarchy(hierarchy, "exclude(...)")
    dropped: dict[str, str] = {}
    for node in nodes:
        closure = closure_of([node], tree)
        dropped |= {leaf: node for leaf in leaves if leaf in closure and leaf not in dropped}
    remaining = [leaf for leaf in leaves if leaf not in dropped]
    return ExcludedClasses(dropped=dropped, near=near_classes(remaining, nodes, tree))
