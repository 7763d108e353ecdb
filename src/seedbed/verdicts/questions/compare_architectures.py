"""compare-architectures: which network learns more from the same source, for a target?

The same images, labels and budget; arms differ in the network alone. Beside each arm is the same
network with random weights, as networks differ without pre-training too. All have one input size,
that of the source.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seedbed.models.zoo import BACKBONES
from seedbed.trials.results import Results
from seedbed.trials.study import Study
from seedbed.verdicts.answer import quoted
from seedbed.verdicts.pairs import Pair, with_reference
from seedbed.verdicts.questions.arms_question import ArmsQuestion
from seedbed.verdicts.questions.study_builder import RANDOM, CommentedArm

_NETWORKS = ("small(width=16)", "small(width=8)", "small(width=32)")


@dataclass(frozen=True)
class CompareArchitectures(ArmsQuestion):
    """Which network learns more from the same source, for a target?"""

    name = "compare-architectures"
    words = "Which network learns more from the same source, for the target?"
    reference = "plain"
    arms = (CommentedArm("plain", "", "the network of [pretraining]"), RANDOM)

    def study(
        self,
        sources: Sequence[str],
        targets: Sequence[str],
        backbones: Sequence[str] = (),
        folder: Path = Path(),
    ) -> Study:
        if len(backbones) < 2:
            backbones = _with_usual_networks(backbones)
        return super().study(sources, targets, backbones, folder)

    def describe(self, results: Results, arm: str) -> str | None:
        study = results.study
        return f"{quoted(arm)} ({study.arms[arm].backbone or study.pretraining.backbone})"

    def pairs(self, study: Study, target: str) -> list[Pair]:
        return with_reference(study, target)


def _with_usual_networks(backbones: Sequence[str]) -> list[str]:
    """The one network that was named, if any, and usual ones after it."""
    named = [BACKBONES.make(text) for text in backbones]
    others = [text for text in _NETWORKS if BACKBONES.make(text) not in named]
    return [*backbones, *others][: len(_NETWORKS)]
