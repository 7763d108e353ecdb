"""classes-or-examples: for a budget of images, more classes or more examples of each? (Huh,
Agrawal, Efros 2016, section 3.4.)

Three budgets, each spent both ways: over all classes, and over the fewest classes that hold it. The
two of one budget are compared with each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seedbed.base.errors import UsageError
from seedbed.trials.results import Results
from seedbed.trials.study import Study
from seedbed.verdicts.answer import Answer
from seedbed.verdicts.families import answer_families
from seedbed.verdicts.pairs import Pair, counterpart, with_matching_reference
from seedbed.verdicts.questions import Question
from seedbed.verdicts.questions.arm_names import with_classes
from seedbed.verdicts.questions.source_summary import Facts, look
from seedbed.verdicts.questions.study_template import RANDOM, ArmLine, StudyFile, one_source

_SHARES = (2, 4, 8)  # the budgets are a half, a quarter and an eighth of the images
_LEAST = 2  # images of a class, where a budget is spread over all of them


@dataclass(frozen=True)
class ClassesOrExamples(Question):
    """For the same number of images, are more classes better or more examples of each?"""

    def study(
        self, sources: Sequence[str], targets: Sequence[str], backbones: Sequence[str] = ()
    ) -> str:
        facts = look(one_source("classes-or-examples", sources))
        arms = [ArmLine("all", "", "every image of every class")]
        fitting = [
            share
            for share in _SHARES
            if facts.num_images // share >= _LEAST * len(facts.leaves) and _is_choice(facts, share)
        ]
        if not fitting:
            raise UsageError(
                f"{facts.num_images:,} images of {len(facts.leaves)} classes are too few for the question 'classes-or-examples'",
                f"Half of them must be {_LEAST} images a class at least, and fit into fewer classes than there are.",
            )
        for share in fitting:
            budget = f"images={facts.num_images // share:_}"
            arms += [
                ArmLine(
                    f"classes{share}",
                    f"budget({budget}, favour='classes')",
                    f"1/{share} of the images, all classes",
                ),
                ArmLine(
                    f"examples{share}",
                    f"budget({budget}, favour='examples')",
                    "as many, few classes",
                ),
            ]
        words = "For the same number of images, are more classes better, or more examples of each?"
        return StudyFile(
            "classes-or-examples",
            words,
            "all",
            [*arms, RANDOM],
            sources,
            targets,
            backbones=backbones,
            facts=facts,
        ).text()

    def answer(self, results: Results) -> list[Answer]:
        return answer_families(
            results, "classes-or-examples", lambda arm: with_classes(results, arm), _pairs
        )


def _pairs(study: Study, target: str) -> list[Pair]:
    """More examples against more classes at each budget; and more classes against everything."""
    ways = [Pair(arm, other) for arm in study.arms if (other := _other_way(study, arm)) is not None]
    few = {pair.arm for pair in ways}
    return ways + [pair for pair in with_matching_reference(study, target) if pair.arm not in few]


def _other_way(study: Study, arm: str) -> str | None:
    """The arm that spends as many images on more classes, of one that spends them on examples."""
    recipe = study.arms[arm].recipe.over_more_classes
    return None if recipe is None else counterpart(study, arm, recipe)


def _is_choice(facts: Facts, share: int) -> bool:
    """Whether fewer classes than all can hold that part of the images: then the two ways differ."""
    held = 0
    # the smallest first: whichever classes are drawn
    for num, size in enumerate(sorted(facts.sizes), start=1):
        held += size
        if held >= facts.num_images // share:
            return max(2, num) < len(facts.sizes)
    return False
