"""compare-architectures: which network learns more from the same source, for a target.

The same images, labels and budget; arms differ in the network alone, and each has its floor of
random weights beside it, as networks differ without any pre-training too. All take one input size,
that of the source.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seedbed.models.zoo import BACKBONES
from seedbed.trials.results import Results
from seedbed.verdicts.answer import Answer, quoted
from seedbed.verdicts.families import answer_families
from seedbed.verdicts.questions import Question
from seedbed.verdicts.questions.study_template import RANDOM, ArmLine, StudyFile

_NETWORKS = ("small(width=16)", "small(width=8)", "small(width=32)")


@dataclass(frozen=True)
class CompareArchitectures(Question):
    """Which network learns more from the same source, for a target?"""

    def study(
        self, sources: Sequence[str], targets: Sequence[str], backbones: Sequence[str] = ()
    ) -> str:
        words = "Which network learns more from the same source, for the target?"
        arms = (ArmLine("plain", "", "the network of [pretraining]"), RANDOM)
        networks = backbones if len(backbones) > 1 else _beside(backbones)
        return StudyFile(
            "compare-architectures", words, "plain", arms, sources, targets, backbones=networks
        ).text()

    def answer(self, results: Results) -> list[Answer]:
        study = results.study
        called = {arm: study.arms[arm].backbone or study.pretraining.backbone for arm in study.arms}
        return answer_families(
            results, "compare-architectures", lambda arm: f"{quoted(arm)} ({called[arm]})"
        )


def _beside(backbones: Sequence[str]) -> list[str]:
    """The one network that was named, if any, and usual ones beside it."""
    others = [
        text
        for text in _NETWORKS
        if all(BACKBONES.make(text) != BACKBONES.make(named) for named in backbones)
    ]
    return [*backbones, *others][: len(_NETWORKS)]
