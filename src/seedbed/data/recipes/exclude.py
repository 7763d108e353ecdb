"""`exclude(synsets=[...])`: without the classes in the closure of these nodes;
`exclude(target=...)`: without a target's classes.

In a study, the name of one of its targets is replaced by nodes of the source's hierarchy before
the recipe runs (`resolve`). `pascal` is built in: the 20 classes of PASCAL VOC as Huh, Agrawal and
Efros (2016) chose them. 229 of ILSVRC's 1000 classes are dropped; television, motor scooter, pickup
and ox remain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seedbed.base.errors import UsageError
from seedbed.base.randomness import Draw
from seedbed.data.hierarchy import Hierarchy, require_hierarchy
from seedbed.data.matching_classes import (
    LabelSet,
    first_labels,
    has_known_classes,
    matching_nodes,
    no_match_error,
)
from seedbed.data.recipes import ClassRecipe, Targets, require_exactly_one
from seedbed.data.synsets import KNOWN_TARGETS, TARGET_CLASSES, closure_of

_SHOWN = 8


@dataclass(frozen=True)
class Exclude(ClassRecipe):
    """Drop the classes under these nodes of the hierarchy, or a target's classes and all classes
    under them."""

    synsets: tuple[str, ...] | None = None
    target: str | None = None

    def __post_init__(self) -> None:
        require_exactly_one(self, "synsets", "target")

    @property
    def draws(self) -> bool:
        return False

    def relabel(
        self, leaves: Sequence[str], hierarchy: Hierarchy | None, draw: Draw
    ) -> Mapping[str, str | None]:
        closure = closure_of(self._synsets(), require_hierarchy(hierarchy, "exclude(...)"))
        return {leaf: None if leaf in closure else leaf for leaf in leaves}

    def note(self, leaves: Sequence[str], hierarchy: Hierarchy | None, draw: Draw) -> str:
        class_of = self.relabel(leaves, hierarchy, draw)
        dropped = sorted(leaf for leaf, c in class_of.items() if c is None)
        sentence = f"exclude drops {len(dropped)} of {len(leaves)} classes"
        if not dropped:
            return sentence
        names = hierarchy.names if hierarchy else {}
        shown = ", ".join(names.get(leaf, leaf).partition(",")[0] for leaf in dropped[:_SHOWN])
        return f"{sentence}: {shown}" + (", ..." if len(dropped) > _SHOWN else "")

    def excluded_nodes(self) -> Mapping[str, str]:
        words = {synset: word for word, synset in TARGET_CLASSES.get(self.target or "", {}).items()}
        return {node: words.get(node, "") for node in self._synsets()}

    def resolve(self, source: LabelSet, targets: Targets) -> Exclude:
        target = self._find_target(source, targets)
        if target is None:
            return self
        tree = self._tree_of(source)
        nodes = matching_nodes(target, tree)
        if not nodes:
            raise no_match_error(str(self.target), target.classes, tree)
        return Exclude(synsets=tuple(dict.fromkeys(nodes.values())))

    def resolution_notes(self, source: LabelSet, targets: Targets) -> Sequence[str]:
        target = self._find_target(source, targets)
        if target is None:
            return ()
        nodes = matching_nodes(target, self._tree_of(source))
        missing = [label for label in target.classes if label not in nodes]
        if not missing:
            return ()
        return (
            f"exclude(target={self.target!r}): {len(missing)} of the target's "
            f"{len(target.classes)} classes are not in the source's hierarchy, and nothing is "
            f"dropped for them: {first_labels(missing)}",
        )

    def _find_target(self, source: LabelSet, targets: Targets) -> LabelSet | None:
        """The one of these targets that it names. A built-in list of the same name is used instead
        where the target does not say what its classes are."""
        target = targets.get(self.target or "")
        if target is None or has_known_classes(target, source.hierarchy):
            return target
        return None if self.target in KNOWN_TARGETS else target

    def _tree_of(self, source: LabelSet) -> Hierarchy:
        return require_hierarchy(source.hierarchy, f"exclude(target={self.target!r})")

    def _synsets(self) -> tuple[str, ...]:
        if self.synsets is not None:
            return self.synsets
        if self.target not in KNOWN_TARGETS:
            raise UsageError(
                f"the classes of target {self.target!r} are not known here",
                f"Known: {', '.join(KNOWN_TARGETS)}. In a study, name a target whose classes are "
                "synsets; otherwise write exclude(synsets=[...]).",
            )
        return KNOWN_TARGETS[self.target]
