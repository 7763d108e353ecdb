"""label-noise: what wrong labels in the source cost on a target.

Labels of a share of the training images are permuted among themselves, anew with each seed: class sizes stay, and so do the images. Beside
each arm stands what its clean images alone would give, so that one sees whether the wrong labels harm or are merely wasted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seedbed.trials.results import Results
from seedbed.verdicts.answer import Answer
from seedbed.verdicts.families import answer_families
from seedbed.verdicts.questions import Question
from seedbed.verdicts.questions.template import study_file

_ARMS = (
    'clean   = ""                              # every label as it is',
    'noisy10 = "shuffle_labels(fraction=0.1)"',
    'noisy30 = "shuffle_labels(fraction=0.3)"',
    'noisy60 = "shuffle_labels(fraction=0.6)"',
    'less30  = "images(fraction=0.7)"          # without the images that are mislabelled in noisy30: are they worse than none?',
    'less60  = "images(fraction=0.4)"',
    'random  = { init = "random" }             # no pre-training: the floor',
)


@dataclass(frozen=True)
class LabelNoise(Question):
    """What do wrong labels in the source cost on the target?"""

    def study(self, sources: Sequence[str], targets: Sequence[str]) -> str:
        words = "What do wrong labels in the source cost on the target?"
        return study_file("label-noise", words, "clean", _ARMS, sources, targets)

    def answer(self, results: Results) -> list[Answer]:
        return answer_families(results, "label-noise")
