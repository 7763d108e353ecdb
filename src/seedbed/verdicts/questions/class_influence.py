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
from types import MappingProxyType

from seedbed.base.errors import UsageError
from seedbed.trials.results import Results
from seedbed.trials.study import Study
from seedbed.verdicts.pairs import Pair, with_reference
from seedbed.verdicts.questions.arms_question import ArmsQuestion
from seedbed.verdicts.questions.source_summary import summarise_source
from seedbed.verdicts.questions.study_builder import RANDOM, CommentedArm, one_source

_NUM_SEEDS = 60
_SEEDS_COMMENT = (
    "as many networks, each with another half of the classes; the report says how many are enough"
)
_MIN_CLASSES = 4


@dataclass(frozen=True)
class ClassInfluence(ArmsQuestion):
    """Which classes of the source help the target, and which harm it?"""

    name = "class-influence"
    words = "Which classes of the source help the target, and which harm it?"
    reference = "half"
    arms = (
        CommentedArm(
            "half", "classes(fraction=0.5)", "half of the classes, other ones for each seed"
        ),
        RANDOM,
    )
    budgets = (50_000,)
    num_seeds = _NUM_SEEDS
    comments = MappingProxyType({"seeds": _SEEDS_COMMENT})

    def study(
        self,
        sources: Sequence[str],
        targets: Sequence[str],
        backbones: Sequence[str] = (),
        folder: Path = Path(),
    ) -> Study:
        summary = summarise_source(one_source(self.name, sources), folder)
        if len(summary.leaves) < _MIN_CLASSES:
            raise UsageError(
                f"a source of {len(summary.leaves)} classes is too small for the question "
                f"{self.name!r}",
                f"Halves must differ from network to network: {_MIN_CLASSES} classes at least, "
                "better dozens.",
            )
        return super().study(sources, targets, backbones, folder)

    def describe(self, results: Results, arm: str) -> str | None:
        return None

    def pairs(self, study: Study, target: str) -> list[Pair]:
        return with_reference(study, target)
