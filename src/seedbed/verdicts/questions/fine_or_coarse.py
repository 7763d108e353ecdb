"""fine-or-coarse: does a net that is trained on coarse labels learn features for fine ones? (Huh,
Agrawal, Efros 2016, section 3.3.)

The same images, coarser labels. On the target, and on the fine labels of the source that the coarse
ones do not tell apart: induction, by nearest neighbours in the space of the codes, against the net
    that was trained on all fine labels, chance, and the guess within the coarse
class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seedbed.trials.results import Results
from seedbed.verdicts.answer import Answer
from seedbed.verdicts.families import answer_families
from seedbed.verdicts.pairs import with_controls
from seedbed.verdicts.questions import Question
from seedbed.verdicts.questions.arm_names import with_classes
from seedbed.verdicts.questions.source_summary import look
from seedbed.verdicts.questions.study_template import (
    LABEL_SET_METHODS,
    RANDOM,
    ArmLine,
    StudyFile,
    one_source,
)


@dataclass(frozen=True)
class FineOrCoarse(Question):
    """Do coarse labels on the same images teach features for fine classes?"""

    def study(
        self, sources: Sequence[str], targets: Sequence[str], backbones: Sequence[str] = ()
    ) -> str:
        facts = look(one_source("fine-or-coarse", sources))
        facts.need_hierarchy("fine-or-coarse")
        depths = facts.depths_near((0.35, 0.1))
        coarse = [
            ArmLine(f"coarse{num}", f"bottom_up(depth={depth})", f"{num} classes")
            for depth, num in depths.items()
        ]
        arms = [ArmLine("fine", "", "every leaf class"), *coarse, RANDOM]
        words = "Do coarse labels on the same images teach features for fine classes?"
        return StudyFile(
            "fine-or-coarse",
            words,
            "fine",
            arms,
            sources,
            targets,
            backbones=backbones,
            facts=facts,
            methods=LABEL_SET_METHODS,
            fine_labels=True,
        ).text()

    def answer(self, results: Results) -> list[Answer]:
        return answer_families(
            results, "fine-or-coarse", lambda arm: with_classes(results, arm), with_controls
        )
