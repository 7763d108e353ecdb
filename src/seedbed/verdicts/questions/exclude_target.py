"""exclude-target: what does it cost to pre-train without the target's own classes? (Huh, Agrawal,
Efros 2016, section 3.5.)

An arm without the target's classes and all classes under them, against an arm without as many
classes, drawn from those that stay. The difference is the cost of these classes being the target's,
beyond there being fewer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from seedbed.base.call import Call
from seedbed.base.errors import UsageError
from seedbed.data.matching_classes import has_known_classes, matching_nodes, no_match_error
from seedbed.data.synsets import KNOWN_TARGETS, TARGET_CLASSES, closure_of
from seedbed.trials.results import Results
from seedbed.trials.study import Study
from seedbed.verdicts.answer import Answer
from seedbed.verdicts.families import answer_families
from seedbed.verdicts.pairs import with_controls
from seedbed.verdicts.questions import Question
from seedbed.verdicts.questions.arm_names import name_with_classes
from seedbed.verdicts.questions.data_names import target_name, to_key
from seedbed.verdicts.questions.source_summary import SourceSummary, open_target, summarise_source
from seedbed.verdicts.questions.study_builder import (
    RANDOM,
    CommentedArm,
    StudyBuilder,
    one_source,
)

_NO_CONTROL = "; more than half of all classes, so that no control can drop as many others"


@dataclass(frozen=True)
class ExcludeTarget(Question):
    """What does it cost to pre-train without the target's own classes?"""

    def study(
        self,
        sources: Sequence[str],
        targets: Sequence[str],
        backbones: Sequence[str] = (),
        folder: Path = Path(),
    ) -> Study:
        summary = summarise_source(one_source("exclude-target", sources), folder)
        if not summary.not_opened and summary.hierarchy is None:
            summary.require_hierarchy("exclude-target")
        branch = None if targets else _branch(summary)
        extra_targets = {}
        if branch:
            name = to_key(branch.rsplit("/", 1)[-1])
            extra_targets = {
                f"{name}-classes": _call("source", recipe=_call("under", synsets=[branch]))
            }
            arms = _arms_without(
                name,
                _call("exclude", synsets=[branch]),
                f"the classes under {name!r}, which are a target",
                num_dropped=len(_leaves_under([branch], summary)),
                num_classes=len(summary.leaves),
            )
        else:
            arms = [arm for t in targets for arm in _arms_without_target(t, summary, folder)]
        return StudyBuilder(
            question="exclude-target",
            words="What does it cost to pre-train without the target's own classes?",
            reference="all",
            arms=[CommentedArm("all", "", "every class"), *arms, RANDOM],
            sources=sources,
            targets=targets,
            backbones=backbones,
            folder=folder,
            summary=summary,
            extra_targets=extra_targets,
        ).build()

    def answer(self, results: Results) -> list[Answer]:
        return answer_families(
            results, "exclude-target", lambda arm: name_with_classes(results, arm), with_controls
        )


def _arms_without_target(target: str, summary: SourceSummary, folder: Path) -> list[CommentedArm]:
    name = target_name(target, folder)
    recipe, dropped = _exclusion(target, name, summary, folder)
    return _arms_without(
        name,
        recipe,
        f"all classes of the source that {name} holds",
        num_dropped=len(dropped),
        num_classes=len(summary.leaves),
    )


def _arms_without(
    name: str, recipe: str, dropped: str, *, num_dropped: int, num_classes: int
) -> list[CommentedArm]:
    """The arm without some classes, and its control if enough classes stay to drop as many of
    them."""
    has_control = 2 * num_dropped <= num_classes
    comment = f"without {dropped}" + ("" if has_control else _NO_CONTROL)
    arm = CommentedArm(f"without-{name}", recipe, comment)
    if not has_control:
        return [arm]
    control = CommentedArm(
        f"like-{name}",
        _call("like", recipe=recipe),
        "as many classes dropped, of those that stay: its control",
    )
    return [arm, control]


def _exclusion(
    target: str, name: str, summary: SourceSummary, folder: Path
) -> tuple[str, frozenset[str]]:
    """The recipe that drops the target's classes, and these classes as far as they are known: by
    the target of the study, or by the built-in list that the target's name contains. Raises
    UsageError if nothing is known of the target's classes."""
    tree = summary.hierarchy
    opened = open_target(target, name, folder) if tree else None
    words = re.split(r"[^a-z0-9]+", name.lower())
    known = next((known for known in KNOWN_TARGETS if known in words), None)
    if tree and opened and (known is None or has_known_classes(opened, tree)):
        nodes = matching_nodes(opened, tree).values()
        dropped = _checked_leaves(name, nodes, opened.classes, summary)
        return _call("exclude", target=name), dropped
    if tree and known:
        classes = tuple(TARGET_CLASSES[known])
        dropped = _checked_leaves(name, KNOWN_TARGETS[known], classes, summary)
        return _call("exclude", target=known), dropped
    return _call("exclude", target=known or name), frozenset()


def _leaves_under(nodes: Iterable[str], summary: SourceSummary) -> frozenset[str]:
    """The classes of the source under these nodes."""
    if summary.hierarchy is None:
        return frozenset()
    return closure_of(nodes, summary.hierarchy) & set(summary.leaves)


def _checked_leaves(
    name: str, nodes: Iterable[str], classes: Sequence[str], summary: SourceSummary
) -> frozenset[str]:
    """The classes that are dropped; raises UsageError if there are none, or if fewer than two
    stay."""
    dropped = _leaves_under(nodes, summary)
    if not dropped and summary.hierarchy:
        raise no_match_error(name, classes, summary.hierarchy)
    if len(summary.leaves) - len(dropped) < 2:
        raise UsageError(
            f"target {name!r} holds {len(dropped)} of the source's {len(summary.leaves)} classes: "
            "nothing would be left to pre-train on",
            "Take a target that shares only a part of its classes with the source.",
        )
    return dropped


def _call(name: str, **settings: object) -> str:
    return str(Call(name=name, kwargs=settings))


def _branch(summary: SourceSummary) -> str:
    """The node of the hierarchy that holds nearest to a fifth of the classes."""
    tree, leaves = summary.hierarchy, summary.leaves
    if tree is None:
        raise UsageError(
            f"the source could not be opened ({summary.not_opened}), and no target is named",
            "Name one: --target DATA.",
        )
    nodes = sorted({node for leaf in leaves for node in tree.chain(leaf)[1:-1]})
    sizes = {node: len(tree.under(node, leaves)) for node in nodes}
    max_size = min(len(leaves) // 2, len(leaves) - 2)
    sizes = {node: size for node, size in sizes.items() if 2 <= size <= max_size}
    if not sizes:
        raise UsageError(
            "no branch of the source's hierarchy holds two classes or more, and at most half of "
            "them",
            "Name a target: --target DATA.",
        )
    return min(sizes, key=lambda node: (abs(sizes[node] - len(leaves) / 5), node))
