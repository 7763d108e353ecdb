"""contrasts: every arm against the reference, and a recipe against its random control. The question
of a study that names none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seedbed.trials.results import Results
from seedbed.trials.study import Study
from seedbed.verdicts.answer import Answer
from seedbed.verdicts.families import answer_families
from seedbed.verdicts.pairs import Pair, control_pairs, with_reference
from seedbed.verdicts.questions import Question
from seedbed.verdicts.questions.study_template import RANDOM, ArmLine, StudyFile

_ARMS = (
    ArmLine("all", "", "every image, every class"),
    ArmLine("half", "images(fraction=0.5)"),
    RANDOM,
)


@dataclass(frozen=True)
class Contrasts(Question):
    """Every arm against the reference: is it worse, better or equivalent, and by how much?"""

    def study(
        self, sources: Sequence[str], targets: Sequence[str], backbones: Sequence[str] = ()
    ) -> str:
        return StudyFile(
            "contrasts",
            "Which arms differ from the reference?",
            "all",
            _ARMS,
            sources,
            targets,
            backbones=backbones,
        ).text()

    def answer(self, results: Results) -> list[Answer]:
        return answer_families(results, "contrasts", pairing=_pairs)


def _pairs(study: Study, target: str) -> list[Pair]:
    pairs = with_reference(study)
    return pairs + [
        pair
        for pair in control_pairs(study)
        if pair not in pairs and Pair(pair.reference, pair.arm) not in pairs
    ]
