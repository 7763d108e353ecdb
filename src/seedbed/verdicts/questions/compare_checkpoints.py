"""compare-checkpoints: which of several existing weights is best for a target?

Each arm is one checkpoint, as it is; beside them stand a net that is trained here and one that is not trained at all. A checkpoint has no
seeds of pre-training: sentences speak of this checkpoint, never of its data. All take one input size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seedbed.trials.results import Results
from seedbed.verdicts.answer import Answer
from seedbed.verdicts.families import answer_families
from seedbed.verdicts.questions import Question
from seedbed.verdicts.questions.template import RANDOM, ArmLine, study_file

_HOW = (
    'existing weights are arms like these: mine = { weights = "runs/net" }, a folder that pretrain or transfer wrote; '
    'timm = { weights = "net.safetensors", backbone = "timm(\'resnet18\')" }'
)


@dataclass(frozen=True)
class CompareCheckpoints(Question):
    """Which of several existing weights is best for a target?"""

    def study(self, sources: Sequence[str], targets: Sequence[str], backbones: Sequence[str] = ()) -> str:
        arms = (ArmLine("fresh", "", _HOW), ArmLine("few", "images(fraction=0.25)"), RANDOM)
        words = "Which of several existing weights is best for the target? Add them under [arms]."
        return study_file("compare-checkpoints", words, "fresh", arms, sources, targets, backbones=backbones)

    def answer(self, results: Results) -> list[Answer]:
        return answer_families(results, "compare-checkpoints")
