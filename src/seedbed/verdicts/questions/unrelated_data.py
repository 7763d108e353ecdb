"""unrelated-data: does pre-training on B as well help or harm A? (Huh, Agrawal, Efros 2016, section
3.6.)

The classes are split into two halves with as little in common as can be (minimal), or at random.
The target is A itself: nets trained on A, and nets trained on A and B, whose last layer alone, or
all of whose layers, are then tuned on A. A and B together are compared with A at equal compute
(images seen) and, against A trained for its share of it, at equal exposure (each image of A seen as
often). The same for B.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seedbed.data.recipes import Recipe
from seedbed.data.recipes.split import minimal_half
from seedbed.trials.results import Results
from seedbed.trials.study import Study
from seedbed.verdicts.answer import Answer
from seedbed.verdicts.families import answer_families
from seedbed.verdicts.pairs import Pair, by_settings
from seedbed.verdicts.questions import Question
from seedbed.verdicts.questions.arm_names import with_classes
from seedbed.verdicts.questions.source_summary import Facts, look
from seedbed.verdicts.questions.study_template import (
    RANDOM,
    ArmLine,
    StudyFile,
    one_source,
    rounded_share,
)

_HALVES = (("minimal", "a"), ("minimal", "b"), ("random", "a"))
_METHODS = (
    (
        "last-layer",
        "probe(readout='softmax', c=[0.1, 1.0, 10.0, 100.0])",
        "the last layer alone is tuned on the half's classes",
    ),
    ("all-layers", "finetune(images_seen=50_000)", "all layers are: both nets get the same steps"),
)


@dataclass(frozen=True)
class UnrelatedData(Question):
    """Does pre-training on unrelated classes as well help or harm a half of the source?"""

    def study(
        self, sources: Sequence[str], targets: Sequence[str], backbones: Sequence[str] = ()
    ) -> str:
        facts = look(one_source("unrelated-data", sources))
        facts.need_hierarchy("unrelated-data")
        arms = [ArmLine("both", "", "A and B; each half is compared with it on its own classes")]
        for kind, half in _HALVES:
            recipe = f"split(kind='{kind}', half='{half}')"
            num, share = _size(facts, kind, half)
            size = f"{num} classes, " if num else ""
            arms.append(ArmLine(f"{kind}-{half}", recipe, f"{size}at equal compute"))
            exposure = f"{100 * share:.0f} % of the images, and of the budget: at equal exposure"
            arms.append(
                ArmLine(
                    f"{kind}-{half}-short", recipe, exposure, {"budget_share": rounded_share(share)}
                )
            )
        own = {
            f"{kind}-{half}-classes": f"source(recipe=\"split(kind='{kind}', half='{half}')\")"
            for kind, half in _HALVES
        }
        words = "Does pre-training on unrelated classes as well help or harm a half of the source?"
        return StudyFile(
            "unrelated-data",
            words,
            "both",
            [*arms, RANDOM],
            sources,
            targets,
            backbones=backbones,
            facts=facts,
            methods=_METHODS,
            own_targets=own,
        ).text()

    def answer(self, results: Results) -> list[Answer]:
        return answer_families(
            results, "unrelated-data", lambda arm: with_classes(results, arm), _pairs
        )


def _size(facts: Facts, kind: str, half: str) -> tuple[int | None, float]:
    """Classes of a half, and its share of the images: of a random half of as many classes, about
    what its share of the classes is."""
    if facts.hierarchy is None:
        return None, 0.52 if half == "a" else 0.48
    a = minimal_half(facts.leaves, facts.hierarchy)
    num = len(a) if half == "a" else len(facts.leaves) - len(a)
    share = facts.share_of(a) if kind == "minimal" else len(a) / len(facts.leaves)
    return num, share if half == "a" else 1 - share


def _pairs(study: Study, target: str) -> list[Pair]:
    """On the classes of a half: both halves together against the nets of that half, at equal
    compute and equal exposure, and against no pre-training. On any other target, every half's
    nets."""
    text = study.targets[target].recipe if target in study.targets else None
    half, pairs = Recipe(text or ""), []
    for arms in by_settings(study):
        trained = [arm for arm in arms if study.arms[arm].trains]
        both = next((arm for arm in trained if study.arms[arm].recipe.is_empty), study.reference)
        halves = [
            arm
            for arm in trained
            if arm != both and (half.is_empty or study.arms[arm].recipe == half)
        ]
        pairs += [Pair(both, arm) for arm in halves] + [
            Pair(arm, both) for arm in arms if arm not in trained
        ]
    return pairs
