"""Which classes of the source a target has: `exclude(target='NAME')` with the name of a target of the study.

In: a recipe's text, and the stores of the targets. Out: the recipe with synsets in place of the target's name. A target's classes are known
where its labels are nodes of the source's hierarchy, or where the target has a hierarchy of its own (`hierarchy = "wordnet(names='FILE')"`)
that puts them under such nodes. Knows nothing of images.
"""

from __future__ import annotations

from collections.abc import Mapping

from seedbed.base.call import Call, parse_calls
from seedbed.base.errors import UsageError
from seedbed.data.hierarchy import Hierarchy, needed
from seedbed.data.store import Store
from seedbed.data.synsets import KNOWN_TARGETS


def resolved(recipe: str, source: Store, targets: Mapping[str, Store]) -> str:
    """The recipe with each `exclude(target=...)` of a target of the study spelt out; raises UsageError where its classes are not known."""
    if "target" not in recipe:
        return recipe
    return " | ".join(str(_resolved(call, source, targets)) for call in parse_calls(recipe, "recipe"))


def _resolved(call: Call, source: Store, targets: Mapping[str, Store]) -> Call:
    if call.name == "like" and isinstance(inner := call.kwargs.get("recipe", *call.args[:1]), str):
        return Call(name="like", kwargs={"recipe": resolved(inner, source, targets)})
    name = call.kwargs.get("target")
    if call.name != "exclude" or name not in targets:
        return call
    if name in KNOWN_TARGETS and not _are_known(targets[str(name)], source.hierarchy):
        return call
    tree = needed(source.hierarchy, f"exclude(target={name!r})")
    return Call(name="exclude", kwargs={"synsets": nodes_of(targets[str(name)], tree, str(name))})


def _are_known(target: Store, tree: Hierarchy | None) -> bool:
    """Whether a target says what its classes are; the built-in list of its name stands for one that does not."""
    return target.hierarchy is not None or (tree is not None and any(label in tree.nodes for label in target.classes))


def nodes_of(target: Store, tree: Hierarchy, name: str) -> list[str]:
    """The nodes of the source's hierarchy that a target's classes are; classes that lie outside it are left out."""
    own = target.hierarchy
    found, unknown = [], []
    for label in target.classes:
        above = [label, *(own.parents.get(label, ()) if own and label in own.nodes else ())]
        nodes = [node for node in above if node in tree.nodes]
        if nodes:
            found.append(nodes[0])
        elif not own:
            unknown.append(label)
    if unknown and not found:
        raise UsageError(
            f"the classes of target {name!r} are not known in the source's hierarchy: {', '.join(unknown[:5])}, ...",
            f"Say what they are: {name} = \"folder('...', hierarchy=\\\"wordnet(names='FILE.csv')\\\")\", a file of label and synset; "
            f"or name a built-in list: {', '.join(KNOWN_TARGETS)}; or exclude(synsets=[...]).",
        )
    return list(dict.fromkeys(found))
