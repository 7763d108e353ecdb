"""`exclude(synsets=[...])`: without the classes in the closure of these nodes;
`exclude(target=...)`: without a target's classes.

A target's name becomes synsets before a recipe runs (`seedbed.trials.overlap`): data know nothing
of tasks. `pascal` is built in, the 20 classes of PASCAL VOC as Huh, Agrawal and Efros (2016) took
them: 229 of ILSVRC's 1000 go. Television, motor scooter, pickup and ox stay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seedbed.base.errors import UsageError
from seedbed.base.randomness import Draw
from seedbed.data.hierarchy import Hierarchy, needed
from seedbed.data.recipes import ClassRecipe
from seedbed.data.recipes.images import exactly_one
from seedbed.data.synsets import KNOWN_TARGETS, TARGET_CLASSES, closure_of

_SHOWN = 8


@dataclass(frozen=True)
class Exclude(ClassRecipe):
    """Drop the classes under these nodes of the hierarchy, or a target's classes and all that lies
    under them."""

    synsets: tuple[str, ...] | None = None
    target: str | None = None

    def __post_init__(self) -> None:
        exactly_one(self, "synsets", "target")

    def relabel(
        self, leaves: Sequence[str], hierarchy: Hierarchy | None, draw: Draw
    ) -> Mapping[str, str | None]:
        closure = closure_of(self._synsets(), needed(hierarchy, "exclude(...)"))
        return {leaf: None if leaf in closure else leaf for leaf in leaves}

    def note(self, leaves: Sequence[str], hierarchy: Hierarchy | None, draw: Draw) -> str:
        gone = [leaf for leaf, c in self.relabel(leaves, hierarchy, draw).items() if c is None]
        names = hierarchy.names if hierarchy else {}
        shown = ", ".join(names.get(leaf, leaf).partition(",")[0] for leaf in sorted(gone)[:_SHOWN])
        return f"exclude drops {len(gone)} of {len(leaves)} classes" + (
            f": {shown}{', ...' if len(gone) > _SHOWN else ''}" if gone else ""
        )

    def nodes(self) -> dict[str, str]:
        """Each node whose closure goes -> the target's own word for it, or nothing."""
        words = {synset: word for word, synset in TARGET_CLASSES.get(self.target or "", {}).items()}
        return {node: words.get(node, "") for node in self._synsets()}

    def _synsets(self) -> tuple[str, ...]:
        if self.synsets is not None:
            return self.synsets
        if self.target not in KNOWN_TARGETS:
            raise UsageError(
                f"the classes of target {self.target!r} are not known here",
                f"Known: {', '.join(KNOWN_TARGETS)}. In a study, a target whose classes are synsets; else exclude(synsets=[...]).",
            )
        return KNOWN_TARGETS[self.target]
