"""images-per-class: what fewer images of every class cost on a target (Huh, Agrawal, Efros 2016,
section 3.1).

They pre-trained on 50, 125, 250, 500 and 1000 images per class and fine-tuned. We use fractions 1,
1/2, 1/4, 1/10 and 1/20 of each class, and add random initialisation as the floor, several seeds,
and two training budgets at equal images seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seedbed.trials.results import Results
from seedbed.trials.study import Study
from seedbed.verdicts.answer import Answer, quoted
from seedbed.verdicts.families import answer_families
from seedbed.verdicts.pairs import with_controls
from seedbed.verdicts.questions import Question
from seedbed.verdicts.questions.arm_names import name_with_classes, training_counts
from seedbed.verdicts.questions.study_builder import RANDOM, CommentedArm, StudyBuilder

_ARMS = (
    CommentedArm("all", "", "every image of every class"),
    CommentedArm("half", "images(fraction=0.5)"),
    CommentedArm("quarter", "images(fraction=0.25)"),
    CommentedArm("tenth", "images(fraction=0.1)"),
    CommentedArm("twentieth", "images(fraction=0.05)"),
    RANDOM,
)


@dataclass(frozen=True)
class ImagesPerClass(Question):
    """What do fewer images of every class cost on the target?"""

    def study(
        self,
        sources: Sequence[str],
        targets: Sequence[str],
        backbones: Sequence[str] = (),
        folder: Path = Path(),
    ) -> Study:
        return StudyBuilder(
            question="images-per-class",
            words="What do fewer images of every class cost on the target?",
            reference="all",
            arms=_ARMS,
            sources=sources,
            targets=targets,
            backbones=backbones,
            folder=folder,
        ).build()

    def answer(self, results: Results) -> list[Answer]:
        return answer_families(
            results, "images-per-class", lambda arm: _describe(results, arm), with_controls
        )


def _describe(results: Results, arm: str) -> str | None:
    """For example "'half' (250 images per class)"; an arm that is not trained has no number."""
    if not results.study.arms[arm].trains:
        return name_with_classes(results, arm)
    if (counts := training_counts(results, arm)) is None:
        return None
    num_classes, num_images = counts
    per_class = f"{num_images / num_classes:,.4g}"
    return f"{quoted(arm)} ({per_class} {'image' if per_class == '1' else 'images'} per class)"
