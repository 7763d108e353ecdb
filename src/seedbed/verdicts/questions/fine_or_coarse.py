"""fine-or-coarse: does a network that is trained on coarse labels learn features for fine ones?
(Huh, Agrawal, Efros 2016, section 3.3.)

The same images with coarser labels. Measured on the target, and on the fine labels of the source
that the coarse ones merge: induction, by nearest neighbours in the space of the codes. It is
compared with the network that was trained on all fine labels, with chance, and with the guess
within the right coarse class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seedbed.trials.results import Results
from seedbed.trials.study import Study
from seedbed.verdicts.answer import Answer
from seedbed.verdicts.families import answer_families
from seedbed.verdicts.pairs import with_controls
from seedbed.verdicts.questions import Question
from seedbed.verdicts.questions.arm_names import name_with_classes
from seedbed.verdicts.questions.source_summary import summarise_source
from seedbed.verdicts.questions.study_builder import (
    LABEL_SET_METHODS,
    RANDOM,
    CommentedArm,
    StudyBuilder,
    one_source,
)


@dataclass(frozen=True)
class FineOrCoarse(Question):
    """Do coarse labels on the same images teach features for fine classes?"""

    def study(
        self,
        sources: Sequence[str],
        targets: Sequence[str],
        backbones: Sequence[str] = (),
        folder: Path = Path(),
    ) -> Study:
        summary = summarise_source(one_source("fine-or-coarse", sources), folder)
        summary.require_hierarchy("fine-or-coarse")
        depths = summary.depths_near((0.35, 0.1))
        coarse = [
            CommentedArm(f"coarse{num}", f"bottom_up(depth={depth})", f"{num} classes")
            for depth, num in depths.items()
        ]
        arms = [CommentedArm("fine", "", "every leaf class"), *coarse, RANDOM]
        return StudyBuilder(
            question="fine-or-coarse",
            words="Do coarse labels on the same images teach features for fine classes?",
            reference="fine",
            arms=arms,
            sources=sources,
            targets=targets,
            backbones=backbones,
            folder=folder,
            summary=summary,
            methods=LABEL_SET_METHODS,
            fine_labels=True,
        ).build()

    def answer(self, results: Results) -> list[Answer]:
        return answer_families(
            results, "fine-or-coarse", lambda arm: name_with_classes(results, arm), with_controls
        )
