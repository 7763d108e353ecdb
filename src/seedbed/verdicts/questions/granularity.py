"""granularity: the same number of classes, coarse or fine, near or far.

K coarse classes against K leaf classes, at equal totals of images; K leaves that are siblings
against K that are spread over the hierarchy. The number of classes and of images is the same in
all, so that only what the classes are differs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seedbed.trials.results import Results
from seedbed.trials.study import Study
from seedbed.verdicts.answer import Answer
from seedbed.verdicts.families import answer_families
from seedbed.verdicts.pairs import Pair, with_controls
from seedbed.verdicts.questions import Question
from seedbed.verdicts.questions.arm_names import with_classes
from seedbed.verdicts.questions.source_summary import look
from seedbed.verdicts.questions.study_template import (
    LABEL_SET_METHODS,
    RANDOM,
    ArmLine,
    StudyFile,
    one_source,
)


@dataclass(frozen=True)
class Granularity(Question):
    """For the same number of classes and images, are coarse or fine, near or far classes better?"""

    def study(
        self, sources: Sequence[str], targets: Sequence[str], backbones: Sequence[str] = ()
    ) -> str:
        facts = look(one_source("granularity", sources))
        facts.need_hierarchy("granularity")
        depth, num = next(iter(facts.depths_near((0.35,)).items()))
        total = num * max(1, min(facts.sizes))  # what any so many leaves hold
        images = f"images(total={total})"
        arms = [
            ArmLine(
                "leaves",
                f"classes(num={num}) | {images}",
                f"{num} leaf classes at random, {total:,} images as in all others",
            ),
            ArmLine(
                "coarse",
                f"bottom_up(depth={depth}) | {images}",
                f"the {num} classes at depth {depth}, over all leaves",
            ),
            ArmLine(
                "like-coarse",
                f"like(recipe='bottom_up(depth={depth})') | {images}",
                "random merging, the control of coarse",
            ),
            ArmLine(
                "siblings",
                f"classes(num={num}, pick='siblings') | {images}",
                "near each other in the hierarchy",
            ),
            ArmLine(
                "spread",
                f"classes(num={num}, pick='spread') | {images}",
                "far from each other; compared with siblings too",
            ),
            RANDOM,
        ]
        words = "For the same number of classes and images, are coarse or fine, near or far classes better?"
        return StudyFile(
            "granularity",
            words,
            "leaves",
            arms,
            sources,
            targets,
            backbones=backbones,
            facts=facts,
            methods=LABEL_SET_METHODS,
        ).text()

    def answer(self, results: Results) -> list[Answer]:
        return answer_families(
            results, "granularity", lambda arm: with_classes(results, arm), _pairs
        )


def _pairs(study: Study, target: str) -> list[Pair]:
    """Each against random leaves, coarse against its control, and spread against siblings."""
    far, near = (
        [arm for arm, spec in study.arms.items() if spec.recipe.class_distance == distance]
        for distance in ("far", "near")
    )
    by_distance = [Pair(a, b) for a, b in zip(far, near, strict=False)]
    return list(dict.fromkeys([*with_controls(study, target), *by_distance]))
