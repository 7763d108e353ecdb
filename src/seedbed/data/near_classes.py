"""Find remaining classes that are near to an excluded class.

In: the classes that an exclusion leaves, the excluded nodes, and the target's words for them.
Out: pairs, the nearest first.
A class is near if it is few hops away in the hierarchy (warplane and aeroplane), or if both have a
word in common, synonyms of the target's word included (a television is not a hyponym of monitor,
but "tv" names both). A person must look through the list: washing machine shares a word with car.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from seedbed.data.hierarchy import Hierarchy
from seedbed.data.wordnet import is_synset, wordnet

NEAR = 3  # hops


@dataclass(frozen=True, kw_only=True)
class NearClass:
    """A remaining class, and the excluded node that it is near to."""

    leaf: str
    name: str
    node: str
    node_name: str
    hops: int
    word: str  # a name of both, or empty

    @property
    def sentence(self) -> str:
        why = f'both called "{self.word}"' if self.word else f"{self.hops} hops"
        return f"{self.name.partition(',')[0]} ({self.node_name.partition(',')[0]}; {why})"


def near_classes(
    leaves: Sequence[str], nodes: Mapping[str, str], hierarchy: Hierarchy
) -> list[NearClass]:
    """Find the leaves that are near to an excluded node.

    Args:
        leaves: labels of the remaining classes.
        nodes: excluded node -> the target's word for it, or an empty text.
        hierarchy: of the leaves; nodes that it does not have are looked up in WordNet.
    """
    tree = _add_nodes(hierarchy, nodes)
    words = {
        node: _words(tree.names.get(node, node)) | _synonyms(word)
        for node, word in nodes.items()
        if node in tree.nodes
    }
    pairs = [near for leaf in leaves if (near := _nearest_node(leaf, words, tree)) is not None]
    return sorted(pairs, key=lambda near: (near.hops > NEAR, not near.word, near.hops, near.name))


def _nearest_node(leaf: str, nodes: Mapping[str, set[str]], tree: Hierarchy) -> NearClass | None:
    """The node nearest to a leaf, if one is near; `nodes` maps each to its words."""
    words = _words(tree.names.get(leaf, leaf))
    candidates: list[tuple[bool, int, str, str]] = []
    for node, node_words in nodes.items():
        shared = sorted(words & node_words)
        hops = tree.distance(leaf, node)
        if shared or hops <= NEAR:
            candidates.append((not shared, hops, node, shared[0] if shared else ""))
    if not candidates:
        return None
    _, hops, node, word = min(candidates)
    return NearClass(
        leaf=leaf,
        name=tree.names.get(leaf, leaf),
        node=node,
        node_name=tree.names.get(node, node),
        hops=hops,
        word=word,
    )


def _add_nodes(hierarchy: Hierarchy, nodes: Iterable[str]) -> Hierarchy:
    """Add nodes that only WordNet has, if the hierarchy is a part of WordNet."""
    missing = [node for node in nodes if node not in hierarchy.nodes and is_synset(node)]
    if not missing or not any(is_synset(node) for node in hierarchy.nodes):
        return hierarchy
    more = wordnet().hierarchy(missing)
    return Hierarchy({**more.parents, **hierarchy.parents}, names={**more.names, **hierarchy.names})


def _words(text: str) -> set[str]:
    """The last word of each name, which is its noun: "tow car" is a car."""
    return {part.split()[-1].lower() for part in text.replace("_", " ").split(",") if part.split()}


def _synonyms(word: str) -> set[str]:
    """The last part of a target's word, and the WordNet synonyms of all its parts."""
    table = wordnet()
    parts = word.lower().replace("-", " ").replace("_", " ").split()
    meanings = [i for part in parts for i in table.meanings(part)]
    return {w for i in meanings for w in _words(table.words(i))} | set(parts[-1:])
