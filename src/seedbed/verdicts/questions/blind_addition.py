"""blind-addition: a second, unrelated source is added to the first: can more data hurt a target?

The first source alone, and both together at the same compute (images seen); then the first alone
for its share of the compute, so that each of its images is seen as often as in the joint training
(equal exposure). The second alone shows what it is worth by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seedbed.base.errors import UsageError
from seedbed.trials.results import Results
from seedbed.trials.study import Study
from seedbed.verdicts.answer import Answer
from seedbed.verdicts.families import answer_families
from seedbed.verdicts.pairs import Pair, by_settings, with_matching_reference
from seedbed.verdicts.questions import Question
from seedbed.verdicts.questions.arm_names import with_classes
from seedbed.verdicts.questions.source_summary import look
from seedbed.verdicts.questions.study_template import (
    EMBEDDED_SOURCE,
    RANDOM,
    ArmLine,
    StudyFile,
    rounded_share,
)

_EMBEDDED_SECOND = "digits()"
UNSEEN_SIZE = "{} could not be looked at ({}): as if it had 100,000 images; fit the budget_share of first-short to what it has"
_EMBEDDED_TARGET = "toy(per_class=50, test_per_class=20, seed=1)"


@dataclass(frozen=True)
class BlindAddition(Question):
    """Can adding a second, unrelated source hurt on the target?"""

    def study(
        self, sources: Sequence[str], targets: Sequence[str], backbones: Sequence[str] = ()
    ) -> str:
        if len(sources) == 1 or len(sources) > 2:
            raise UsageError(
                f"the question 'blind-addition' takes two sources, not {len(sources)}",
                "Give --source twice: the first, and what is added to it.",
            )
        named = sources or (EMBEDDED_SOURCE, _EMBEDDED_SECOND)
        if named[0] == named[1]:
            raise UsageError(
                f"{named[0]} would be added to itself", "Name another source as the second."
            )
        facts = [look(source) for source in named]
        sizes = [f.num_images for f in facts]
        if not all(sizes):
            empty = named[sizes.index(0)]
            raise UsageError(
                f"{empty} has no class of which a training image would be left",
                "A class needs two images at least.",
            )
        unseen = [
            UNSEEN_SIZE.format(source, f.unseen)
            for source, f in zip(named, facts, strict=True)
            if f.unseen
        ]
        share = sizes[0] / sum(sizes)
        arms = [
            ArmLine("first", "only(source='first')", "the first source alone"),
            ArmLine(
                "both",
                "",
                "both sources at the same compute; compared with first, and with first-short",
            ),
            ArmLine(
                "first-short",
                "only(source='first')",
                "the first alone, for its share of the budget: each of its images as often as in both",
                {"budget_share": rounded_share(share)},
            ),
            ArmLine("second", "only(source='second')", "what is added, alone"),
            RANDOM,
        ]
        words = "Can adding a second, unrelated source hurt on the target?"
        return StudyFile(
            "blind-addition",
            words,
            "first",
            arms,
            sources,
            targets or ([] if sources else [_EMBEDDED_TARGET]),
            backbones=backbones,
            table=dict(zip(("first", "second"), named, strict=True)),
            remarks=unseen,
        ).text()

    def answer(self, results: Results) -> list[Answer]:
        return answer_families(
            results, "blind-addition", lambda arm: with_classes(results, arm), _pairs
        )


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
    for arms in by_settings(study):
        both = [arm for arm in arms if study.arms[arm].trains and study.arms[arm].recipe.is_empty]
        pairs += [Pair(b, s) for b in both for s in arms if s in short]
    return pairs
