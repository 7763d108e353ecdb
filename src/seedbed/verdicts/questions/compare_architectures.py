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
from seedbed.verdicts.answer import Answer, quoted
from seedbed.verdicts.families import answer_families
from seedbed.verdicts.questions import Question
from seedbed.verdicts.questions.study_builder import RANDOM, CommentedArm, StudyBuilder

_NETWORKS = ("small(width=16)", "small(width=8)", "small(width=32)")


@dataclass(frozen=True)
class CompareArchitectures(Question):
    """Which network learns more from the same source, for a target?"""

    def study(
        self,
        sources: Sequence[str],
        targets: Sequence[str],
        backbones: Sequence[str] = (),
        folder: Path = Path(),
    ) -> Study:
        return StudyBuilder(
            question="compare-architectures",
            words="Which network learns more from the same source, for the target?",
            reference="plain",
            arms=(CommentedArm("plain", "", "the network of [pretraining]"), RANDOM),
            sources=sources,
            targets=targets,
            backbones=backbones if len(backbones) > 1 else _with_usual_networks(backbones),
            folder=folder,
        ).build()

    def answer(self, results: Results) -> list[Answer]:
        study = results.study
        networks = {
            name: arm.backbone or study.pretraining.backbone for name, arm in study.arms.items()
        }
        return answer_families(
            results, "compare-architectures", lambda arm: f"{quoted(arm)} ({networks[arm]})"
        )


def _with_usual_networks(backbones: Sequence[str]) -> list[str]:
    """The one network that was named, if any, and usual ones after it."""
    named = [BACKBONES.make(text) for text in backbones]
    others = [text for text in _NETWORKS if BACKBONES.make(text) not in named]
    return [*backbones, *others][: len(_NETWORKS)]
