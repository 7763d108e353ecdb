"""label-noise: what wrong labels in the source cost on a target.

The labels of a share of the training images are permuted among these images, differently for each
seed: class sizes and images stay the same. Beside such an arm is one with as many images as keep
their label in it, drawn by themselves and all rightly labelled: it shows whether wrong labels harm,
or are only wasted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from seedbed.trials.results import Results
from seedbed.trials.study import Study
from seedbed.verdicts.pairs import Pair, settings_of, with_controls
from seedbed.verdicts.questions.arms_question import ArmsQuestion
from seedbed.verdicts.questions.study_builder import RANDOM, CommentedArm

_ARMS = (
    CommentedArm("clean", "", "every label as it is"),
    CommentedArm("noisy10", "shuffle_labels(fraction=0.1)"),
    CommentedArm("noisy30", "shuffle_labels(fraction=0.3)"),
    CommentedArm("noisy60", "shuffle_labels(fraction=0.6)"),
    CommentedArm(
        "less30",
        "images(fraction=0.7)",
        "as many images as keep their label in noisy30; compared with it: are wrong labels worse "
        "than none?",
    ),
    CommentedArm("less60", "images(fraction=0.4)", "the same for noisy60"),
    RANDOM,
)


@dataclass(frozen=True)
class LabelNoise(ArmsQuestion):
    """What do wrong labels in the source cost on the target?"""

    name = "label-noise"
    words = "What do wrong labels in the source cost on the target?"
    reference = "clean"
    arms = _ARMS

    def describe(self, results: Results, arm: str) -> str | None:
        return None

    def pairs(self, study: Study, target: str) -> list[Pair]:
        """Every arm with the clean one, and each noisy arm with as many clean images as it has."""
        noisy = {
            arm: share
            for arm, spec in study.arms.items()
            if (share := spec.recipe.shuffled_share) is not None
        }
        clean = [
            Pair(arm, other)
            for arm, share in noisy.items()
            for other, spec in study.arms.items()
            if settings_of(study, arm) == settings_of(study, other)
            and (image_share := spec.recipe.image_share) is not None
            and math.isclose(image_share, 1 - share)
        ]
        return list(dict.fromkeys([*with_controls(study, target), *clean]))
