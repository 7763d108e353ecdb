"""The study file that every question writes: commented, complete, and running as printed.

In: the question's arms, and what its source is. Out: TOML text. Knows nothing of results.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from seedbed.base.call import parse_call
from seedbed.base.errors import UsageError
from seedbed.base.toml import toml_key, toml_value
from seedbed.data.store import Store
from seedbed.models.zoo import BACKBONES, Architecture
from seedbed.transfers.methods import METHODS
from seedbed.trials.study import RESERVED
from seedbed.verdicts.questions.source_summary import Facts, asked_of

EMBEDDED_SOURCE, EMBEDDED_TARGET = "toy()", "digits()"
BUDGETS = (100_000, 300_000)
_UNSEEN = "# {} could not be looked at ({}): the arms are those of a source of 200 classes; fit depths and numbers to yours"
_PROBE = (
    "probe",
    "probe()",
    'linear SVM on the frozen codes; add: finetune = "finetune(images_seen=100_000)"',
)
_DETECT = (
    "detect",
    "detect()",
    "Faster R-CNN on all layers; every arm with the same learning rates to choose from",
)
_RETRIEVE = ("retrieve", "retrieve()", "codes, whitened on the images of learn_on")
_RETRIEVE_PLAINLY = (
    "retrieve",
    "retrieve(whiten=False)",
    "codes as they are; retrieve() whitens them on images that the target names: holidays('jpg/', learn_on='photos/')",
)
LABEL_SET_METHODS = (  # few-class training can collapse the last layer
    (
        "probe",
        "probe(layer='best')",
        "linear SVM on the codes of the layer that validation chooses, per arm",
    ),
    (
        "finetune",
        "finetune(images_seen=50_000)",
        "all layers, every arm with the same learning rates to choose from",
    ),
)
_FINE = "measure each arm on all fine labels of the source too, and what it induces"
_BUDGET_WORDS = (
    "small, as there are many nets",
    "training budgets: does the effect depend on how long one trains?",
)
Method = tuple[str, str, str]  # name, call, comment


@dataclass(frozen=True)
class ArmLine:
    """An arm of a study file: a recipe, or settings, and what is to be said of it."""

    name: str
    recipe: str | None = ""
    comment: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)

    def crossed(self, backbone: str, name: str) -> ArmLine:
        """The same arm with another network, which goes by that name."""
        return ArmLine(
            f"{self.name}-{name}", self.recipe, "", {**self.settings, "backbone": backbone}
        )

    @property
    def value(self) -> str:
        if not self.settings:
            return toml_value(self.recipe)
        given = {} if not self.recipe else {"recipe": self.recipe}
        return toml_value(given | dict(self.settings))


RANDOM = ArmLine("random", None, "no pre-training: the floor", {"init": "random"})


@dataclass(frozen=True)
class StudyFile:
    """A study file in the making; without a source or a target the embedded ones stand in, so that
    it runs at once."""

    question: str
    words: str  # the question in words
    reference: str
    arms: Sequence[ArmLine]
    sources: Sequence[str]  # as the user named them
    targets: Sequence[str]
    _: KW_ONLY
    # the first is that of every arm; each other one has the arms once more
    backbones: Sequence[str] = ()
    facts: Facts | None = None  # of the source, where the arms were fitted to it
    methods: Sequence[Method] = (_PROBE,)
    # targets that the question brings, before the user's
    own_targets: Mapping[str, str] = field(default_factory=dict)
    fine_labels: bool = False  # whether arms are measured on all fine labels of the source too
    budgets: Sequence[int] = BUDGETS  # in images seen
    # the value with its comment
    seeds: str = "3              # 3 means 0, 1, 2; more seeds, narrower intervals"
    table: Mapping[str, str] | None = None  # several sources by name, instead of one
    remarks: Sequence[str] = ()  # on the arms, above them

    def text(self) -> str:
        """The file; raises UsageError for more sources than the question takes, an unknown network,
        or two of one name."""
        if self.table is None:
            one_source(self.question, self.sources)
        self._check_backbones()
        tables = (
            self._top(),
            self._source(),
            self._pretraining(),
            self._arms(),
            self._targets(),
            self._methods(),
        )
        return "\n\n".join("\n".join(lines) for lines in tables) + "\n"

    def _check_backbones(self) -> None:
        made: list[tuple[str, Architecture]] = []
        for text in self.backbones:
            network = BACKBONES.make(text)
            if same := [other for other, known in made if known == network]:
                raise UsageError(
                    f"the backbones {same[0]} and {text} are one network",
                    "Each arm would be the same training twice.",
                )
            made.append((text, network))

    @property
    def _first(self) -> str:
        return self.sources[0] if self.sources else EMBEDDED_SOURCE

    def _top(self) -> list[str]:
        unseen = (
            [_UNSEEN.format(self._first, self.facts.unseen)]
            if self.facts and self.facts.unseen
            else []
        )
        return [
            f"# {self.words}",
            "# Run:  seedbed study plan FILE   what it will cost;   seedbed study run FILE   then   seedbed report FILE",
            *unseen,
            f'question  = "{self.question}"',
            f'reference = "{self.reference}"          # what arms are compared with, except where a comment says otherwise',
            f"seeds     = {self.seeds}",
            "margin    = 1.0            # points: what counts as no difference worth having",
        ]

    def _source(self) -> list[str]:
        named = list((self.table or {"": self._first}).values())
        stored = {Store.open(data).size_px for data in named if Store.is_at(data)}
        if len(stored) > 1:
            raise UsageError(
                f"the stores are packed at {' and '.join(map(str, sorted(stored)))} px, and one source has one size",
                "Pack them at one size, or name the images instead.",
            )
        is_packed = all(map(Store.is_at, named)) and self.table is None
        size_px = next(iter(stored), 32)
        hierarchy = self.facts.hierarchy_text if self.facts else None
        return [
            "[source]                   # what is pre-trained on: a folder of images by class, a store, or a call",
            f"data    = {toml_value(self.table or self._first)}",
            *(
                []
                if is_packed
                else [f"size_px = {size_px}               # images are packed once at this size"]
            ),
            *([f"hierarchy = {toml_value(hierarchy)}"] if hierarchy else []),
            *([f"fine_labels = true         # {_FINE}"] if self.fine_labels else []),
        ]

    def _pretraining(self) -> list[str]:
        return [
            "[pretraining]",
            f"backbone    = {toml_value(self.backbones[0] if self.backbones else 'small(width=16)')}",
            f"images_seen = {toml_value(list(self.budgets))}   # {_BUDGET_WORDS[len(self.budgets) > 1]}",
        ]

    def _arms(self) -> list[str]:
        others = list(zip(self.backbones, _network_names(self.backbones), strict=True))[1:]
        every = [
            *self.arms,
            *(arm.crossed(backbone, name) for backbone, name in others for arm in self.arms),
        ]
        width = max(len(toml_key(arm.name)) for arm in every)
        lines = [
            f"{toml_key(arm.name):{width}} = {arm.value}"
            + (f"   # {arm.comment}" if arm.comment else "")
            for arm in every
        ]
        return [
            "[arms]                     # name = recipe",
            *(f"# {remark}" for remark in self.remarks),
            *lines,
        ]

    def _targets(self) -> list[str]:
        given = self.targets or ([] if self.own_targets else [EMBEDDED_TARGET])
        names = [*self.own_targets, *map(target_name, given)]
        if twice := [name for name, num in Counter(names).items() if num > 1]:
            raise UsageError(
                f"two targets would have the same name: {', '.join(twice)}",
                "Write the file and name them by hand.",
            )
        named = zip(names, [*self.own_targets.values(), *given], strict=True)
        return [
            "[targets]                  # what is transferred to",
            *(f"{toml_key(key)} = {toml_value(value)}" for key, value in named),
        ]

    def _methods(self) -> list[str]:
        return [
            "[methods]",
            *(
                f"{key} = {toml_value(call)}   # {comment}"
                for key, call, comment in self._fitting()
            ),
        ]

    def _fitting(self) -> list[Method]:
        """The question's methods, as far as some target takes them, and one for each target that
        takes none of these."""
        tasks = [asked_of(target) for target in self.targets]
        kinds = {kind for kind, _ in tasks} | (
            {"classification"} if self.own_targets or not tasks else set()
        )
        found = [method for method in self.methods if kinds & set(METHODS.make(method[1]).takes)]
        if "detection" in kinds:
            found.append(_DETECT)
        if "retrieval" in kinds:
            found.append(
                _RETRIEVE
                if all(named for kind, named in tasks if kind == "retrieval")
                else _RETRIEVE_PLAINLY
            )
        return found


def one_source(question: str, sources: Sequence[str]) -> str:
    """The source of a question that takes one, the embedded one where none is given; raises
    UsageError for more."""
    if len(sources) > 1:
        raise UsageError(
            f"the question {question!r} takes one source, not {len(sources)}", "Give --source once."
        )
    return sources[0] if sources else EMBEDDED_SOURCE


def rounded_share(share: float) -> float:
    """A share of a budget as a study file says it: three digits are enough of what is equal on
    average."""
    return float(f"{share:.3g}")


def _network_names(backbones: Sequence[str]) -> list[str]:
    """What arms are called after their networks: the network's own name, with its settings where
    that does not tell them apart."""
    short = [_slug(_own_name(text)) for text in backbones]
    names = [
        name if short.count(name) == 1 else _slug(text)
        for name, text in zip(short, backbones, strict=True)
    ]
    return [name if names.count(name) == 1 else f"{name}-{i}" for i, name in enumerate(names, 1)]


def _own_name(backbone: str) -> str:
    """The network of a call: `resnet18(stem='small')` is a resnet18, `timm('test_resnet')` a
    test_resnet."""
    call = parse_call(backbone, "backbone")
    named = [*call.args, call.kwargs.get("name")]
    return (
        named[0]
        if call.name in ("timm", "torchvision") and isinstance(named[0], str)
        else call.name
    )


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "-", text).strip("-")


def target_name(data: str) -> str:
    """A TOML key for a target: the last part of its path, or the name of its call where that has no
    path."""
    path = data
    if "(" in data and not os.path.exists(data):
        call = parse_call(data, "data set")
        given = [*call.args, *(call.kwargs.get(key) for key in ("path", "file", "name"))]
        path = next((value for value in given if isinstance(value, str)), call.name)
    return key_of(path.rstrip("/").rsplit("/", 1)[-1])


def key_of(words: str) -> str:
    """A TOML key that one can type, of any words."""
    name = re.sub(r"[^\w-]+", "-", words).strip("-") or "target"
    return f"{name}-data" if name in RESERVED else name
