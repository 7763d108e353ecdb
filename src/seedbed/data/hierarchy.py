"""A class hierarchy: a DAG of class ids with one primary parent per node.

In: child -> parents, the first of which is primary. Out: chains, depths, ancestors, the closure under a node. Knows nothing of
images. The root is at depth 0; `bottom_up` follows primary parents, closures follow all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from seedbed.base.errors import BadDataError, unknown

ROOT = "."


@dataclass(frozen=True)
class Hierarchy:
    """Class ids and their parents; `parents[child][0]` is the primary parent; nodes without an entry are roots."""

    parents: Mapping[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        finished: set[str] = set()
        for node in self.parents:
            self._refuse_cycles(node, finished)

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
                raise BadDataError(f"the hierarchy has a cycle: {' -> '.join(cycle)}", "Break it at one of these.")
            elif parent not in finished:
                path.append(parent)
                left.append(iter(self.parents.get(parent, ())))

    def _walk(self, node: str) -> tuple[str, ...]:
        chain = [node]
        while above := self.parents.get(chain[-1]):
            chain.append(above[0])
        return tuple(reversed(chain))

    @cached_property
    def nodes(self) -> frozenset[str]:
        """Every node, inner ones and leaves."""
        return frozenset(self.parents) | {p for ps in self.parents.values() for p in ps}

    def chain(self, node: str) -> tuple[str, ...]:
        """From the root to `node` along primary parents; raises UsageError for a class that is not in the hierarchy."""
        if node not in self.nodes:
            raise unknown("class", node, self.nodes, "the hierarchy")
        return self._walk(node)

    def depth(self, node: str) -> int:
        """Hops from the root along primary parents; the root is 0."""
        return len(self.chain(node)) - 1

    def ancestor_at(self, node: str, depth: int) -> str:
        """The ancestor of `node` at min(its depth, `depth`)."""
        chain = self.chain(node)
        return chain[min(depth, len(chain) - 1)]

    def above(self, node: str) -> frozenset[str]:
        """Every ancestor of `node` over all parents, itself included."""
        found, left = {node}, [node]
        while left:
            for parent in self.parents.get(left.pop(), ()):
                if parent not in found:
                    found.add(parent)
                    left.append(parent)
        return frozenset(found)

    def under(self, node: str, leaves: Iterable[str]) -> list[str]:
        """Those of `leaves` that lie in the closure of `node`."""
        return [leaf for leaf in leaves if node in self.above(leaf)]


def from_paths(labels: Iterable[str]) -> Hierarchy:
    """The tree of labels that are paths: `a/b/c` lies under `a/b`, that under `a`, and that under the root `.`."""
    parents: dict[str, tuple[str, ...]] = {}
    for label in labels:
        parts = label.split("/")
        for i in range(len(parts)):
            above = "/".join(parts[:i]) or ROOT
            parents["/".join(parts[: i + 1])] = (above,)
    return Hierarchy(parents)
