"""negative-transfer: is there a source that is worse than none?

Pre-trained arms against training from scratch on the target with equal tuning: the same
fine-tuning, the same learning rates to choose from, from random weights; and once more with twice
the budget, as from scratch one trains longer. An arm that is worse than scratch is negative
transfer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seedbed.trials.results import Results
from seedbed.trials.study import Study
from seedbed.verdicts.answer import Answer
from seedbed.verdicts.families import answer_families
from seedbed.verdicts.pairs import Pair, by_settings
from seedbed.verdicts.questions import Question
from seedbed.verdicts.questions.arm_names import with_classes
from seedbed.verdicts.questions.study_template import ArmLine, StudyFile

_ARMS = (
    ArmLine("scratch", None, "from random weights, equally tuned", {"init": "random"}),
    ArmLine("all", "", "every image, every class"),
    ArmLine("few", "images(fraction=0.05)", "a twentieth of the images"),
    ArmLine(
        "noise",
        "shuffle_labels(fraction=1.0)",
        "labels that say nothing: what a useless source does",
    ),
)
_METHODS = (
    (
        "finetune",
        "finetune(images_seen=50_000)",
        "the learning rate is chosen on validation, the same grid for all",
    ),
    ("finetune-long", "finetune(images_seen=100_000)", "twice as long"),
)


@dataclass(frozen=True)
class NegativeTransfer(Question):
    """Is pre-training worse than training from scratch, equally tuned, on the target?"""

    def study(
        self, sources: Sequence[str], targets: Sequence[str], backbones: Sequence[str] = ()
    ) -> str:
        words = "Is pre-training worse than training from scratch, equally tuned, on the target?"
        return StudyFile(
            "negative-transfer",
            words,
            "scratch",
            _ARMS,
            sources,
            targets,
            backbones=backbones,
            methods=_METHODS,
        ).text()

    def answer(self, results: Results) -> list[Answer]:
        return answer_families(
            results, "negative-transfer", lambda arm: with_classes(results, arm), _pairs
        )


def _pairs(study: Study, target: str) -> list[Pair]:
    """Every pre-trained arm with training from scratch of the same network."""
    pairs = []
    for arms in by_settings(study):
        scratch = next((arm for arm in arms if study.arms[arm].init == "random"), study.reference)
        pairs += [Pair(arm, scratch) for arm in arms if study.arms[arm].init != "random"]
    return pairs
