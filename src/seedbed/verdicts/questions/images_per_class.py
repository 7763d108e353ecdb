"""images-per-class: what fewer images of every class cost on a target (Huh, Agrawal, Efros 2016,
section 3.1).

They pre-trained on 50, 125, 250, 500 and 1000 images per class and fine-tuned. We use fractions 1,
1/2, 1/4, 1/10 and 1/20 of each class, and add random initialisation as the floor, several seeds,
and two training budgets at equal images seen.
"""

from __future__ import annotations

from dataclasses import dataclass

from seedbed.trials.results import Results
from seedbed.verdicts.answer import quoted
from seedbed.verdicts.questions.arm_names import name_with_classes, training_counts
from seedbed.verdicts.questions.arms_question import ArmsQuestion
from seedbed.verdicts.questions.study_builder import RANDOM, CommentedArm

_ARMS = (
    CommentedArm("all", "", "every image of every class"),
    CommentedArm("half", "images(fraction=0.5)"),
    CommentedArm("quarter", "images(fraction=0.25)"),
    CommentedArm("tenth", "images(fraction=0.1)"),
    CommentedArm("twentieth", "images(fraction=0.05)"),
    RANDOM,
)


@dataclass(frozen=True)
class ImagesPerClass(ArmsQuestion):
    """What do fewer images of every class cost on the target?"""

    name = "images-per-class"
    words = "What do fewer images of every class cost on the target?"
    reference = "all"
    arms = _ARMS

    def describe(self, results: Results, arm: str) -> str | None:
        """For example "'half' (250 images per class)"; an arm that is not trained has no number."""
        if not results.study.arms[arm].trains:
            return name_with_classes(results, arm)
        if (counts := training_counts(results, arm)) is None:
            return None
        num_classes, num_images = counts
        per_class = f"{num_images / num_classes:,.4g}"
        return f"{quoted(arm)} ({per_class} {'image' if per_class == '1' else 'images'} per class)"
