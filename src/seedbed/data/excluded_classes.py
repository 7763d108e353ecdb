"""What `exclude(...)` took out of a label set and why, and what stays that a person might call the
same.

In: leaf labels, a hierarchy, a recipe. Out: a record. Knows nothing of images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seedbed.data.hierarchy import Hierarchy, needed
from seedbed.data.near_classes import NearClass, near_classes
from seedbed.data.recipes import Recipe
from seedbed.data.recipes.exclude import Exclude
from seedbed.data.synsets import closure_of


@dataclass(frozen=True, kw_only=True)
class Excluded:
    """Each class that went with the node that it lies under, and the classes that stay near to
    one."""

    dropped: dict[str, str]  # leaf -> node
    near: list[NearClass]


def nodes_of(
    others: Sequence[str], other_tree: Hierarchy | None, tree: Hierarchy
) -> dict[str, str]:
    """Class of the other set -> the node of the hierarchy that it is; classes that are none are
    left out.

    A class is known where its label is a node of the hierarchy, or lies right under one in its own:
    a name that was mapped to a synset. A folder that a class folder lies in (animals/dog in
    animals) groups classes, and says nothing of what a class is.
    """
    found = {}
    for label in others:
        above = [
            p
            for p in (other_tree.parents.get(label, ()) if other_tree else ())
            if not label.startswith(f"{p}/")
        ]
        node = next((n for n in (label, *above) if n in tree.nodes), None)
        if node is not None:
            found[label] = node
    return found


def shared_classes(
    leaves: Sequence[str],
    tree: Hierarchy | None,
    others: Sequence[str],
    other_tree: Hierarchy | None,
) -> dict[str, list[str]]:
    """Class of the other set -> the leaves that are the same or lie under it; without a hierarchy,
    those of the same label."""
    known = set(leaves)
    nodes = nodes_of(others, other_tree, tree) if tree else {}
    found: dict[str, list[str]] = {}
    for label in others:
        same = (
            tree.under(nodes[label], leaves)
            if tree and label in nodes
            else [label]
            if label in known
            else []
        )
        if same:
            found[label] = sorted(same)
    return found


def excluded(leaves: Sequence[str], hierarchy: Hierarchy | None, recipe: Recipe) -> Excluded | None:
    """What the recipe's exclusions do to these leaves; None where it excludes nothing."""
    steps = [step for _, step in recipe.steps if isinstance(step, Exclude)]
    if not steps:
        return None
    tree = needed(hierarchy, "exclude(...)")
    nodes = {node: word for step in steps for node, word in step.nodes().items()}
    dropped: dict[str, str] = {}
    for node in nodes:
        closure = closure_of([node], tree)
        dropped |= {leaf: node for leaf in leaves if leaf in closure and leaf not in dropped}
    return Excluded(
        dropped=dropped,
        near=near_classes([leaf for leaf in leaves if leaf not in dropped], nodes, tree),
    )
