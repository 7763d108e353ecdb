"""What people write for nodes of a hierarchy, and the classes of well-known targets as WordNet 3.0
synsets.

In: ids, or names such as `dog.n.01`. Out: nodes, closures. Knows nothing of images.
"""

from __future__ import annotations

from collections.abc import Iterable

from seedbed.base.errors import UsageError
from seedbed.data.hierarchy import ROOT, Hierarchy
from seedbed.data.wordnet import is_synset, wordnet

TARGET_CLASSES: dict[str, dict[str, str]] = {  # target -> its own word for a class -> the synset
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
    """All nodes under these; a synset of WordNet that no class lies under has nothing there.

    Raises UsageError for what is neither a node nor a synset.
    """
    nodes = [_node(text, hierarchy) for text in synsets]
    return hierarchy.closure(n for n in nodes if n is not None)


def _node(text: str, hierarchy: Hierarchy) -> str | None:
    if text in hierarchy.nodes:
        return text
    if is_synset(text):
        id_ = wordnet().id(wordnet().position(text))  # an unknown one is an error
        return id_ if id_ in hierarchy.nodes else None
    if all(map(is_synset, hierarchy.nodes - {ROOT})) and (meanings := wordnet().meanings(text)):
        here = ", ".join(
            f"{wordnet().name(i)} ({wordnet().id(i)})"
            for i in meanings
            if wordnet().id(i) in hierarchy.nodes
        )
        words = (
            f"In this hierarchy it may mean: {here}."
            if here
            else "No synset of this word is above a class of this hierarchy."
        )
        raise UsageError(f"{text!r} is a word and no synset", words)
    hierarchy.must_have([text])
    raise UsageError(f"{text!r} is no node")
