"""compare-checkpoints: which of several existing weights is best for a target?

Each arm is one checkpoint, as it is; beside them stand a net that is trained here and one that is
not trained at all. A checkpoint has no seeds of pre-training: sentences speak of this checkpoint,
never of its data. All take one input size.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from seedbed.trials.results import Results
from seedbed.trials.study import Study
from seedbed.verdicts.answer import Answer
from seedbed.verdicts.families import answer_families
from seedbed.verdicts.pairs import Pair, with_reference
from seedbed.verdicts.questions import Question
from seedbed.verdicts.questions.study_template import RANDOM, ArmLine, StudyFile

_HOW = (
    "Existing weights are arms like these; take out the # and say where yours are:",
    '  mine   = { weights = "runs/net" }   # a folder that seedbed pretrain or transfer wrote',
    '  resnet = { weights = "net.safetensors", backbone = "timm(\'resnet18\')" }',
    "All are measured at the size_px of [source]: give the size that they were trained at (seedbed pack takes 64 px where none is said).",
)


@dataclass(frozen=True)
class CompareCheckpoints(Question):
    """Which of several existing weights is best for a target?"""

    def study(
        self, sources: Sequence[str], targets: Sequence[str], backbones: Sequence[str] = ()
    ) -> str:
        arms = (
            ArmLine("fresh", "", "a net trained here"),
            ArmLine("few", "images(fraction=0.25)", "on a quarter of the images"),
            RANDOM,
        )
        words = "Which of several existing weights is best for the target? Add them under [arms]."
        return StudyFile(
            "compare-checkpoints",
            words,
            "fresh",
            arms,
            sources,
            targets,
            backbones=backbones,
            remarks=_HOW,
        ).text()

    def answer(self, results: Results) -> list[Answer]:
        return answer_families(results, "compare-checkpoints", pairing=_pairs)


def _pairs(study: Study, target: str) -> list[Pair]:
    """Every arm with the net that is trained here, and the checkpoints with each other."""
    checkpoints = [arm for arm, spec in study.arms.items() if spec.is_checkpoint]
    return [
        *with_reference(study),
        *(
            Pair(a, b)
            for b, a in itertools.combinations(checkpoints, 2)
            if study.reference not in (a, b)
        ),
    ]
