"""compare-architectures: which network learns more from the same source, for a target.

The same images, labels and budget; arms differ in the network alone, and each has its floor of random weights beside it, as networks differ
without any pre-training too. All take one input size, that of the source.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seedbed.trials.results import Results
from seedbed.verdicts.answer import Answer, quoted
from seedbed.verdicts.families import answer_families
from seedbed.verdicts.questions import Question
from seedbed.verdicts.questions.template import study_file

_ARMS = (
    'small         = ""                                       # the network of [pretraining]',
    'narrow        = { backbone = "small(width=8)" }',
    "wide          = { backbone = \"small(width=32)\" }         # resnet18(stem='small') and others: hours without a GPU",
    'random-small  = { init = "random" }                      # each network as it begins',
    'random-narrow = { init = "random", backbone = "small(width=8)" }',
    'random-wide   = { init = "random", backbone = "small(width=32)" }',
)


@dataclass(frozen=True)
class CompareArchitectures(Question):
    """Which network learns more from the same source, for a target?"""

    def study(self, sources: Sequence[str], targets: Sequence[str]) -> str:
        words = "Which network learns more from the same source, for the target?"
        return study_file("compare-architectures", words, "small", _ARMS, sources, targets)

    def answer(self, results: Results) -> list[Answer]:
        study = results.study
        called = {arm: study.arms[arm].backbone or study.pretraining.backbone for arm in study.arms}
        return answer_families(results, "compare-architectures", lambda arm: f"{quoted(arm)} ({called[arm]})")
