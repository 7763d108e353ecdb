"""unrelated-data: does pre-training on B as well help or harm A? (Huh, Agrawal, Efros 2016, section
3.6.)

The classes are split into two halves that are as different as possible (minimal), or at random. The
target is A itself: networks are trained on A, and on A and B; then their last layer, or all their
layers, are tuned on A. A and B together are compared with A at equal compute (images seen), and at
equal exposure (each image of A seen as often), for which A is trained for its share of the compute.
The same for B.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from seedbed.data.recipes import Recipe
from seedbed.data.recipes.split import minimal_half
from seedbed.trials.study import Study
from seedbed.verdicts.pairs import Pair, group_by_settings
from seedbed.verdicts.questions.arms_question import FittedArmsQuestion
from seedbed.verdicts.questions.source_summary import SourceSummary
from seedbed.verdicts.questions.study_builder import (
    RANDOM,
    CommentedArm,
    Method,
    rounded_share,
)

_HALVES = (("minimal", "a"), ("minimal", "b"), ("random", "a"))


def _recipe(kind: str, half: str) -> str:
    return f"split(kind='{kind}', half='{half}')"


_TARGETS = MappingProxyType(
    {f"{kind}-{half}-classes": f'source(recipe="{_recipe(kind, half)}")' for kind, half in _HALVES}
)
_METHODS = (
    Method(
        "last-layer",
        "probe(readout='softmax', c=[0.1, 1.0, 10.0, 100.0])",
        "the last layer alone is tuned on the half's classes",
    ),
    Method(
        "all-layers",
        "finetune(images_seen=50_000)",
        "all layers are tuned, every network with the same steps",
    ),
)


@dataclass(frozen=True)
class UnrelatedData(FittedArmsQuestion):
    """Does pre-training on unrelated classes as well help or harm a half of the source?"""

    name = "unrelated-data"
    words = "Does pre-training on unrelated classes as well help or harm a half of the source?"
    reference = "both"
    methods = _METHODS
    needs_hierarchy = True
    extra_targets = _TARGETS

    def fitted_arms(self, source: SourceSummary) -> list[CommentedArm]:
        """Both halves together, and each half at equal compute and at equal exposure."""
        arms = [
            CommentedArm("both", "", "A and B; each half is compared with it on its own classes")
        ]
        for kind, half in _HALVES:
            num, share = _size(source, kind, half)
            classes = f"{num} classes, " if num else ""
            arms += [
                CommentedArm(f"{kind}-{half}", _recipe(kind, half), f"{classes}at equal compute"),
                CommentedArm(
                    f"{kind}-{half}-short",
                    _recipe(kind, half),
                    f"{100 * share:.0f} % of the images, and of the budget: at equal exposure",
                    {"budget_share": rounded_share(share)},
                ),
            ]
        return [*arms, RANDOM]

    def pairs(self, study: Study, target: str) -> list[Pair]:
        """On the classes of a half: both halves together against the networks of that half, at
        equal compute and equal exposure, and against no pre-training. On any other target, against
        the networks of every half."""
        text = study.targets[target].recipe if target in study.targets else None
        half, pairs = Recipe(text or ""), []
        for arms in group_by_settings(study):
            trained = [arm for arm in arms if study.arms[arm].trains]
            both = next(
                (arm for arm in trained if study.arms[arm].recipe.is_empty), study.reference
            )
            halves = [
                arm
                for arm in trained
                if arm != both and (half.is_empty or study.arms[arm].recipe == half)
            ]
            pairs += [Pair(both, arm) for arm in halves] + [
                Pair(arm, both) for arm in arms if arm not in trained
            ]
        return pairs


def _size(summary: SourceSummary, kind: str, half: str) -> tuple[int | None, float]:
    """The number of classes of a half, and its share of the images; a random half of as many
    classes has on average its share of the classes."""
    if summary.hierarchy is None:
        return None, 0.52 if half == "a" else 0.48
    a = minimal_half(summary.leaves, summary.hierarchy)
    num = len(a) if half == "a" else len(summary.leaves) - len(a)
    share = summary.share_of(a) if kind == "minimal" else len(a) / len(summary.leaves)
    return num, share if half == "a" else 1 - share
