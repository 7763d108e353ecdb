"""Classes that stay although a person might call them the same as one that was excluded.

In: the classes that a closure leaves, the nodes that it was of, and the target's own words for
them. Out: pairs, the nearest first. Two
signs: few hops in the hierarchy (warplane and aeroplane), or a common word, among the synonyms of
    the target's own words too (a
television is no hyponym of monitor, but "tv" means both). A list to be looked through, not a
verdict: washing machine shares a word with car.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from seedbed.data.hierarchy import Hierarchy
from seedbed.data.wordnet import is_synset, wordnet

NEAR = 3  # hops


@dataclass(frozen=True, kw_only=True)
class NearClass:
    """A class that stays, and the excluded node that it is near to."""

    leaf: str
    name: str
    node: str
    node_name: str
    hops: int
    word: str  # that both are called by, or nothing

    @property
    def sentence(self) -> str:
        why = f'both called "{self.word}"' if self.word else f"{self.hops} hops"
        return f"{self.name.partition(',')[0]} ({self.node_name.partition(',')[0]}; {why})"


def near_classes(
    kept: Sequence[str], nodes: Mapping[str, str], hierarchy: Hierarchy
) -> list[NearClass]:
    """The classes of `kept` that are near to an excluded node.

    Args:
        kept: leaf labels.
        nodes: excluded node -> the target's own word for it, or nothing.
        hierarchy: of the leaves; nodes that only WordNet knows are looked up there.
    """
    tree = _with_nodes(hierarchy, nodes)
    known = {
        node: _words(tree.names.get(node, node)) | _synonyms(word)
        for node, word in nodes.items()
        if node in tree.nodes
    }
    found = [near for leaf in kept if (near := _nearest(leaf, known, tree)) is not None]
    return sorted(found, key=lambda near: (near.hops > NEAR, not near.word, near.hops, near.name))


def _nearest(leaf: str, nodes: Mapping[str, set[str]], tree: Hierarchy) -> NearClass | None:
    words = _words(tree.names.get(leaf, leaf))
    best: tuple[tuple[bool, int, str], str] | None = None
    for node, theirs in nodes.items():
        shared = sorted(words & theirs)
        hops = tree.distance(leaf, node)
        if shared or hops <= NEAR:
            key = (not shared, hops, node)
            best = (
                min(best, (key, shared[0] if shared else ""))
                if best
                else (key, shared[0] if shared else "")
            )
    if best is None:
        return None
    (_, hops, node), word = best
    return NearClass(
        leaf=leaf,
        name=tree.names.get(leaf, leaf),
        node=node,
        node_name=tree.names.get(node, node),
        hops=hops,
        word=word,
    )


def _with_nodes(hierarchy: Hierarchy, nodes: Iterable[str]) -> Hierarchy:
    """The hierarchy with those nodes that lie in WordNet alone, where it is one of WordNet's."""
    missing = [node for node in nodes if node not in hierarchy.nodes and is_synset(node)]
    if not missing or not any(is_synset(node) for node in hierarchy.nodes):
        return hierarchy
    more = wordnet().hierarchy(missing)
    return Hierarchy({**more.parents, **hierarchy.parents}, names={**more.names, **hierarchy.names})


def _words(text: str) -> set[str]:
    """The last word of each name: what a thing is called ("tow car" is a car)."""
    return {part.split()[-1].lower() for part in text.replace("_", " ").split(",") if part.split()}


def _synonyms(word: str) -> set[str]:
    """The parts of a target's own word, and what WordNet calls their nouns besides."""
    table = wordnet()
    parts = word.lower().replace("-", " ").replace("_", " ").split()
    return {
        w for part in parts for i in table.meanings(part) for w in _words(table.words(i))
    } | set(parts[-1:])
