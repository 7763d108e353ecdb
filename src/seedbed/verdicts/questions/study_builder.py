"""Build the study of a question: complete, commented, and ready to run.

In: the arms of the question, and the data and networks that the user named. Out: a Study.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from seedbed.base.call import parse_call
from seedbed.base.errors import UsageError
from seedbed.base.paths import expand_user
from seedbed.data.store import Store
from seedbed.engine.opening import packing_px
from seedbed.models.zoo import BACKBONES, Architecture
from seedbed.transfers.methods import METHODS
from seedbed.trials.arms import Pretraining
from seedbed.trials.study import Study
from seedbed.verdicts.questions.data_names import target_name
from seedbed.verdicts.questions.source_summary import SourceSummary, task_of_target

EMBEDDED_SOURCE, EMBEDDED_TARGET = "toy()", "digits()"
BUDGETS = (100_000, 300_000)
_HOW_TO_RUN = (
    "Run:  seedbed study plan FILE   what it will cost;   seedbed study run FILE   then   "
    "seedbed report FILE"
)
_NOT_OPENED = (
    "{} could not be opened ({}): the arms are those of a source of 200 classes; adapt depths and "
    "numbers to yours"
)
_FINE_LABELS = "measure each arm on all fine labels of the source too, and what it induces"
_ONE_BUDGET = "small, as many networks are trained"
_SEVERAL_BUDGETS = "training budgets: does the effect depend on how long one trains?"


class Method(NamedTuple):
    """A method of a study: its name, its call, and a comment."""

    name: str
    call: str
    comment: str


PROBE = Method(
    "probe",
    "probe()",
    'linear SVM on the frozen codes; add: finetune = "finetune(images_seen=100_000)"',
)
_DETECT = Method(
    "detect",
    "detect()",
    "Faster R-CNN on all layers; every arm with the same learning rates to choose from",
)
_RETRIEVE = Method("retrieve", "retrieve()", "codes, whitened on the images of learn_on")
_RETRIEVE_PLAIN = Method(
    "retrieve",
    "retrieve(whiten=False)",
    "codes as they are; retrieve() whitens them on images that the target names: "
    "holidays('jpg/', learn_on='photos/')",
)
# For arms that differ in their label sets: training on few classes can collapse the last layer.
LABEL_SET_METHODS = (
    Method(
        "probe",
        "probe(layer='best')",
        "linear SVM on the codes of the layer that validation chooses, per arm",
    ),
    Method(
        "finetune",
        "finetune(images_seen=50_000)",
        "all layers, every arm with the same learning rates to choose from",
    ),
)


@dataclass(frozen=True)
class CommentedArm:
    """An arm: a recipe, settings of its own, and a comment."""

    name: str
    recipe: str = ""
    comment: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)

    def with_network(self, backbone: str, name: str) -> CommentedArm:
        """The same arm with another network, whose name is added to the arm's."""
        settings = {**self.settings, "backbone": backbone}
        return CommentedArm(f"{self.name}-{name}", self.recipe, "", settings)

    @property
    def table(self) -> dict[str, Any]:
        """The arm as a table of a study."""
        return {"recipe": self.recipe, **self.settings}


RANDOM = CommentedArm("random", "", "no pre-training: the floor", {"init": "random"})


@dataclass(frozen=True)
class StudyBuilder:
    """What a question puts into its study; the embedded data stand in for a source or a target that
    the user does not name."""

    question: str
    words: str  # the question in words
    reference: str
    arms: Sequence[CommentedArm]
    sources: Sequence[str]  # as the user named them
    targets: Sequence[str]
    # every arm has the first; the arms are repeated with each other one
    backbones: Sequence[str]
    folder: Path  # relative paths start here
    _: KW_ONLY
    # of the source, if the arms were fitted to it
    summary: SourceSummary | None = None
    methods: Sequence[Method] = (PROBE,)
    # targets of the question, before those of the user
    extra_targets: Mapping[str, str] = field(default_factory=dict)
    fine_labels: bool = False
    budgets: Sequence[int] = BUDGETS  # in images seen
    num_seeds: int = 3
    # several sources by name, instead of one
    named_sources: Mapping[str, str] | None = None
    comments: Mapping[str, str] = field(default_factory=dict)

    def build(self) -> Study:
        """The study.

        Raises:
            UsageError: more sources than the question takes, an unknown network, or two targets of
                one name.
        """
        if self.named_sources is None:
            one_source(self.question, self.sources)
        _check_networks(self.backbones)
        hierarchy = self.summary.hierarchy_setting if self.summary else None
        size_px = self._size_px()
        arms = self._arms()
        targets = self._targets()
        methods = self._methods()
        return Study(
            name=self.question,
            question=self.question,
            source=self.named_sources or self._source,
            size_px=size_px,
            hierarchy=hierarchy,
            fine_labels=self.fine_labels,
            pretraining=self._pretraining(),
            arms={arm.name: arm.table for arm in arms},
            reference=self.reference,
            targets=targets,
            methods={method.name: method.call for method in methods},
            seeds=self.num_seeds,
            folder=self.folder.resolve(),
            comments=self._comments(arms, methods),
        )

    @property
    def _source(self) -> str:
        return self.sources[0] if self.sources else EMBEDDED_SOURCE

    def _size_px(self) -> int | None:
        """The size at which the source is packed; None for a store, which has one."""
        names = list((self.named_sources or {"": self._source}).values())
        paths = [self.folder / expand_user(name) for name in names]
        sizes = {Store.open(path).size_px for path in paths if Store.is_at(path)}
        if len(sizes) > 1:
            raise UsageError(
                f"the stores are packed at {' and '.join(map(str, sorted(sizes)))} px, and one "
                "source has one size",
                "Pack them at one size, or name the images instead.",
            )
        if self.named_sources is None and sizes:
            return None
        return packing_px(next(iter(sizes), None))

    def _pretraining(self) -> Pretraining:
        budgets = tuple(self.budgets)
        if not self.backbones:
            return Pretraining(images_seen=budgets)
        return Pretraining(backbone=self.backbones[0], images_seen=budgets)

    def _arms(self) -> list[CommentedArm]:
        """The arms, and each of them again with every network after the first."""
        networks = list(zip(self.backbones, _network_names(self.backbones), strict=True))[1:]
        crossed = [arm.with_network(*network) for network in networks for arm in self.arms]
        return [*self.arms, *crossed]

    def _targets(self) -> dict[str, str]:
        user_targets = self.targets or ([] if self.extra_targets else [EMBEDDED_TARGET])
        names = [target_name(target, self.folder) for target in user_targets]
        counts = Counter([*self.extra_targets, *names])
        if repeated := [name for name, num in counts.items() if num > 1]:
            raise UsageError(
                f"two targets would have the same name: {', '.join(repeated)}",
                "Write the file and name them by hand.",
            )
        return {**self.extra_targets, **dict(zip(names, user_targets, strict=True))}

    def _methods(self) -> list[Method]:
        """The question's methods that some target takes, and one for each kind of target that takes
        none of them."""
        tasks = [task_of_target(target, self.folder) for target in self.targets]
        kinds = {kind for kind, _ in tasks}
        if self.extra_targets or not tasks:
            kinds.add("classification")
        methods = [m for m in self.methods if kinds & set(METHODS.make(m.call).takes)]
        if "detection" in kinds:
            methods.append(_DETECT)
        if "retrieval" in kinds:
            can_whiten = all(has_images for kind, has_images in tasks if kind == "retrieval")
            methods.append(_RETRIEVE if can_whiten else _RETRIEVE_PLAIN)
        return methods

    def _comments(self, arms: Iterable[CommentedArm], methods: Iterable[Method]) -> dict[str, str]:
        lines = [self.words, _HOW_TO_RUN]
        if self.summary and self.summary.not_opened:
            lines.append(_NOT_OPENED.format(self._source, self.summary.not_opened))
        return {
            "": "\n".join(lines),
            "source.fine_labels": _FINE_LABELS,
            "pretraining.images_seen": _SEVERAL_BUDGETS if len(self.budgets) > 1 else _ONE_BUDGET,
            **{f"arms.{arm.name}": arm.comment for arm in arms},
            **{f"methods.{method.name}": method.comment for method in methods},
            **self.comments,
        }


def one_source(question: str, sources: Sequence[str]) -> str:
    """The source of a question that takes one, the embedded one if there is none; raises UsageError
    for more."""
    if len(sources) > 1:
        raise UsageError(
            f"the question {question!r} takes one source, not {len(sources)}", "Give --source once."
        )
    return sources[0] if sources else EMBEDDED_SOURCE


def rounded_share(share: float) -> float:
    """A share of a budget with three digits, enough for exposures that are equal on average."""
    return float(f"{share:.3g}")


def _check_networks(backbones: Sequence[str]) -> None:
    """Raise UsageError for an unknown network, and for two that are the same."""
    texts: list[tuple[str, Architecture]] = []
    for text in backbones:
        network = BACKBONES.make(text)
        if same := [other for other, known in texts if known == network]:
            raise UsageError(
                f"the backbones {same[0]} and {text} are one network",
                "Each arm would be the same training twice.",
            )
        texts.append((text, network))


def _network_names(backbones: Sequence[str]) -> list[str]:
    """Short names for networks: the name alone, with settings if several have that name, with a
    number if they are still equal."""
    short = [_to_name(_architecture_name(text)) for text in backbones]
    names = [
        name if short.count(name) == 1 else _to_name(text)
        for name, text in zip(short, backbones, strict=True)
    ]
    return [name if names.count(name) == 1 else f"{name}-{i}" for i, name in enumerate(names, 1)]


def _architecture_name(backbone: str) -> str:
    """The name of a network: resnet18 for `resnet18(stem='small')`, test_resnet for
    `timm('test_resnet')`."""
    call = parse_call(backbone, "backbone")
    first = [*call.args, call.kwargs.get("name")][0]
    is_library = call.name in ("timm", "torchvision")
    return first if is_library and isinstance(first, str) else call.name


def _to_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "-", text).strip("-")
