"""classes-or-examples: for a budget of images, more classes or more examples of each? (Huh,
Agrawal, Efros 2016, section 3.4.)

Three budgets, each spent in two ways: over all classes, and over the fewest classes that hold it.
The two ways of one budget are compared with each other.
"""

from __future__ import annotations

from dataclasses import dataclass

from seedbed.base.errors import UsageError
from seedbed.trials.study import Study
from seedbed.verdicts.pairs import Pair, counterpart, with_matching_reference
from seedbed.verdicts.questions.arms_question import FittedArmsQuestion
from seedbed.verdicts.questions.source_summary import SourceSummary
from seedbed.verdicts.questions.study_builder import RANDOM, CommentedArm

_SHARES = (2, 4, 8)  # the budgets are a half, a quarter and an eighth of the images
_MIN_PER_CLASS = 2  # images of a class, if a budget is spread over all classes


@dataclass(frozen=True)
class ClassesOrExamples(FittedArmsQuestion):
    """For the same number of images, are more classes better or more examples of each?"""

    name = "classes-or-examples"
    words = "For the same number of images, are more classes better, or more examples of each?"
    reference = "all"

    def fitted_arms(self, source: SourceSummary) -> list[CommentedArm]:
        """Two arms for each budget that fits the source; raises UsageError if none does."""
        num_classes = len(source.leaves)
        shares = [
            share
            for share in _SHARES
            if source.num_images // share >= _MIN_PER_CLASS * num_classes
            and _is_choice(source, share)
        ]
        if not shares:
            raise UsageError(
                f"{source.num_images:,} images of {num_classes} classes are too few for the "
                "question 'classes-or-examples'",
                f"Half of them must be at least {_MIN_PER_CLASS} images a class, and fit into "
                "fewer classes than there are.",
            )
        arms = [CommentedArm("all", "", "every image of every class")]
        for share in shares:
            budget = f"images={source.num_images // share:_}"
            arms += [
                CommentedArm(
                    f"classes{share}",
                    f"budget({budget}, favour='classes')",
                    f"1/{share} of the images, all classes",
                ),
                CommentedArm(
                    f"examples{share}",
                    f"budget({budget}, favour='examples')",
                    "as many, few classes",
                ),
            ]
        return [*arms, RANDOM]

    def pairs(self, study: Study, target: str) -> list[Pair]:
        """More examples against more classes at each budget; more classes against everything."""
        ways = [
            Pair(arm, other) for arm in study.arms if (other := _other_way(study, arm)) is not None
        ]
        few = {pair.arm for pair in ways}
        return ways + [
            pair for pair in with_matching_reference(study, target) if pair.arm not in few
        ]


def _other_way(study: Study, arm: str) -> str | None:
    """The arm that spends as many images on more classes, of one that spends them on examples."""
    recipe = study.arms[arm].recipe.over_more_classes
    return None if recipe is None else counterpart(study, arm, recipe)


def _is_choice(summary: SourceSummary, share: int) -> bool:
    """Whether fewer classes than all can hold that part of the images, whichever classes are drawn:
    only then the two ways differ."""
    budget = summary.num_images // share
    num_held = 0
    for num_classes, size in enumerate(sorted(summary.sizes), start=1):
        num_held += size
        if num_held >= budget:
            return max(2, num_classes) < len(summary.sizes)
    return False
