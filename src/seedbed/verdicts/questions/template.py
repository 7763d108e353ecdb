"""The study file that every question writes: commented, complete, and running as printed.

In: the question's arms, and what its source is. Out: TOML text. Knows nothing of results. Arms are fitted to the source where it can be
looked at: how many classes and images it has, and what its hierarchy leaves at which depth.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from seedbed.base.errors import SeedbedError, UsageError
from seedbed.data.formats import open_source
from seedbed.data.hierarchies import open_hierarchy
from seedbed.data.hierarchy import Hierarchy
from seedbed.data.source import TRAIN
from seedbed.data.splits import HELD_OUT_SHARE
from seedbed.data.store import Store
from seedbed.data.wordnet import is_synset
from seedbed.trials.study import RESERVED

EMBEDDED_SOURCE, EMBEDDED_TARGET = "toy()", "digits()"
BUDGETS = (100_000, 300_000)
_UNSEEN = "# {} could not be looked at ({}): the arms are those of a source of 200 classes; fit depths and numbers to yours"
_PROBE = ("probe", "probe()", 'linear SVM on the frozen codes; add: finetune = "finetune(images_seen=100_000)"')
PROBE_BEST = (
    "probe",
    "probe(layer='best')",
    "few-class training can collapse the last layer: validation chooses the layer, per arm",
)
_BUDGET_WORDS = ("small, as there are many nets", "training budgets: does the effect depend on how long one trains?")
Method = tuple[str, str, str]  # name, call, comment


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a source holds, as far as it can be told without reading an image."""

    leaves: tuple[str, ...]
    sizes: tuple[int, ...]  # images to train on, of each leaf
    hierarchy: Hierarchy | None
    hierarchy_text: str | None = None  # what the study file must say of it
    unseen: str = ""  # why it could not be looked at

    @property
    def num_images(self) -> int:
        return sum(self.sizes)

    def share_of(self, leaves: set[str]) -> float:
        """The share of the images that these leaves hold."""
        return sum(n for leaf, n in zip(self.leaves, self.sizes, strict=True) if leaf in leaves) / max(1, self.num_images)

    @cached_property
    def depths(self) -> dict[int, int]:
        """Depth -> classes that bottom_up leaves there, of the depths that merge something and leave two or more, the deepest first."""
        tree = self.hierarchy
        if tree is None:
            return {}
        found: dict[int, int] = {}
        for depth in range(max(tree.depth(leaf) for leaf in self.leaves), -1, -1):
            num = len({tree.ancestor_at(leaf, depth) for leaf in self.leaves})
            if 2 <= num < len(self.leaves) and num not in found.values():
                found[depth] = num
        return found

    def depths_near(self, shares: Sequence[float]) -> dict[int, int]:
        """For each share of the classes the depth that comes nearest to it, each once, the most classes first."""
        if self.unseen:
            return {9: 134, 7: 73, 5: 18} if len(shares) > 1 else {7: 73}
        chosen = [
            min(self.depths, key=lambda d: (abs(np.log(self.depths[d] / (s * len(self.leaves)))), d)) for s in shares if self.depths
        ]
        return {d: self.depths[d] for d in sorted(set(chosen), reverse=True)}

    def need_hierarchy(self, question: str) -> None:
        """Raise UsageError, with how to get one, where there is no hierarchy to ask of."""
        if not self.unseen and not self.depths:
            raise UsageError(
                f"the question {question!r} needs a class hierarchy with something to merge, and this source has none",
                "Nest the class folders (animals/dogs/1.jpg), or pack it with one: seedbed pack SOURCE STORE --hierarchy wordnet|FILE.",
            )


def look(source: str) -> Facts:
    """Facts of a source; where it cannot be opened, those of a usual one, with the reason."""
    try:
        return _facts_of_store(Store.open(source)) if Store.is_at(source) else _facts(source)
    except SeedbedError as error:
        return Facts(leaves=tuple(map(str, range(200))), sizes=(500,) * 200, hierarchy=None, unseen=error.message.split("\n")[0])


def _facts(source: str) -> Facts:
    opened = open_source(source)
    rows = opened.splits == TRAIN
    share = (
        1.0 if len(set(opened.splits.tolist())) > 1 else 1 - HELD_OUT_SHARE
    )  # packing takes a test split off a source without one
    sizes = np.floor(share * np.bincount(opened.leaves[rows], minlength=len(opened.classes))).astype(int)
    tree, text = opened.hierarchy, None
    if tree is None and all(is_synset(label) for label in opened.classes):
        tree, text = open_hierarchy("wordnet", opened.classes), "wordnet"
    return Facts(leaves=opened.classes, sizes=tuple(sizes.tolist()), hierarchy=tree, hierarchy_text=text)


def _facts_of_store(store: Store) -> Facts:
    tree, text = store.hierarchy, None
    if tree is None and all(is_synset(label) for label in store.classes):
        tree, text = open_hierarchy("wordnet", store.classes), "wordnet"
    sizes = np.bincount(store.leaves[store.splits == TRAIN], minlength=len(store.classes))
    return Facts(leaves=store.classes, sizes=tuple(sizes.tolist()), hierarchy=tree, hierarchy_text=text)


@dataclass(frozen=True)
class ArmLine:
    """An arm of a study file: a recipe, or settings, and what is to be said of it."""

    name: str
    recipe: str | None = ""
    comment: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)

    def crossed(self, backbone: str) -> ArmLine:
        """The same arm with another network."""
        return ArmLine(f"{self.name}-{_slug(backbone)}", self.recipe, "", {**self.settings, "backbone": backbone})

    @property
    def value(self) -> str:
        if not self.settings:
            return _toml(self.recipe)
        given = {} if not self.recipe else {"recipe": self.recipe}
        return "{ " + ", ".join(f"{k} = {_toml(v)}" for k, v in (given | dict(self.settings)).items()) + " }"


RANDOM = ArmLine("random", None, "no pre-training: the floor", {"init": "random"})


def _toml(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return f"{value:_}" if isinstance(value, int) else json.dumps(value, ensure_ascii=False)


def study_file(
    name: str,
    words: str,
    reference: str,
    arms: Sequence[ArmLine],
    sources: Sequence[str],
    targets: Sequence[str],
    *,
    backbones: Sequence[str] = (),
    facts: Facts | None = None,
    methods: Sequence[Method] = (_PROBE,),
    own_targets: Mapping[str, str] | None = None,
    fine_labels: bool = False,
    budgets: Sequence[int] = BUDGETS,
    seeds: str = "3              # 3 means 0, 1, 2; more seeds, narrower intervals",
    table: Mapping[str, str] | None = None,
) -> str:
    """TOML text; without a source or a target the embedded ones stand in, so that the file runs at once.

    Args:
        name, words, reference, arms: of the question.
        sources, targets: as the user named them.
        backbones: the first is that of every arm; each other one has the trained arms once more.
        facts: of the source, where the arms were fitted to it.
        methods: name, call and comment.
        own_targets: targets that the question brings, before the user's.
        fine_labels: whether arms are measured on all fine labels of the source too.
        budgets: in images seen.
        seeds: the value with its comment.
        table: several sources by name, instead of one.
    """
    if len(sources) > 1 and table is None:
        raise UsageError(f"the question {name!r} takes one source, not {len(sources)}", "Give --source once.")
    source = sources[0] if sources else EMBEDDED_SOURCE
    own = dict(own_targets or {})
    named = own | {target_name(t): t for t in _distinct(targets or ([] if own else [EMBEDDED_TARGET]), own)}
    every = [*arms, *(arm.crossed(b) for b in backbones[1:] for arm in arms)]
    width = max(len(_key(arm.name)) for arm in every)
    lines = [
        f"# {words}",
        "# Run:  seedbed study plan FILE   what it will cost;   seedbed study run FILE   then   seedbed report FILE",
        *([_UNSEEN.format(source, facts.unseen)] if facts and facts.unseen else []),
        f'question  = "{name}"',
        f'reference = "{reference}"          # what arms are compared with, but where a comment says otherwise',
        f"seeds     = {seeds}",
        "margin    = 1.0            # points: what counts as no difference worth having",
        "",
        "[source]                   # what is pre-trained on: a folder of images by class, a store, or a call",
        *_source_lines(source, table),
        *([f"hierarchy = {_toml(facts.hierarchy_text)}"] if facts and facts.hierarchy_text else []),
        *(
            ["fine_labels = true         # measure each arm on all fine labels of the source too, and what it induces"]
            if fine_labels
            else []
        ),
        "",
        "[pretraining]",
        f"backbone    = {_toml(backbones[0] if backbones else 'small(width=16)')}",
        f"images_seen = {_toml(list(budgets))}   # {_BUDGET_WORDS[len(budgets) > 1]}",
        "",
        "[arms]                     # name = recipe",
        *(f"{_key(arm.name):{width}} = {arm.value}" + (f"   # {arm.comment}" if arm.comment else "") for arm in every),
        "",
        "[targets]                  # what is transferred to",
        *(f"{_key(key)} = {_toml(value)}" for key, value in named.items()),
        "",
        "[methods]",
        *(f"{key} = {_toml(call)}" + (f"   # {comment}" if comment else "") for key, call, comment in methods),
        "",
    ]
    return "\n".join(lines)


def _source_lines(source: str, table: Mapping[str, str] | None) -> list[str]:
    if table is not None:
        inside = ", ".join(f"{_key(name)} = {_toml(data)}" for name, data in table.items())
        return [f"data    = {{ {inside} }}", "size_px = 32               # images are packed once at this size"]
    packed = [] if Store.is_at(source) else ["size_px = 32               # images are packed once at this size"]
    return [f"data    = {_toml(source)}", *packed]


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _toml(name)


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "-", text).strip("-")


def target_name(path: str) -> str:
    """A TOML key for a target: the last part of its path, or the name of its call."""
    is_call = "(" in path and not os.path.exists(path)
    stem = path.split("(")[0] if is_call else path.rstrip("/").rsplit("/", 1)[-1]
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-") or "target"
    return f"{name}-data" if name in RESERVED else name


def _distinct(targets: Sequence[str], own: Mapping[str, str]) -> list[str]:
    names = [*own, *(target_name(t) for t in targets)]
    if twice := [name for name, num in Counter(names).items() if num > 1]:
        raise UsageError(f"two targets would have the same name: {', '.join(twice)}", "Write the file and name them by hand.")
    return list(targets)
