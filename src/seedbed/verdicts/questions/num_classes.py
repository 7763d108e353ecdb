"""num-classes: what fewer, coarser classes cost on a target (Huh, Agrawal, Efros 2016, section
3.2).

The same images under coarser label sets of the hierarchy: bottom-up at several depths, and one
top-down round. Merged classes are of unlike
size, so that fewer classes and imbalance are confounded: beside each label set stands a random
    merging with the same sizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seedbed.data.recipes import Recipe, relabelled_leaves
from seedbed.trials.results import Results
from seedbed.verdicts.answer import Answer
from seedbed.verdicts.families import answer_families
from seedbed.verdicts.pairs import with_controls
from seedbed.verdicts.questions import Question
from seedbed.verdicts.questions.arm_names import with_classes
from seedbed.verdicts.questions.source_summary import Facts, look
from seedbed.verdicts.questions.study_template import (
    LABEL_SET_METHODS,
    RANDOM,
    ArmLine,
    StudyFile,
    one_source,
)

_SHARES = (0.7, 0.35, 0.1)  # of the classes


@dataclass(frozen=True)
class NumClasses(Question):
    """What do fewer, coarser classes cost on the target?"""

    def study(
        self, sources: Sequence[str], targets: Sequence[str], backbones: Sequence[str] = ()
    ) -> str:
        facts = look(one_source("num-classes", sources))
        facts.need_hierarchy("num-classes")
        depths = facts.depths_near(_SHARES)
        arms = [ArmLine("all", "", "every leaf class")]
        arms += [
            ArmLine(f"classes{num}", f"bottom_up(depth={depth})", f"{num} classes")
            for depth, num in depths.items()
        ]
        arms += _top_down(facts, set(depths.values()))
        arms += [
            ArmLine(
                f"like{num}",
                f"like(recipe='bottom_up(depth={depth})')",
                f"random merging, the control of classes{num}",
            )
            for depth, num in depths.items()
        ]
        words = "What do fewer, coarser classes cost on the target?"
        return StudyFile(
            "num-classes",
            words,
            "all",
            [*arms, RANDOM],
            sources,
            targets,
            backbones=backbones,
            facts=facts,
            methods=LABEL_SET_METHODS,
            fine_labels=True,
        ).text()

    def answer(self, results: Results) -> list[Answer]:
        return answer_families(
            results, "num-classes", lambda arm: with_classes(results, arm), with_controls
        )


def _top_down(facts: Facts, others: set[int]) -> list[ArmLine]:
    """One top-down round, where it leaves classes enough and another number of them than the
    bottom-up sets."""
    left = (
        relabelled_leaves(facts.leaves, facts.hierarchy, Recipe("top_down(rounds=1)"), 0)
        if facts.hierarchy
        else {}
    )
    num = len({c for c in left.values() if c is not None})
    if facts.hierarchy is not None and (num < 2 or num in others):
        return []
    return [ArmLine("top-down", "top_down(rounds=1)", f"{num} classes" if num else "")]
