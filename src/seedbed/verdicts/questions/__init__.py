"""Questions *(plug-ins)*: `study(sources, targets) -> study file text`, and `answer(results) -> [Answer]`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from seedbed.base.errors import unknown
from seedbed.base.registry import Registry
from seedbed.trials.results import Results
from seedbed.verdicts.answer import Answer


class Question(ABC):
    """A question that a study can ask."""

    @abstractmethod
    def study(self, sources: Sequence[str], targets: Sequence[str]) -> str:
        """A commented study file (TOML) that asks it of these data sets and runs as printed."""

    @abstractmethod
    def answer(self, results: Results) -> list[Answer]:
        """The answers that the results hold so far, in the order of the study."""


QUESTIONS: Registry[Question] = Registry("question", "seedbed.questions")
QUESTIONS.add("compare-architectures", "seedbed.verdicts.questions.compare_architectures:CompareArchitectures")
QUESTIONS.add("contrasts", "seedbed.verdicts.questions.contrasts:Contrasts")
QUESTIONS.add("images-per-class", "seedbed.verdicts.questions.images_per_class:ImagesPerClass")
QUESTIONS.add("label-noise", "seedbed.verdicts.questions.label_noise:LabelNoise")


def question(name: str) -> Question:
    """The question of that name; raises UsageError with the nearest valid one."""
    if name not in QUESTIONS.names():
        raise unknown("question", name, QUESTIONS.names())
    return QUESTIONS.get(name)()


def answer(results: Results) -> list[Answer]:
    """The answers of a study's own question, or plain contrasts with the reference."""
    return question(results.study.question or "contrasts").answer(results)
