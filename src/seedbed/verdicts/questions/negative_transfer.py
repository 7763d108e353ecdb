"""negative-transfer: is there a source that is worse than none?

Pre-trained arms against training from scratch on the target, equally tuned: the same fine-tuning
with the same learning rates, from random weights; and again with twice the budget, as training from
scratch usually takes longer. An arm that is worse than scratch shows negative transfer.
"""

from __future__ import annotations

from dataclasses import dataclass

from seedbed.trials.study import Study
from seedbed.verdicts.pairs import Pair, group_by_settings
from seedbed.verdicts.questions.arms_question import ArmsQuestion
from seedbed.verdicts.questions.study_builder import CommentedArm, Method

_ARMS = (
    CommentedArm("scratch", "", "from random weights, equally tuned", {"init": "random"}),
    CommentedArm("all", "", "every image, every class"),
    CommentedArm("few", "images(fraction=0.05)", "a twentieth of the images"),
    CommentedArm(
        "noise",
        "shuffle_labels(fraction=1.0)",
        "random labels: what a useless source does",
    ),
)
_METHODS = (
    Method(
        "finetune",
        "finetune(images_seen=50_000)",
        "the learning rate is chosen on validation, the same grid for all",
    ),
    Method("finetune-long", "finetune(images_seen=100_000)", "twice as long"),
)


@dataclass(frozen=True)
class NegativeTransfer(ArmsQuestion):
    """Is pre-training worse than training from scratch, equally tuned, on the target?"""

    name = "negative-transfer"
    words = "Is pre-training worse than training from scratch, equally tuned, on the target?"
    reference = "scratch"
    arms = _ARMS
    methods = _METHODS

    def pairs(self, study: Study, target: str) -> list[Pair]:
        """Every pre-trained arm with training from scratch of the same network."""
        pairs = []
        for arms in group_by_settings(study):
            scratch = next(
                (arm for arm in arms if study.arms[arm].init == "random"), study.reference
            )
            pairs += [Pair(arm, scratch) for arm in arms if study.arms[arm].init != "random"]
        return pairs
