"""contrasts: every arm against the reference, and a recipe against its random control; the default
of a study that names no question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seedbed.trials.results import Results
from seedbed.trials.study import Study
from seedbed.verdicts.answer import Answer
from seedbed.verdicts.families import answer_families
from seedbed.verdicts.pairs import Pair, control_pairs, with_reference
from seedbed.verdicts.questions import Question
from seedbed.verdicts.questions.study_builder import RANDOM, CommentedArm, StudyBuilder

_ARMS = (
    CommentedArm("all", "", "every image, every class"),
    CommentedArm("half", "images(fraction=0.5)"),
    RANDOM,
)


@dataclass(frozen=True)
class Contrasts(Question):
    """Every arm against the reference: is it worse, better or equivalent, and by how much?"""

    def study(
        self,
        sources: Sequence[str],
        targets: Sequence[str],
        backbones: Sequence[str] = (),
        folder: Path = Path(),
    ) -> Study:
        return StudyBuilder(
            question="contrasts",
            words="Which arms differ from the reference?",
            reference="all",
            arms=_ARMS,
            sources=sources,
            targets=targets,
            backbones=backbones,
            folder=folder,
        ).build()

    def answer(self, results: Results) -> list[Answer]:
        return answer_families(results, "contrasts", pairing=_pairs)


def _pairs(study: Study, target: str) -> list[Pair]:
    pairs = with_reference(study)
    return pairs + [
        pair
        for pair in control_pairs(study)
        if pair not in pairs and Pair(pair.reference, pair.arm) not in pairs
    ]
