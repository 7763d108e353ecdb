"""blind-addition: can adding a second, unrelated source hurt on a target?

The first source alone and both together at the same compute (images seen). The first alone again,
for its share of the compute, so that each of its images is seen as often as in the joint training
(equal exposure). The second alone shows what it is worth by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seedbed.base.errors import UsageError
from seedbed.trials.results import Results
from seedbed.trials.study import Study
from seedbed.verdicts.answer import Answer
from seedbed.verdicts.families import answer_families
from seedbed.verdicts.pairs import Pair, group_by_settings, with_matching_reference
from seedbed.verdicts.questions import Question
from seedbed.verdicts.questions.arm_names import name_with_classes
from seedbed.verdicts.questions.source_summary import summarise_source
from seedbed.verdicts.questions.study_builder import (
    EMBEDDED_SOURCE,
    RANDOM,
    CommentedArm,
    StudyBuilder,
    rounded_share,
)

_EMBEDDED_SECOND = "digits()"
_ASSUMED_SIZE = (
    "{} could not be opened ({}): the study assumes that it has 100,000 images; adapt the "
    "budget_share of first-short to its size"
)
_EMBEDDED_TARGET = "toy(per_class=50, test_per_class=20, seed=1)"


@dataclass(frozen=True)
class BlindAddition(Question):
    """Can adding a second, unrelated source hurt on the target?"""

    def study(
        self,
        sources: Sequence[str],
        targets: Sequence[str],
        backbones: Sequence[str] = (),
        folder: Path = Path(),
    ) -> Study:
        first, second = _two_sources(sources)
        summaries = {name: summarise_source(name, folder) for name in (first, second)}
        sizes = {name: summary.num_images for name, summary in summaries.items()}
        if empty := [name for name, size in sizes.items() if size == 0]:
            raise UsageError(
                f"{empty[0]} has no class of which a training image would be left",
                "A class needs two images at least.",
            )
        assumed = [
            _ASSUMED_SIZE.format(name, summary.not_opened)
            for name, summary in summaries.items()
            if summary.not_opened
        ]
        return StudyBuilder(
            question="blind-addition",
            words="Can adding a second, unrelated source hurt on the target?",
            reference="first",
            arms=_arms(share=sizes[first] / sum(sizes.values())),
            sources=sources,
            targets=targets or ([] if sources else [_EMBEDDED_TARGET]),
            backbones=backbones,
            folder=folder,
            named_sources={"first": first, "second": second},
            comments={"arms": "\n".join(assumed)},
        ).build()

    def answer(self, results: Results) -> list[Answer]:
        return answer_families(
            results, "blind-addition", lambda arm: name_with_classes(results, arm), _pairs
        )


def _two_sources(sources: Sequence[str]) -> tuple[str, str]:
    """The two sources, the embedded ones if there are none; raises UsageError for another
    number."""
    if len(sources) not in (0, 2):
        raise UsageError(
            f"the question 'blind-addition' takes two sources, not {len(sources)}",
            "Give --source twice: the first, and what is added to it.",
        )
    first, second = sources or (EMBEDDED_SOURCE, _EMBEDDED_SECOND)
    if first == second:
        raise UsageError(f"{first} would be added to itself", "Name another source as the second.")
    return first, second


def _arms(share: float) -> list[CommentedArm]:
    """The arms; `share` is the first source's share of the images."""
    return [
        CommentedArm("first", "only(source='first')", "the first source alone"),
        CommentedArm(
            "both",
            "",
            "both sources at the same compute; compared with first, and with first-short",
        ),
        CommentedArm(
            "first-short",
            "only(source='first')",
            "the first alone, for its share of the budget: each of its images as often as in both",
            {"budget_share": rounded_share(share)},
        ),
        CommentedArm("second", "only(source='second')", "the added source alone"),
        RANDOM,
    ]


def _pairs(study: Study, target: str) -> list[Pair]:
    """Every arm against the first source alone, of the same network; both, also against the first
    at equal exposure."""
    recipe = study.arms[study.reference].recipe
    short = [
        arm
        for arm, spec in study.arms.items()
        if spec.recipe == recipe and spec.trains and spec.overrides_budgets
    ]
    pairs = [pair for pair in with_matching_reference(study, target) if pair.arm not in short]
    for arms in group_by_settings(study):
        both = [arm for arm in arms if study.arms[arm].trains and study.arms[arm].recipe.is_empty]
        pairs += [Pair(b, s) for b in both for s in arms if s in short]
    return pairs
