"""What people write for nodes of a hierarchy, and the classes of well-known targets as WordNet 3.0 synsets.

In: ids, or names such as `dog.n.01`. Out: nodes, closures. Knows nothing of images.
"""

from __future__ import annotations

from collections.abc import Iterable

from seedbed.base.errors import UsageError
from seedbed.data.hierarchy import Hierarchy
from seedbed.data.wordnet import is_synset, wordnet

KNOWN_TARGETS: dict[str, tuple[str, ...]] = {
    # aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike person pottedplant sheep sofa train tvmonitor
    "pascal": (
        *(
            "n02691156",
            "n02834778",
            "n01503061",
            "n02858304",
            "n02876657",
            "n02924116",
            "n02958343",
            "n02121620",
            "n03001627",
            "n01887787",
        ),
        *(
            "n03201208",
            "n02084071",
            "n02374451",
            "n03769722",
            "n00007846",
            "n00017222",
            "n02411705",
            "n04256520",
            "n04468005",
            "n03782006",
        ),
    ),
    # airplane automobile bird cat deer dog frog horse ship truck
    "cifar10": (
        *("n02691156", "n02958343", "n01503061", "n02121620", "n02430045"),
        *("n02084071", "n01639765", "n02374451", "n04194289", "n04490091"),
    ),
}


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
    hierarchy.must_have([text])
    raise UsageError(f"{text!r} is no node")
