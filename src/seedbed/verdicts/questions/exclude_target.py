"""exclude-target: what does it cost to pre-train without the target's own classes? (Huh, Agrawal, Efros 2016, section 3.5.)

Without the target's classes and all under them, against as many classes dropped at random from those that stay: what remains is the cost
of these classes being the target's, beyond there being fewer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from seedbed.data.hierarchy import Hierarchy
from seedbed.data.synsets import KNOWN_TARGETS
from seedbed.trials.results import Results
from seedbed.verdicts.answer import Answer
from seedbed.verdicts.families import answer_families
from seedbed.verdicts.pairs import with_controls
from seedbed.verdicts.questions import Question
from seedbed.verdicts.questions.describe import with_classes
from seedbed.verdicts.questions.template import (
    EMBEDDED_SOURCE,
    EMBEDDED_TARGET,
    RANDOM,
    ArmLine,
    Facts,
    look,
    study_file,
    target_name,
)


@dataclass(frozen=True)
class ExcludeTarget(Question):
    """What does it cost to pre-train without the target's own classes?"""

    def study(self, sources: Sequence[str], targets: Sequence[str], backbones: Sequence[str] = ()) -> str:
        facts = look(sources[0] if sources else EMBEDDED_SOURCE)
        if not facts.unseen and facts.hierarchy is None:
            facts.need_hierarchy("exclude-target")
        dropped, own = _of_embedded(facts) if not targets else ({target_name(t): _named(t) for t in targets}, {})
        arms = [ArmLine("all", "", "every class")]
        for name, recipe in dropped.items():
            arms.append(
                ArmLine(f"without-{name}", recipe, f"without what {name} holds; its classes must be known to the hierarchy")
            )
            arms.append(ArmLine(f"like-{name}", _control(recipe), "as many classes dropped, of those that stay"))
        words = "What does it cost to pre-train without the target's own classes?"
        return study_file(
            "exclude-target", words, "all", [*arms, RANDOM], sources, targets, backbones=backbones, facts=facts, own_targets=own
        )

    def answer(self, results: Results) -> list[Answer]:
        return answer_families(results, "exclude-target", lambda arm: with_classes(results, arm), with_controls)


def _named(target: str) -> str:
    """A built-in list where the target's name is one of them, else the target of the study."""
    name = target_name(target)
    known = next((k for k in KNOWN_TARGETS if k in re.split(r"[^a-z0-9]+", name.lower())), None)
    return f"exclude(target={known or name!r})"


def _control(recipe: str) -> str:
    return f'like(recipe="{recipe}")'


def _of_embedded(facts: Facts) -> tuple[dict[str, str], dict[str, str]]:
    """Without a target: a branch of the source's own hierarchy is one."""
    node = _branch(facts.hierarchy, facts.leaves) if facts.hierarchy else None
    if node is None:
        return {target_name(EMBEDDED_TARGET): f"exclude(target={target_name(EMBEDDED_TARGET)!r})"}, {}
    return {"branch": f"exclude(synsets=[{node!r}])"}, {"branch": f'source(recipe="under(synsets=[{node!r}])")'}


def _branch(tree: Hierarchy, leaves: Sequence[str]) -> str | None:
    """The node that holds nearest to a fifth of the classes."""
    nodes = sorted({node for leaf in leaves for node in tree.chain(leaf)[1:-1]})
    sizes = {node: len(tree.under(node, leaves)) for node in nodes}
    fitting = {node: n for node, n in sizes.items() if 2 <= n <= len(leaves) // 2}
    return min(fitting, key=lambda n: (abs(fitting[n] - len(leaves) / 5), n), default=None)
