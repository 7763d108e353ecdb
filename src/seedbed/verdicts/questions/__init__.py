"""Questions *(plug-ins)*: `study(sources, targets) -> Study` and `answer(results) -> [Answer]`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from seedbed.base.errors import unknown
from seedbed.base.registry import Registry
from seedbed.trials.results import Results
from seedbed.trials.study import Study
from seedbed.verdicts.answer import Answer


class Question(ABC):
    """A question that a study can ask."""

    @abstractmethod
    def study(
        self,
        sources: Sequence[str],
        targets: Sequence[str],
        backbones: Sequence[str] = (),
        folder: Path = Path(),
    ) -> Study:
        """A commented study that asks the question, ready to run.

        Args:
            sources, targets: data sets as the user named them; the embedded data if there are none.
            backbones: networks; with several, every arm once with each.
            folder: relative paths start here, and the results go there.
        """

    @abstractmethod
    def answer(self, results: Results) -> list[Answer]:
        """The answers that the results allow so far, in the order of the study."""


QUESTIONS: Registry[Question] = Registry("question", "seedbed.questions")
QUESTIONS.add("blind-addition", "seedbed.verdicts.questions.blind_addition:BlindAddition")
QUESTIONS.add("class-influence", "seedbed.verdicts.questions.class_influence:ClassInfluence")
QUESTIONS.add(
    "classes-or-examples", "seedbed.verdicts.questions.classes_or_examples:ClassesOrExamples"
)
QUESTIONS.add(
    "compare-architectures", "seedbed.verdicts.questions.compare_architectures:CompareArchitectures"
)
QUESTIONS.add(
    "compare-checkpoints", "seedbed.verdicts.questions.compare_checkpoints:CompareCheckpoints"
)
QUESTIONS.add("contrasts", "seedbed.verdicts.questions.contrasts:Contrasts")
QUESTIONS.add("exclude-target", "seedbed.verdicts.questions.exclude_target:ExcludeTarget")
QUESTIONS.add("fine-or-coarse", "seedbed.verdicts.questions.fine_or_coarse:FineOrCoarse")
QUESTIONS.add("granularity", "seedbed.verdicts.questions.granularity:Granularity")
QUESTIONS.add("images-per-class", "seedbed.verdicts.questions.images_per_class:ImagesPerClass")
QUESTIONS.add("label-noise", "seedbed.verdicts.questions.label_noise:LabelNoise")
QUESTIONS.add("negative-transfer", "seedbed.verdicts.questions.negative_transfer:NegativeTransfer")
QUESTIONS.add("num-classes", "seedbed.verdicts.questions.num_classes:NumClasses")
QUESTIONS.add("unrelated-data", "seedbed.verdicts.questions.unrelated_data:UnrelatedData")


def question(name: str) -> Question:
    """The question of that name; raises UsageError with the nearest valid one."""
    if name not in QUESTIONS.names():
        raise unknown("question", name, QUESTIONS.names())
    return QUESTIONS.get(name)()


def answer(results: Results) -> list[Answer]:
    """The answers to the study's question, or plain contrasts with the reference."""
    return question(results.study.question or "contrasts").answer(results)
