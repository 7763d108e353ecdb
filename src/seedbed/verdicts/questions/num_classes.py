"""num-classes: what fewer, coarser classes cost on a target (Huh, Agrawal, Efros 2016, section
3.2).

The same images under coarser label sets of the hierarchy: bottom-up at several depths, and one
top-down round. Merged classes differ in size, so that fewer classes come with imbalance: beside
each label set is a random merging with the same sizes.
"""

from __future__ import annotations

from dataclasses import dataclass

from seedbed.data.recipes import Recipe, relabelled_leaves
from seedbed.verdicts.questions.arms_question import FittedArmsQuestion
from seedbed.verdicts.questions.source_summary import SourceSummary
from seedbed.verdicts.questions.study_builder import (
    LABEL_SET_METHODS,
    RANDOM,
    CommentedArm,
)

_SHARES = (0.7, 0.35, 0.1)  # of the classes


@dataclass(frozen=True)
class NumClasses(FittedArmsQuestion):
    """What do fewer, coarser classes cost on the target?"""

    name = "num-classes"
    words = "What do fewer, coarser classes cost on the target?"
    reference = "all"
    methods = LABEL_SET_METHODS
    needs_hierarchy = True
    fine_labels = True

    def fitted_arms(self, source: SourceSummary) -> list[CommentedArm]:
        """Label sets at several depths, a top-down one, and a random merging for each depth."""
        depths = source.depths_near(_SHARES)
        coarse = [
            CommentedArm(f"classes{num}", f"bottom_up(depth={depth})", f"{num} classes")
            for depth, num in depths.items()
        ]
        controls = [
            CommentedArm(
                f"like{num}",
                f"like(recipe='bottom_up(depth={depth})')",
                f"random merging, the control of classes{num}",
            )
            for depth, num in depths.items()
        ]
        top_down = _top_down(source, set(depths.values()))
        return [CommentedArm("all", "", "every leaf class"), *coarse, *top_down, *controls, RANDOM]


def _top_down(summary: SourceSummary, others: set[int]) -> list[CommentedArm]:
    """One top-down round, if it leaves two or more classes and another number of classes than the
    bottom-up sets."""
    recipe = "top_down(rounds=1)"
    if summary.hierarchy is None:
        return [CommentedArm("top-down", recipe)]
    class_of = relabelled_leaves(summary.leaves, summary.hierarchy, Recipe(recipe), 0)
    num = len({label for label in class_of.values() if label is not None})
    if num < 2 or num in others:
        return []
    return [CommentedArm("top-down", recipe, f"{num} classes")]
