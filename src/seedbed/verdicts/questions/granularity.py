"""granularity: the same number of classes, coarse or fine, near or far.

K coarse classes against K leaf classes, at equal totals of images; K leaves that are siblings
against K that are spread over the hierarchy. The numbers of classes and of images are equal in all
arms, so that only the kind of classes differs.
"""

from __future__ import annotations

from dataclasses import dataclass

from seedbed.trials.study import Study
from seedbed.verdicts.pairs import Pair, with_controls
from seedbed.verdicts.questions.arms_question import FittedArmsQuestion
from seedbed.verdicts.questions.source_summary import SourceSummary
from seedbed.verdicts.questions.study_builder import (
    LABEL_SET_METHODS,
    RANDOM,
    CommentedArm,
)


@dataclass(frozen=True)
class Granularity(FittedArmsQuestion):
    """For the same number of classes and images, are coarse or fine, near or far classes better?"""

    name = "granularity"
    words = (
        "For the same number of classes and images, are coarse or fine, near or far classes better?"
    )
    reference = "leaves"
    methods = LABEL_SET_METHODS
    needs_hierarchy = True

    def fitted_arms(self, source: SourceSummary) -> list[CommentedArm]:
        """Arms with as many classes as one depth of the hierarchy has."""
        depth, num = next(iter(source.depths_near((0.35,)).items()))
        # any `num` leaves have that many images
        total = num * max(1, min(source.sizes))
        images = f"images(total={total})"
        return [
            CommentedArm(
                "leaves",
                f"classes(num={num}) | {images}",
                f"{num} leaf classes at random, {total:,} images as in all others",
            ),
            CommentedArm(
                "coarse",
                f"bottom_up(depth={depth}) | {images}",
                f"the {num} classes at depth {depth}, over all leaves",
            ),
            CommentedArm(
                "like-coarse",
                f"like(recipe='bottom_up(depth={depth})') | {images}",
                "random merging, the control of coarse",
            ),
            CommentedArm(
                "siblings",
                f"classes(num={num}, pick='siblings') | {images}",
                "near each other in the hierarchy",
            ),
            CommentedArm(
                "spread",
                f"classes(num={num}, pick='spread') | {images}",
                "far from each other; compared with siblings too",
            ),
            RANDOM,
        ]

    def pairs(self, study: Study, target: str) -> list[Pair]:
        """Each against random leaves, coarse against its control, and spread against siblings."""
        far, near = (
            [arm for arm, spec in study.arms.items() if spec.recipe.class_distance == distance]
            for distance in ("far", "near")
        )
        by_distance = [Pair(a, b) for a, b in zip(far, near, strict=False)]
        return list(dict.fromkeys([*with_controls(study, target), *by_distance]))
