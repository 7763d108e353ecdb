"""compare-checkpoints: which of several existing weights is best for a target?

Each arm is one checkpoint as it is, beside a network that is trained here and one with random
weights. A checkpoint has no seeds of pre-training: sentences are about this checkpoint, not about
its data. All have one input size.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from types import MappingProxyType

from seedbed.trials.results import Results
from seedbed.trials.study import Study
from seedbed.verdicts.pairs import Pair, with_reference
from seedbed.verdicts.questions.arms_question import ArmsQuestion
from seedbed.verdicts.questions.study_builder import RANDOM, CommentedArm

_HOW_TO_ADD = """\
Existing weights are arms like these; remove the # and say where yours are:
  mine   = { weights = "runs/net" }   # a folder that seedbed pretrain or transfer wrote
  resnet = { weights = "net.safetensors", backbone = "timm('resnet18')" }
All are measured at the size_px of [source]: give the size at which they were trained (seedbed pack
packs at 64 px by default)."""


@dataclass(frozen=True)
class CompareCheckpoints(ArmsQuestion):
    """Which of several existing weights is best for a target?"""

    name = "compare-checkpoints"
    words = "Which of several existing weights is best for the target? Add them under [arms]."
    reference = "fresh"
    arms = (
        CommentedArm("fresh", "", "a network trained here"),
        CommentedArm("few", "images(fraction=0.25)", "on a quarter of the images"),
        RANDOM,
    )
    comments = MappingProxyType({"arms": _HOW_TO_ADD})

    def describe(self, results: Results, arm: str) -> str | None:
        return None

    def pairs(self, study: Study, target: str) -> list[Pair]:
        """Every arm with the network that is trained here, and the checkpoints with each other."""
        checkpoints = [arm for arm, spec in study.arms.items() if spec.is_checkpoint]
        return [
            *with_reference(study),
            *(
                Pair(a, b)
                for b, a in itertools.combinations(checkpoints, 2)
                if study.reference not in (a, b)
            ),
        ]
