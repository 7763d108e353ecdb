"""Which classes of one data set are those of another: by label, or through class hierarchies.

In: class labels and hierarchies of a source and of a target. Out: the nodes and classes of the
source that the target's classes are. Knows nothing of images.
"""

from __future__ import annotations

from collections.abc import Sequence

from seedbed.base.errors import UsageError
from seedbed.data.hierarchy import Hierarchy
from seedbed.data.source import Source
from seedbed.data.store import Store
from seedbed.data.synsets import KNOWN_TARGETS
from seedbed.data.wordnet import is_synset

_SHOWN = 5

# A data set of which only `classes` and `hierarchy` are read.
LabelSet = Source | Store


def matching_nodes(target: LabelSet, tree: Hierarchy) -> dict[str, str]:
    """Class of the target -> the node of `tree` that it is; classes without a node are left out.

    A class matches where its label is a node of `tree`, or where the target's own hierarchy puts it
    right under such a node, as a mapping of names to synsets does. A folder that a class folder
    lies in (animals/dog in animals) groups classes and says nothing of what a class is.
    """
    nodes = {}
    for label in target.classes:
        parents = target.hierarchy.parents.get(label, ()) if target.hierarchy else ()
        candidates = (label, *(p for p in parents if not label.startswith(f"{p}/")))
        node = next((n for n in candidates if n in tree.nodes), None)
        if node is not None:
            nodes[label] = node
    return nodes


def shared_classes(source: LabelSet, target: LabelSet) -> dict[str, list[str]]:
    """Class of the target -> the classes of the source that are the same or lie under it; without a
    hierarchy of the source, those of the same label."""
    tree, labels = source.hierarchy, set(source.classes)
    nodes = matching_nodes(target, tree) if tree else {}
    shared: dict[str, list[str]] = {}
    for label in target.classes:
        if tree and label in nodes:
            same = tree.under(nodes[label], source.classes)
        else:
            same = [label] if label in labels else []
        if same:
            shared[label] = sorted(same)
    return shared


def has_known_classes(target: LabelSet, tree: Hierarchy | None) -> bool:
    """Whether a target says what its classes are in the terms of the source's hierarchy."""
    return target.hierarchy is not None or (
        tree is not None and any(label in tree.nodes for label in target.classes)
    )


def no_match_error(name: str, classes: Sequence[str], tree: Hierarchy) -> UsageError:
    """The error for a target of which no class is in the source's hierarchy."""
    if any(map(is_synset, tree.nodes)):
        file = "hierarchy=\\\"wordnet(names='FILE.csv')\\\""
        way = f"{name} = \"folder('...', {file})\", a file of label and synset"
        way += f"; or name a built-in list: {', '.join(KNOWN_TARGETS)}"
    else:
        way = f"{name} = \"folder('...', hierarchy='FILE.csv')\""
        way += ", a file of label and class or group of the source"
    return UsageError(
        f"no class of target {name!r} is in the source's hierarchy: {first_labels(classes)}",
        f"Say what they are: {way}; or write exclude(synsets=[...]) with nodes of the source.",
    )


def first_labels(labels: Sequence[str]) -> str:
    """The first few labels, separated by commas."""
    return ", ".join(labels[:_SHOWN]) + (", ..." if len(labels) > _SHOWN else "")
