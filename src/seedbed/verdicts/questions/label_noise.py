"""label-noise: what wrong labels in the source cost on a target.

Labels of a share of the training images are permuted among themselves, anew with each seed: class
sizes stay, and so do the images. Beside each arm stands what its clean images alone would give, so
that one sees whether the wrong labels harm or are merely wasted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from seedbed.trials.results import Results
from seedbed.trials.study import Study
from seedbed.verdicts.answer import Answer
from seedbed.verdicts.families import answer_families
from seedbed.verdicts.pairs import Pair, settings_of, with_controls
from seedbed.verdicts.questions import Question
from seedbed.verdicts.questions.study_template import RANDOM, ArmLine, StudyFile

_ARMS = (
    ArmLine("clean", "", "every label as it is"),
    ArmLine("noisy10", "shuffle_labels(fraction=0.1)"),
    ArmLine("noisy30", "shuffle_labels(fraction=0.3)"),
    ArmLine("noisy60", "shuffle_labels(fraction=0.6)"),
    ArmLine(
        "less30",
        "images(fraction=0.7)",
        "as many clean images as noisy30 has; compared with it: are wrong labels worse than none?",
    ),
    ArmLine("less60", "images(fraction=0.4)", "as noisy60 has"),
    RANDOM,
)


@dataclass(frozen=True)
class LabelNoise(Question):
    """What do wrong labels in the source cost on the target?"""

    def study(
        self, sources: Sequence[str], targets: Sequence[str], backbones: Sequence[str] = ()
    ) -> str:
        words = "What do wrong labels in the source cost on the target?"
        return StudyFile(
            "label-noise", words, "clean", _ARMS, sources, targets, backbones=backbones
        ).text()

    def answer(self, results: Results) -> list[Answer]:
        return answer_families(results, "label-noise", pairing=_pairs)


def _pairs(study: Study, target: str) -> list[Pair]:
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
