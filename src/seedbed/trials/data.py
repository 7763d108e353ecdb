"""What a study says of its data: the source and the targets, as they are declared.

In: a path, a call string, a table of sources, a Source, a Store. Out: one checked frozen record,
which knows the task that it is as a target. Opens nothing; `datasets` does.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from seedbed.base.call import Call, parse_call
from seedbed.base.errors import UsageError, unknown
from seedbed.data.source import Source
from seedbed.data.store import Store
from seedbed.metrics import METRICS
from seedbed.tasks.catalogue import OF_ANNOTATIONS, TASKS
from seedbed.tasks.domains import LABELLED, LEARN_ON, TARGET

OWN_SOURCE = "source"  # as a target: the study's own source, with a recipe of its own
_OF_TASK = ("train_per_class", "recipe", "metric")
_OF_ONE_LABEL = ("top1", "mean_class_accuracy")
# what a target may say beside its format's own settings
_OF_TARGET = ("size_px", "hierarchy", "labelled", "learn_on", *_OF_TASK)
_PART = re.compile(r"[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True, kw_only=True)
class DataSpec:
    """A data set of a study: where it is, and at which size it is packed; a target may be a part of
    it.

    `data` may be a mapping of names to data sets: one source made of several, whose labels become
    `name/label`.
    """

    data: str | os.PathLike[str] | Source | Store | Mapping[str, Any]
    size_px: int | None = None
    hierarchy: str | Mapping[str, str] | None = None  # or one for each of several sources
    train_per_class: int | None = None
    recipe: str | None = None
    metric: str | None = None
    # of a target: where the labels come from, another domain with the same classes
    labelled: str | None = None
    # of a target of retrieval: the images that a whitening is fitted on
    learn_on: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.data, os.PathLike):
            object.__setattr__(self, "data", os.fspath(self.data))
        if self.labelled is not None and self.learn_on is not None:
            raise UsageError(
                "labelled = ... and learn_on = ... do not go together",
                "labelled is for adapt() and detect() between two domains, learn_on for the whitening of retrieve().",
            )
        if self.labelled is not None and not isinstance(self.data, Mapping):
            if self.train_per_class is not None or self.recipe is not None:
                raise UsageError(
                    "labelled = ... goes with neither train_per_class nor recipe",
                    "Thin or select the folders themselves.",
                )
            object.__setattr__(self, "data", {LABELLED: self.labelled, TARGET: self.data})
        if self.learn_on is not None and not isinstance(self.data, Mapping):
            object.__setattr__(self, "data", {LEARN_ON: self.learn_on, TARGET: self.data})
        if isinstance(self.data, Mapping):
            _check_parts(self.data)
        if isinstance(self.hierarchy, Mapping):
            _check_hierarchies(self.hierarchy, self.data)
        if self.metric is not None and self.metric not in METRICS:
            raise unknown("metric", self.metric, METRICS)
        if self.size_px is not None and not (
            is_number(self.size_px, int) and 8 <= self.size_px <= 1024
        ):
            raise UsageError(f"size_px = {self.size_px!r} is not a whole number in 8..1024")
        if self.metric is None or self.metric in _OF_ONE_LABEL:
            TASKS.make(self.one_label())

    @property
    def is_own_source(self) -> bool:
        """Whether it is the study's own source, as a target."""
        return self.data == OWN_SOURCE

    def task_of(self, store: Store, takes: Sequence[str] = ()) -> str:
        """The call of the task that its images are: by what is known of them, and by what a method
        takes where they allow several."""
        given: dict[str, Any] = {"metric": self.metric} if self.metric else {}
        kind = OF_ANNOTATIONS.get(store.annotated or "")
        is_ranked = (
            kind is None
            and "retrieval" in takes
            and "classification" not in takes
            and self.labelled is None
        )
        if kind is None and not is_ranked:
            return str(self.one_label())
        kind = kind or "retrieval"
        if said := [
            name for name in ("train_per_class", "recipe") if getattr(self, name) is not None
        ]:
            why = "retrieve() looks at no label" if is_ranked else f"{store.name} has other ones"
            raise UsageError(
                f"{said[0]} = {getattr(self, said[0])!r} goes with learning from images of one label each, and {why}",
                f"Leave {said[0]} out.",
            )
        return str(Call(name=kind, kwargs=given))

    def one_label(self) -> Call:
        """The call of the task of images with one label each."""
        if self.labelled is not None:
            return Call(name="adaptation", kwargs={"metric": self.metric} if self.metric else {})
        return Call(
            name="classification",
            kwargs={name: value for name in _OF_TASK if (value := getattr(self, name)) is not None},
        )


def read_data(value: Any, where: str, **defaults: Any) -> DataSpec:
    """A data set from whatever may stand for one; raises UsageError for anything else."""
    if isinstance(value, DataSpec):
        return value
    if isinstance(value, str | os.PathLike | Source | Store | Mapping):
        return DataSpec(data=value, **defaults)
    raise UsageError(
        f"{where} = {value!r} is not a data set", "Give a path, a call string, a Source or a Store."
    )


def read_target(value: Any, name: str, folder: Path) -> DataSpec:
    """A target's own settings are taken out of its call string: folder('cells/', size_px=32,
    train_per_class=5)."""
    data = read_data(value, f"[targets] {name}")
    if isinstance(data.data, Mapping) and data.labelled is None and data.learn_on is None:
        raise UsageError(
            f"[targets] {name} is a table of data sets",
            "A target is one data set; give each a name of its own.",
        )
    if (
        not isinstance(data.data, str)
        or ("(" not in data.data and not data.is_own_source)
        or os.path.exists(folder / data.data)
    ):
        return data
    from seedbed.data.formats import FORMATS, parse_data

    of_source = data.data.partition("(")[0].strip() == OWN_SOURCE
    call = parse_call(data.data, "data set") if of_source else parse_data(data.data)
    of_format = [] if of_source else [f.name for f in fields(FORMATS.get(call.name))]  # pyright: ignore[reportArgumentType]
    of_target = _OF_TASK if of_source else _OF_TARGET
    for key in call.kwargs:
        if key not in (*of_format, *of_target):
            raise unknown("key", key, (*of_format, *of_target), f"[targets] {name}: {data.data}")
    own = {key: call.kwargs[key] for key in of_target if key in call.kwargs}
    rest = Call(
        name=call.name,
        args=call.args,
        kwargs={key: value for key, value in call.kwargs.items() if key not in own},
    )
    try:
        return (
            replace(data, data=OWN_SOURCE if of_source else str(rest), **own)
            if own or of_source
            else data
        )
    except UsageError as error:
        raise UsageError(f"[targets] {name}: {error.message}", error.hint) from None


def is_number(value: Any, *types: type) -> bool:
    return isinstance(value, types) and not isinstance(value, bool)


def _check_hierarchies(hierarchies: Mapping[str, str], data: Any) -> None:
    if not isinstance(data, Mapping):
        raise UsageError(
            "hierarchy is a table, and there is one source only",
            'Write hierarchy = "wordnet", or a file.',
        )
    for name in hierarchies:
        if name not in data:
            raise unknown("source", name, list(data), "[source] hierarchy")


def _check_parts(parts: Mapping[str, Any]) -> None:
    if len(parts) < 2:
        raise UsageError(
            f"a table of sources holds {len(parts)}",
            'Give two or more: data = { first = "a/", second = "b/" }.',
        )
    for name, data in parts.items():
        if not _PART.fullmatch(str(name)):
            raise UsageError(
                f"source name {name!r} must be letters, digits, '_', '-' and '.'",
                "Its labels become name/label.",
            )
        if not isinstance(data, str | os.PathLike | Source | Store):
            raise UsageError(
                f"source {name!r} = {data!r} is not a data set",
                "Give a path, a call string, a Source or a Store.",
            )
