"""Which classes of the source a target has: `exclude(target='NAME')` with the name of a target of
the study.

In: a recipe's text, and the stores of the targets. Out: the recipe with synsets in place of the
target's name. A target's classes are known where its labels are nodes of the source's hierarchy, or
where the target has a hierarchy of its own (`hierarchy = "wordnet(names='FILE')"`) that puts them
under such nodes. What the source has no class for is left in, and told. Knows nothing of images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from seedbed.base.call import Call, parse_calls
from seedbed.base.errors import UsageError
from seedbed.data.excluded_classes import nodes_of
from seedbed.data.hierarchy import Hierarchy, needed
from seedbed.data.source import Source
from seedbed.data.store import Store
from seedbed.data.synsets import KNOWN_TARGETS
from seedbed.data.wordnet import is_synset

_SHOWN = 5


def resolved(recipe: str, source: Store, targets: Mapping[str, Store]) -> str:
    """The recipe with each `exclude(target=...)` of a target of the study spelt out; raises
    UsageError where its classes are not known."""
    if "target" not in recipe:
        return recipe
    return " | ".join(
        str(_resolved(call, source, targets)) for call in parse_calls(recipe, "recipe")
    )


def unmatched(recipe: str, source: Store, targets: Mapping[str, Store]) -> list[str]:
    """What a reader must know of the targets that a recipe excludes: classes for which nothing
    could be dropped."""
    notes = []
    for call in parse_calls(recipe, "recipe"):
        name = _of_study(call, source, targets)
        if name is None:
            continue
        known = nodes_of(
            targets[name].classes, targets[name].hierarchy, needed(source.hierarchy, str(call))
        )
        if left := [label for label in targets[name].classes if label not in known]:
            notes.append(
                f"{call}: {len(left)} of the target's {len(targets[name].classes)} classes are not in the source's hierarchy, and nothing "
                f"is dropped for them: {_listed(left)}"
            )
    return notes


def _resolved(call: Call, source: Store, targets: Mapping[str, Store]) -> Call:
    if call.name == "like" and isinstance(inner := call.kwargs.get("recipe", *call.args[:1]), str):
        return Call(name="like", kwargs={"recipe": resolved(inner, source, targets)})
    name = _of_study(call, source, targets)
    if name is None:
        return call
    tree = needed(source.hierarchy, f"exclude(target={name!r})")
    found = nodes_of(targets[name].classes, targets[name].hierarchy, tree)
    if not found:
        raise nothing_known(name, targets[name].classes, tree)
    return Call(name="exclude", kwargs={"synsets": list(dict.fromkeys(found.values()))})


def _of_study(call: Call, source: Store, targets: Mapping[str, Store]) -> str | None:
    """The target of the study that a call excludes; the built-in list of its name stands for one
    that does not say its classes."""
    name = call.kwargs.get("target")
    if call.name != "exclude" or name not in targets:
        return None
    is_silent = name in KNOWN_TARGETS and not says_its_classes(targets[name], source.hierarchy)
    return None if is_silent else str(name)


def says_its_classes(target: Store | Source, tree: Hierarchy | None) -> bool:
    """Whether a target tells what its classes are in the terms of the source's hierarchy."""
    return target.hierarchy is not None or (
        tree is not None and any(label in tree.nodes for label in target.classes)
    )


def nothing_known(name: str, classes: Sequence[str], tree: Hierarchy) -> UsageError:
    """The error of a target of which no class is in the source's hierarchy."""
    if any(map(is_synset, tree.nodes)):
        way = f"{name} = \"folder('...', hierarchy=\\\"wordnet(names='FILE.csv')\\\")\", a file of label and synset"
        way += f"; or name a built-in list: {', '.join(KNOWN_TARGETS)}"
    else:
        way = f"{name} = \"folder('...', hierarchy='FILE.csv')\", a file of label and class or group of the source"
    return UsageError(
        f"no class of target {name!r} is in the source's hierarchy: {_listed(classes)}",
        f"Say what they are: {way}; or write exclude(synsets=[...]) with nodes of the source.",
    )


def _listed(labels: Sequence[str]) -> str:
    return ", ".join(labels[:_SHOWN]) + (", ..." if len(labels) > _SHOWN else "")
