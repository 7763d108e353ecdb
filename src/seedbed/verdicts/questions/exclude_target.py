"""exclude-target: what does it cost to pre-train without the target's own classes? (Huh, Agrawal,
Efros 2016, section 3.5.)

Without the target's classes and all under them, against as many classes dropped at random from
those that stay: what remains is the cost of these classes being the target's, beyond there being
    fewer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from seedbed.base.call import Call
from seedbed.base.errors import UsageError
from seedbed.data.matching_classes import has_known_classes, matching_nodes, no_match_error
from seedbed.data.synsets import KNOWN_TARGETS, TARGET_CLASSES, closure_of
from seedbed.trials.results import Results
from seedbed.verdicts.answer import Answer
from seedbed.verdicts.families import answer_families
from seedbed.verdicts.pairs import with_controls
from seedbed.verdicts.questions import Question
from seedbed.verdicts.questions.arm_names import with_classes
from seedbed.verdicts.questions.source_summary import Facts, look, open_target
from seedbed.verdicts.questions.study_template import (
    RANDOM,
    ArmLine,
    StudyFile,
    key_of,
    one_source,
    target_name,
)

_NO_CONTROL = "; more than half of all, so that there is no control of as many others"


@dataclass(frozen=True)
class ExcludeTarget(Question):
    """What does it cost to pre-train without the target's own classes?"""

    def study(
        self, sources: Sequence[str], targets: Sequence[str], backbones: Sequence[str] = ()
    ) -> str:
        facts = look(one_source("exclude-target", sources))
        if not facts.unseen and facts.hierarchy is None:
            facts.need_hierarchy("exclude-target")
        node = None if targets else _branch(facts)
        dropped = {target_name(t): _named(t, facts) for t in targets}
        own = {}
        if node:
            name = key_of(node.rsplit("/", 1)[-1])
            dropped = {name: (_call("exclude", synsets=[node]), _gone([node], facts))}
            own = {f"{name}-classes": _call("source", recipe=_call("under", synsets=[node]))}
        arms = [ArmLine("all", "", "every class")]
        for name, (recipe, gone) in dropped.items():
            what = (
                f"the classes under {name!r}, which are a target"
                if node
                else f"all classes of the source that {name} holds"
            )
            control = ArmLine(
                f"like-{name}",
                _call("like", recipe=recipe),
                "as many classes dropped, of those that stay: its control",
            )
            has_control = 2 * len(gone) <= len(facts.leaves)
            arms.append(
                ArmLine(
                    f"without-{name}",
                    recipe,
                    f"without {what}" + ("" if has_control else _NO_CONTROL),
                )
            )
            arms += [control] if has_control else []
        words = "What does it cost to pre-train without the target's own classes?"
        return StudyFile(
            "exclude-target",
            words,
            "all",
            [*arms, RANDOM],
            sources,
            targets,
            backbones=backbones,
            facts=facts,
            own_targets=own,
        ).text()

    def answer(self, results: Results) -> list[Answer]:
        return answer_families(
            results, "exclude-target", lambda arm: with_classes(results, arm), with_controls
        )


def _named(target: str, facts: Facts) -> tuple[str, frozenset[str]]:
    """The recipe, by a built-in list where the target's name is one of them, else by the target of
    the study; and which classes it drops, as far as that can be told. Raises UsageError where
    nothing is known of the target's classes."""
    name = target_name(target)
    opened = open_target(target, name) if facts.hierarchy else None
    known = next((k for k in KNOWN_TARGETS if k in re.split(r"[^a-z0-9]+", name.lower())), None)
    if facts.hierarchy and opened and (known is None or has_known_classes(opened, facts.hierarchy)):
        nodes = matching_nodes(opened, facts.hierarchy).values()
        return _call("exclude", target=name), _checked(name, nodes, opened.classes, facts)
    if facts.hierarchy and known:
        return _call("exclude", target=known), _checked(
            name, KNOWN_TARGETS[known], tuple(TARGET_CLASSES[known]), facts
        )
    return _call("exclude", target=known or name), frozenset()


def _gone(nodes: Iterable[str], facts: Facts) -> frozenset[str]:
    """The classes of the source under these nodes."""
    return (
        closure_of(nodes, facts.hierarchy) & set(facts.leaves) if facts.hierarchy else frozenset()
    )


def _checked(
    name: str, nodes: Iterable[str], classes: Sequence[str], facts: Facts
) -> frozenset[str]:
    """The classes that go: there must be some, and two must stay."""
    gone = _gone(nodes, facts)
    if not gone and facts.hierarchy:
        raise no_match_error(name, classes, facts.hierarchy)
    if len(facts.leaves) - len(gone) < 2:
        raise UsageError(
            f"target {name!r} holds {len(gone)} of the source's {len(facts.leaves)} classes: nothing would be left to pre-train on",
            "Take a target that shares only a part of its classes with the source.",
        )
    return gone


def _call(name: str, **settings: object) -> str:
    return str(Call(name=name, kwargs=settings))


def _branch(facts: Facts) -> str:
    """The node that holds nearest to a fifth of the classes."""
    tree, leaves = facts.hierarchy, facts.leaves
    if tree is None:
        raise UsageError(
            f"the source could not be looked at ({facts.unseen}), and no target is named",
            "Name one: --target DATA.",
        )
    nodes = sorted({node for leaf in leaves for node in tree.chain(leaf)[1:-1]})
    sizes = {node: len(tree.under(node, leaves)) for node in nodes}
    fitting = {
        node: n for node, n in sizes.items() if 2 <= n <= min(len(leaves) // 2, len(leaves) - 2)
    }
    if not fitting:
        raise UsageError(
            "no branch of the source's hierarchy holds two classes or more, and at most half of them",
            "Name a target: --target DATA.",
        )
    return min(fitting, key=lambda n: (abs(fitting[n] - len(leaves) / 5), n))
