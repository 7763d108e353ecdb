"""fine-or-coarse: does a network that is trained on coarse labels learn features for fine ones?
(Huh, Agrawal, Efros 2016, section 3.3.)

The same images with coarser labels. Measured on the target, and on the fine labels of the source
that the coarse ones merge: induction, by nearest neighbours in the space of the codes. It is
compared with the network that was trained on all fine labels, with chance, and with the guess
within the right coarse class.
"""

from __future__ import annotations

from dataclasses import dataclass

from seedbed.verdicts.questions.arms_question import FittedArmsQuestion
from seedbed.verdicts.questions.source_summary import SourceSummary
from seedbed.verdicts.questions.study_builder import (
    LABEL_SET_METHODS,
    RANDOM,
    CommentedArm,
)


@dataclass(frozen=True)
class FineOrCoarse(FittedArmsQuestion):
    """Do coarse labels on the same images teach features for fine classes?"""

    name = "fine-or-coarse"
    words = "Do coarse labels on the same images teach features for fine classes?"
    reference = "fine"
    methods = LABEL_SET_METHODS
    needs_hierarchy = True
    fine_labels = True

    def fitted_arms(self, source: SourceSummary) -> list[CommentedArm]:
        coarse = [
            CommentedArm(f"coarse{num}", f"bottom_up(depth={depth})", f"{num} classes")
            for depth, num in source.depths_near((0.35, 0.1)).items()
        ]
        return [CommentedArm("fine", "", "every leaf class"), *coarse, RANDOM]
