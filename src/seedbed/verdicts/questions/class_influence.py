"""class-influence: which classes of the source help a target, and which harm it? (Jain et al.
2022.)

Many small nets, each pre-trained on a random half of the classes: what nets that saw a class do
better than those that did not is its influence. The ranking means something only with nets enough;
the report says how many. The check is another study, which the report
prints: without the most harmful classes, without the most helpful, each beside as many at random.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seedbed.base.errors import UsageError
from seedbed.trials.results import Results
from seedbed.verdicts.answer import Answer
from seedbed.verdicts.families import answer_families
from seedbed.verdicts.questions import Question
from seedbed.verdicts.questions.source_summary import look
from seedbed.verdicts.questions.study_template import RANDOM, ArmLine, StudyFile, one_source

_SEEDS = "60             # as many nets, each with a half of the classes of its own; the report says how many are enough"


_LEAST_CLASSES = 4


@dataclass(frozen=True)
class ClassInfluence(Question):
    """Which classes of the source help the target, and which harm it?"""

    def study(
        self, sources: Sequence[str], targets: Sequence[str], backbones: Sequence[str] = ()
    ) -> str:
        facts = look(one_source("class-influence", sources))
        if len(facts.leaves) < _LEAST_CLASSES:
            raise UsageError(
                f"a source of {len(facts.leaves)} classes is too small for the question 'class-influence'",
                f"Halves must differ from net to net: {_LEAST_CLASSES} classes at least, better dozens.",
            )
        arms = (
            ArmLine("half", "classes(fraction=0.5)", "half of the classes, anew with each seed"),
            RANDOM,
        )
        words = "Which classes of the source help the target, and which harm it?"
        return StudyFile(
            "class-influence",
            words,
            "half",
            arms,
            sources,
            targets,
            backbones=backbones,
            budgets=(50_000,),
            seeds=_SEEDS,
        ).text()

    def answer(self, results: Results) -> list[Answer]:
        return answer_families(results, "class-influence")
