"""contrasts: every arm against the reference, and a recipe against its random control; the default
of a study that names no question.
"""

from __future__ import annotations

from dataclasses import dataclass

from seedbed.trials.results import Results
from seedbed.trials.study import Study
from seedbed.verdicts.pairs import Pair, control_pairs, with_reference
from seedbed.verdicts.questions.arms_question import ArmsQuestion
from seedbed.verdicts.questions.study_builder import RANDOM, CommentedArm

_ARMS = (
    CommentedArm("all", "", "every image, every class"),
    CommentedArm("half", "images(fraction=0.5)"),
    RANDOM,
)


@dataclass(frozen=True)
class Contrasts(ArmsQuestion):
    """Every arm against the reference: is it worse, better or equivalent, and by how much?"""

    name = "contrasts"
    words = "Which arms differ from the reference?"
    reference = "all"
    arms = _ARMS

    def describe(self, results: Results, arm: str) -> str | None:
        return None

    def pairs(self, study: Study, target: str) -> list[Pair]:
        pairs = with_reference(study)
        return pairs + [
            pair
            for pair in control_pairs(study)
            if pair not in pairs and Pair(pair.reference, pair.arm) not in pairs
        ]
