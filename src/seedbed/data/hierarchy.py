"""A class hierarchy: a directed acyclic graph of class ids.

In: child -> parents, the first of which is the primary parent. Out: chains, depths, ancestors,
closures, least common ancestors, distances.
Chains, depths and distances follow primary parents; ancestors and closures follow all parents. The
root is at depth 0. A hierarchy of several roots gets a common root, `.`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from seedbed.base.errors import BadDataError, UsageError, unknown

ROOT = "."
_MAX_LISTED = 200  # classes that an error may list


@dataclass(frozen=True)
class Hierarchy:
    """Class ids and their parents, the primary parent first; `names` are words for the ids."""

    parents: Mapping[str, tuple[str, ...]]
    names: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        finished: set[str] = set()
        for node in self.parents:
            self._refuse_cycles(node, finished)
        roots = sorted({p for ps in self.parents.values() for p in ps} - self.parents.keys())
        if len(roots) > 1:
            object.__setattr__(
                self, "parents", {**self.parents, **{r: (ROOT,) for r in roots if r != ROOT}}
            )

    def _refuse_cycles(self, start: str, finished: set[str]) -> None:
        """Raise BadDataError for a cycle above `start`: depth-first search without recursion."""
        path, pending = [start], [iter(self.parents.get(start, ()))]
        while pending:
            parent = next(pending[-1], None)
            if parent is None:
                finished.add(path.pop())
                pending.pop()
            elif parent in path:
                cycle = [*path[path.index(parent) :], parent]
                raise BadDataError(
                    f"the hierarchy has a cycle: {' -> '.join(cycle)}",
                    "Remove one of these parents.",
                )
            elif parent not in finished:
                path.append(parent)
                pending.append(iter(self.parents.get(parent, ())))

    @cached_property
    def nodes(self) -> frozenset[str]:
        """All nodes, inner nodes and leaves."""
        return frozenset(self.parents) | {p for ps in self.parents.values() for p in ps}

    @cached_property
    def _children(self) -> dict[str, list[str]]:
        children: dict[str, list[str]] = {}
        for child, parents in self.parents.items():
            for parent in parents:
                children.setdefault(parent, []).append(child)
        return children

    @cached_property
    def _chains(self) -> dict[str, tuple[str, ...]]:
        return {}

    def chain(self, node: str) -> tuple[str, ...]:
        """Nodes from the root to `node` along primary parents; raises UsageError for an unknown
        class."""
        if node not in self._chains:
            self.require_nodes([node])
            upwards = [node]
            while parents := self.parents.get(upwards[-1]):
                upwards.append(parents[0])
            for i, ancestor in enumerate(upwards):
                self._chains.setdefault(ancestor, tuple(reversed(upwards[i:])))
        return self._chains[node]

    def depth(self, node: str) -> int:
        """Number of hops from the root along primary parents; 0 for the root."""
        return len(self.chain(node)) - 1

    def ancestor_at(self, node: str, depth: int) -> str:
        """The ancestor of `node` at min(its depth, `depth`)."""
        chain = self.chain(node)
        return chain[min(depth, len(chain) - 1)]

    def parent(self, node: str) -> str:
        """The primary parent; for the root, the root itself."""
        return self.parents[node][0] if self.parents.get(node) else self.chain(node)[-1]

    def common_ancestor(self, a: str, b: str) -> str:
        """The deepest node that is on the chains of both."""
        shared = [x for x, y in zip(self.chain(a), self.chain(b), strict=False) if x == y]
        return shared[-1]

    def distance(self, a: str, b: str) -> int:
        """Number of hops from `a` up to the least common ancestor and down to `b`."""
        return self.depth(a) + self.depth(b) - 2 * self.depth(self.common_ancestor(a, b))

    def ancestors(self, node: str) -> frozenset[str]:
        """`node` and all its ancestors, over all parents."""
        return _reachable([node], self.parents)

    def closure(self, nodes: Iterable[str]) -> frozenset[str]:
        """These nodes and all their descendants; raises UsageError for an unknown node."""
        start = list(nodes)
        self.require_nodes(start)
        return _reachable(start, self._children)

    def under(self, node: str, leaves: Iterable[str]) -> list[str]:
        """The `leaves` that are in the closure of `node`."""
        closure = self.closure([node])
        return [leaf for leaf in leaves if leaf in closure]

    def require_nodes(self, nodes: Sequence[str], where: str = "the hierarchy") -> None:
        """Raise UsageError if some nodes are not in the hierarchy: names the first, counts all."""
        missing = [n for n in nodes if n not in self.nodes]
        if not missing:
            return
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        hint = "seedbed inspect and seedbed hierarchy show the classes."
        if len(self.nodes) < _MAX_LISTED:
            hint = unknown("class", missing[0], self.nodes, where).hint
        raise UsageError(f"unknown class {missing[0]!r}{more} in {where}", hint)


def _reachable(start: Iterable[str], steps: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """These nodes, and all nodes that can be reached from them."""
    pending = list(start)
    reached = set(pending)
    while pending:
        for node in steps.get(pending.pop(), ()):
            if node not in reached:
                reached.add(node)
                pending.append(node)
    return frozenset(reached)


class Distances:
    """Distances between classes as arrays: numbers of hops along primary parents."""

    def __init__(self, leaves: Sequence[str], hierarchy: Hierarchy) -> None:
        hierarchy.require_nodes(leaves)
        chains = [hierarchy.chain(leaf) for leaf in leaves]
        number = {node: i for i, node in enumerate(sorted({n for chain in chains for n in chain}))}
        self._depths = np.array([len(chain) - 1 for chain in chains])
        # Chains are padded with a negative number that no other chain has.
        self._chains = np.repeat(
            -1 - np.arange(len(chains), dtype=np.int32)[:, None], self._depths.max() + 1, axis=1
        )
        for i, chain in enumerate(chains):
            self._chains[i, : len(chain)] = [number[node] for node in chain]

    def from_class(self, i: int) -> np.ndarray:
        """Distances from class i to each class: int64 [n]."""
        shared = np.logical_and.accumulate(self._chains == self._chains[i], axis=1)
        depth = np.minimum(shared.sum(axis=1), self._depths[i] + 1) - 1
        return self._depths + self._depths[i] - 2 * depth


def require_hierarchy(hierarchy: Hierarchy | None, who: str) -> Hierarchy:
    """Return the hierarchy; raise UsageError, which says how to get one, if there is none."""
    if hierarchy is None:
        raise UsageError(
            f"{who} needs a class hierarchy, and this source has none",
            "Nest the class folders (animals/dogs/husky/1.jpg), or set hierarchy to 'wordnet' or "
            "to a file of child and parent.",
        )
    return hierarchy


def from_paths(labels: Iterable[str]) -> Hierarchy:
    """The tree of labels that are paths: `a/b/c` is under `a/b`, that under `a`, and that under the
    root `.`."""
    parents: dict[str, tuple[str, ...]] = {}
    for label in labels:
        parts = label.split("/")
        for i in range(len(parts)):
            above = "/".join(parts[:i]) or ROOT
            parents["/".join(parts[: i + 1])] = (above,)
    return Hierarchy(parents)
