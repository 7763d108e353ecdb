"""images-per-class: what fewer images of every class cost on a target (Huh, Agrawal, Efros 2016, section 3.1).

They pre-trained on 50, 125, 250, 500 and 1000 images per class and fine-tuned. We keep the shape: fractions 1, 1/2, 1/4, 1/10, 1/20 of each
class, and add random initialisation as the floor, several seeds, and two training budgets at equal images seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seedbed.trials.results import Results
from seedbed.verdicts.answer import Answer, quoted
from seedbed.verdicts.families import answer_families
from seedbed.verdicts.questions import Question
from seedbed.verdicts.questions.template import study_file

_ARMS = (
    'all       = ""                         # every image of every class',
    'half      = "images(fraction=0.5)"',
    'quarter   = "images(fraction=0.25)"',
    'tenth     = "images(fraction=0.1)"',
    'twentieth = "images(fraction=0.05)"',
    'random    = { init = "random" }        # no pre-training: the floor',
)


@dataclass(frozen=True)
class ImagesPerClass(Question):
    """What do fewer images of every class cost on the target?"""

    def study(self, sources: Sequence[str], targets: Sequence[str]) -> str:
        return study_file(
            "images-per-class", "What do fewer images of every class cost on the target?", "all", _ARMS, sources, targets
        )

    def answer(self, results: Results) -> list[Answer]:
        return answer_families(results, "images-per-class", lambda arm: _describe(results, arm))


def _describe(results: Results, arm: str) -> str | None:
    """ "'half' (250 images per class)" where the arm trains on anything, for the sentence."""
    rows = [o for o in results.outcomes if o.arm == arm and o.num_train_images]
    if not rows:
        return f"{quoted(arm)} (no pre-training)"
    per_class = rows[0].num_train_images / rows[0].num_train_classes
    return f"{quoted(arm)} ({per_class:,.4g} images per class)"
