"""class-influence: which classes of the source help a target, and which harm it? (Jain et al.
2022.)

Many small networks, each pre-trained on a random half of the classes. The influence of a class is
how much better the networks are that saw it. The ranking needs many networks; the report says how
many. The check is another study, which `study run` writes: without the most harmful classes, and
without the most helpful, each beside as many classes dropped at random.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seedbed.base.errors import UsageError
from seedbed.trials.results import Results
from seedbed.trials.study import Study
from seedbed.verdicts.answer import Answer
from seedbed.verdicts.families import answer_families
from seedbed.verdicts.questions import Question
from seedbed.verdicts.questions.source_summary import summarise_source
from seedbed.verdicts.questions.study_builder import RANDOM, CommentedArm, StudyBuilder, one_source

_NUM_SEEDS = 60
_SEEDS_COMMENT = (
    "as many networks, each with another half of the classes; the report says how many are enough"
)
_MIN_CLASSES = 4


@dataclass(frozen=True)
class ClassInfluence(Question):
    """Which classes of the source help the target, and which harm it?"""

    def study(
        self,
        sources: Sequence[str],
        targets: Sequence[str],
        backbones: Sequence[str] = (),
        folder: Path = Path(),
    ) -> Study:
        summary = summarise_source(one_source("class-influence", sources), folder)
        if len(summary.leaves) < _MIN_CLASSES:
            raise UsageError(
                f"a source of {len(summary.leaves)} classes is too small for the question "
                "'class-influence'",
                f"Halves must differ from network to network: {_MIN_CLASSES} classes at least, "
                "better dozens.",
            )
        half = CommentedArm(
            "half", "classes(fraction=0.5)", "half of the classes, other ones for each seed"
        )
        return StudyBuilder(
            question="class-influence",
            words="Which classes of the source help the target, and which harm it?",
            reference="half",
            arms=(half, RANDOM),
            sources=sources,
            targets=targets,
            backbones=backbones,
            folder=folder,
            budgets=(50_000,),
            num_seeds=_NUM_SEEDS,
            comments={"seeds": _SEEDS_COMMENT},
        ).build()

    def answer(self, results: Results) -> list[Answer]:
        return answer_families(results, "class-influence")
