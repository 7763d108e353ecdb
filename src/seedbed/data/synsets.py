"""Find the nodes of a hierarchy that users name, and the classes of well-known targets in WordNet.

In: ids, or names such as `dog.n.01`. Out: nodes, closures.
"""

from __future__ import annotations

from collections.abc import Iterable

from seedbed.base.errors import UsageError
from seedbed.data.hierarchy import ROOT, Hierarchy
from seedbed.data.wordnet import is_synset, wordnet

# target -> the target's name of a class -> its synset
TARGET_CLASSES: dict[str, dict[str, str]] = {
    "pascal": {
        "aeroplane": "n02691156",
        "bicycle": "n02834778",
        "bird": "n01503061",
        "boat": "n02858304",
        "bottle": "n02876657",
        "bus": "n02924116",
        "car": "n02958343",
        "cat": "n02121620",
        "chair": "n03001627",
        "cow": "n01887787",
        "dining table": "n03201208",
        "dog": "n02084071",
        "horse": "n02374451",
        "motorbike": "n03769722",
        "person": "n00007846",
        "potted plant": "n00017222",
        "sheep": "n02411705",
        "sofa": "n04256520",
        "train": "n04468005",
        "tv monitor": "n03782006",
    },
    "cifar10": {
        "airplane": "n02691156",
        "automobile": "n02958343",
        "bird": "n01503061",
        "cat": "n02121620",
        "deer": "n02430045",
        "dog": "n02084071",
        "frog": "n01639765",
        "horse": "n02374451",
        "ship": "n04194289",
        "truck": "n04490091",
    },
}
KNOWN_TARGETS = {target: tuple(classes.values()) for target, classes in TARGET_CLASSES.items()}


def closure_of(synsets: Iterable[str], hierarchy: Hierarchy) -> frozenset[str]:
    """These nodes and all nodes under them; synsets that are not in the hierarchy are ignored.

    Raises UsageError for a text that is neither a node nor a synset of WordNet.
    """
    nodes = [_find_node(text, hierarchy) for text in synsets]
    return hierarchy.closure(n for n in nodes if n is not None)


def _find_node(text: str, hierarchy: Hierarchy) -> str | None:
    """The node that a text names; None for a synset that is not in the hierarchy."""
    if text in hierarchy.nodes:
        return text
    table = wordnet()
    if is_synset(text):
        synset = table.id(table.position(text))  # raises for an unknown one
        return synset if synset in hierarchy.nodes else None
    if all(map(is_synset, hierarchy.nodes - {ROOT})) and (meanings := table.meanings(text)):
        nodes = [i for i in meanings if table.id(i) in hierarchy.nodes]
        hint = "No synset of this word is above a class of this hierarchy."
        if nodes:
            names = ", ".join(f"{table.name(i)} ({table.id(i)})" for i in nodes)
            hint = f"In this hierarchy it may mean: {names}."
        raise UsageError(f"{text!r} is a word, not a synset", hint)
    hierarchy.require_nodes([text])
    raise AssertionError("unreachable: the line above raises")
