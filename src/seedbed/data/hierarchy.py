"""A class hierarchy: a DAG of class ids with one primary parent per node.

In: child -> parents, the first of which is primary. Out: chains, depths, ancestors, the closure
under a node, least common ancestors, distances. Knows nothing of images. The root is at depth 0;
chains, depths and distances follow primary parents, closures follow all. Where the parents name
several roots, they all lie under one that is made, `.`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from seedbed.base.errors import BadDataError, UsageError, unknown

ROOT = "."


@dataclass(frozen=True)
class Hierarchy:
    """Class ids and their parents; `parents[child][0]` is the primary parent. `names` are words for
    ids, where they are known."""

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
        """Depth first over all parents, without recursion; `path` holds the nodes that are open."""
        path, left = [start], [iter(self.parents.get(start, ()))]
        while left:
            parent = next(left[-1], None)
            if parent is None:
                finished.add(path.pop())
                left.pop()
            elif parent in path:
                cycle = [*path[path.index(parent) :], parent]
                raise BadDataError(
                    f"the hierarchy has a cycle: {' -> '.join(cycle)}", "Break it at one of these."
                )
            elif parent not in finished:
                path.append(parent)
                left.append(iter(self.parents.get(parent, ())))

    @cached_property
    def nodes(self) -> frozenset[str]:
        """Every node, inner ones and leaves."""
        return frozenset(self.parents) | {p for ps in self.parents.values() for p in ps}

    @cached_property
    def _children(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for child, parents in self.parents.items():
            for parent in parents:
                found.setdefault(parent, []).append(child)
        return found

    @cached_property
    def _chains(self) -> dict[str, tuple[str, ...]]:
        return {}

    def chain(self, node: str) -> tuple[str, ...]:
        """From the root to `node` along primary parents; raises UsageError for a class that is not
        in the hierarchy."""
        if node not in self._chains:
            self.must_have([node])
            climbed = [node]
            while above := self.parents.get(climbed[-1]):
                climbed.append(above[0])
            for i, here in enumerate(climbed):
                self._chains.setdefault(here, tuple(reversed(climbed[i:])))
        return self._chains[node]

    def depth(self, node: str) -> int:
        """Hops from the root along primary parents; the root is 0."""
        return len(self.chain(node)) - 1

    def ancestor_at(self, node: str, depth: int) -> str:
        """The ancestor of `node` at min(its depth, `depth`)."""
        chain = self.chain(node)
        return chain[min(depth, len(chain) - 1)]

    def parent(self, node: str) -> str:
        """The primary parent; the root is its own."""
        return self.parents[node][0] if self.parents.get(node) else self.chain(node)[-1]

    def common_ancestor(self, a: str, b: str) -> str:
        """The deepest node on the chains of both."""
        shared = [x for x, y in zip(self.chain(a), self.chain(b), strict=False) if x == y]
        return shared[-1]

    def distance(self, a: str, b: str) -> int:
        """Hops from `a` up to the least common ancestor and down to `b`."""
        return self.depth(a) + self.depth(b) - 2 * self.depth(self.common_ancestor(a, b))

    def above(self, node: str) -> frozenset[str]:
        """Every ancestor of `node` over all parents, itself included."""
        return _reached([node], self.parents)

    def closure(self, nodes: Iterable[str]) -> frozenset[str]:
        """All that lies under any of these nodes over all parents, themselves included; raises
        UsageError for an unknown one."""
        known = list(nodes)
        self.must_have(known)
        return _reached(known, self._children)

    def under(self, node: str, leaves: Iterable[str]) -> list[str]:
        """Those of `leaves` that lie in the closure of `node`."""
        closure = self.closure([node])
        return [leaf for leaf in leaves if leaf in closure]

    def must_have(self, nodes: Sequence[str], where: str = "the hierarchy") -> None:
        """Raise UsageError, naming the first and how many, for nodes that are not there."""
        strangers = [n for n in nodes if n not in self.nodes]
        if strangers:
            error = (
                unknown("class", strangers[0], self.nodes, where)
                if len(self.nodes) < _FEW
                else None
            )
            more = f" (and {len(strangers) - 1} more)" if len(strangers) > 1 else ""
            hint = (
                error.hint if error else "seedbed inspect and seedbed hierarchy show what there is."
            )
            raise UsageError(f"unknown class {strangers[0]!r}{more} in {where}", hint)


def _reached(start: Iterable[str], steps: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """All that can be reached from these nodes, themselves included."""
    left = list(start)
    found = set(left)
    while left:
        for node in steps.get(left.pop(), ()):
            if node not in found:
                found.add(node)
                left.append(node)
    return frozenset(found)


class Distances:
    """Distances between classes as arrays: hops along primary parents."""

    def __init__(self, leaves: Sequence[str], hierarchy: Hierarchy) -> None:
        hierarchy.must_have(leaves)
        chains = [hierarchy.chain(leaf) for leaf in leaves]
        number = {node: i for i, node in enumerate(sorted({n for chain in chains for n in chain}))}
        self._depths = np.array([len(chain) - 1 for chain in chains])
        # Beyond a chain's end its own negative number, which no other has.
        self._chains = np.repeat(
            -1 - np.arange(len(chains), dtype=np.int32)[:, None], self._depths.max() + 1, axis=1
        )
        for i, chain in enumerate(chains):
            self._chains[i, : len(chain)] = [number[node] for node in chain]

    def of(self, i: int) -> np.ndarray:
        """From class i to each: int64 [n]."""
        shared = np.logical_and.accumulate(self._chains == self._chains[i], axis=1)
        depth = np.minimum(shared.sum(axis=1), self._depths[i] + 1) - 1
        return self._depths + self._depths[i] - 2 * depth


def needed(hierarchy: Hierarchy | None, who: str) -> Hierarchy:
    """The hierarchy; raises UsageError, with how to get one, where there is none."""
    if hierarchy is None:
        raise UsageError(
            f"{who} needs a class hierarchy, and this source has none",
            "Nest the class folders (animals/dogs/husky/1.jpg), or say hierarchy = 'wordnet', or a file of child and parent.",
        )
    return hierarchy


_FEW = 200  # classes that an error may list


def from_paths(labels: Iterable[str]) -> Hierarchy:
    """The tree of labels that are paths: `a/b/c` lies under `a/b`, that under `a`, and that under
    the root `.`."""
    parents: dict[str, tuple[str, ...]] = {}
    for label in labels:
        parts = label.split("/")
        for i in range(len(parts)):
            above = "/".join(parts[:i]) or ROOT
            parents["/".join(parts[: i + 1])] = (above,)
    return Hierarchy(parents)
