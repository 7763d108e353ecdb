"""DataSpec: a data set as a user declares it, before anything is opened.

In: a path, a call string, a table of sources, a Source, a Store. Out: one validated frozen record.
`engine.opening` opens it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seedbed.base.call import Call, parse_call
from seedbed.base.errors import UsageError, at_place, unknown
from seedbed.base.spec import setting_names
from seedbed.data.formats import FORMATS, parse_data
from seedbed.data.source import Source
from seedbed.data.store import Store
from seedbed.metrics import METRICS
from seedbed.tasks.catalogue import TASK_OF_ANNOTATIONS, TASKS
from seedbed.tasks.domains import LABELLED, LEARN_ON, TARGET

# As a target: the study's own source, with a recipe of its own.
STUDY_SOURCE = "source"
_TASK_SETTINGS = ("train_per_class", "recipe", "metric")
# Settings of a target that may stand in its call string, beside those of its format.
_TARGET_SETTINGS = ("size_px", "hierarchy", "labelled", "learn_on", *_TASK_SETTINGS)
_PART_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
_MIN_PX, _MAX_PX = 8, 1024


@dataclass(frozen=True, kw_only=True)
class DataSpec:
    """A data set: what it is, and for a target, which task it poses.

    Attributes:
        data: a path, a call string, a Source or a Store; or a mapping of names to these, which are
            concatenated to one source whose labels are `name/label`.
        size_px: side at which images are packed, px.
        hierarchy: "wordnet", or a file; or one for each of several sources.
        train_per_class: use so many training images of each class only.
        recipe: of the classes and images of the target (docs: recipes).
        metric: the primary one.
        labelled: another domain with the same classes, where the labels come from.
        learn_on: images to fit a whitening on, for retrieval.
    """

    data: str | os.PathLike[str] | Source | Store | Mapping[str, Any]
    size_px: int | None = None
    hierarchy: str | Mapping[str, str] | None = None
    train_per_class: int | None = None
    recipe: str | None = None
    metric: str | None = None
    labelled: str | None = None
    learn_on: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", self._normalised_data())
        if isinstance(self.data, Mapping):
            _check_parts(self.data)
        if isinstance(self.hierarchy, Mapping):
            _check_hierarchies(self.hierarchy, self.data)
        if self.metric is not None and self.metric not in METRICS:
            raise unknown("metric", self.metric, METRICS)
        if self.size_px is not None and not (
            is_number(self.size_px, int) and _MIN_PX <= self.size_px <= _MAX_PX
        ):
            raise UsageError(
                f"size_px = {self.size_px!r} is not a whole number in {_MIN_PX}..{_MAX_PX}"
            )
        if self.metric is None or METRICS.get(self.metric).primary_for:
            TASKS.make(self.single_label_task())

    def _normalised_data(self) -> Any:
        """Paths as text; two domains as a mapping."""
        if self.labelled is not None and self.learn_on is not None:
            raise UsageError(
                "labelled = ... and learn_on = ... cannot be combined",
                "labelled is for adapt() and detect() between two domains; learn_on is for the "
                "whitening of retrieve().",
            )
        data = os.fspath(self.data) if isinstance(self.data, os.PathLike) else self.data
        if isinstance(data, Mapping):
            return data
        if self.labelled is not None:
            if self.train_per_class is not None or self.recipe is not None:
                raise UsageError(
                    "labelled = ... cannot be combined with train_per_class or recipe",
                    "Select the images in the folders themselves.",
                )
            return {LABELLED: self.labelled, TARGET: data}
        return data if self.learn_on is None else {LEARN_ON: self.learn_on, TARGET: data}

    @property
    def is_study_source(self) -> bool:
        """Whether it is the study's own source, as a target."""
        return self.data == STUDY_SOURCE

    def task_call(self, store: Store, method_tasks: Sequence[str] = ()) -> str:
        """The call of the task that these images pose: by their annotations, and where these allow
        several tasks, by the ones that a method takes."""
        kind = TASK_OF_ANNOTATIONS.get(store.annotation_kind or "")
        is_ranked = (
            kind is None
            and "retrieval" in method_tasks
            and "classification" not in method_tasks
            and self.labelled is None
        )
        if kind is None and not is_ranked:
            return str(self.single_label_task())
        for name in ("train_per_class", "recipe"):
            if (value := getattr(self, name)) is not None:
                reason = "retrieve() uses no labels" if is_ranked else f"{store.name} has others"
                raise UsageError(
                    f"{name} = {value!r} is for images with one label each, and {reason}",
                    f"Leave {name} out.",
                )
        metric = {"metric": self.metric} if self.metric else {}
        return str(Call(name=kind or "retrieval", kwargs=metric))

    def single_label_task(self) -> Call:
        """The call of the task of images with one label each."""
        if self.labelled is not None:
            return Call(name="adaptation", kwargs={"metric": self.metric} if self.metric else {})
        settings = {name: getattr(self, name) for name in _TASK_SETTINGS}
        return Call(
            name="classification",
            kwargs={name: value for name, value in settings.items() if value is not None},
        )


def read_data(value: Any, where: str) -> DataSpec:
    """A DataSpec of any value that can stand for a data set; raises UsageError for others."""
    if isinstance(value, DataSpec):
        return value
    if isinstance(value, str | os.PathLike | Source | Store | Mapping):
        return DataSpec(data=value)
    raise UsageError(
        f"{where} = {value!r} is not a data set", "Give a path, a call string, a Source or a Store."
    )


def read_target(value: Any, name: str, folder: Path) -> DataSpec:
    """A DataSpec of a study's target `name`.

    Settings of the target may stand in its call string: `folder('cells/', train_per_class=5)`.

    Args:
        folder: paths are relative to it.
    """
    data = read_data(value, f"[targets] {name}")
    with at_place(f"[targets] {name}"):
        return _split_call(data, folder)


def read_task(task: Any, **overrides: Any) -> DataSpec:
    """A DataSpec of the data that a verb is called with; `overrides` that are None do not count."""
    options = {name: value for name, value in overrides.items() if value is not None}
    if isinstance(task, str | os.PathLike):
        spec = _split_call(DataSpec(data=os.fspath(task)), Path())
        return replace(spec, **options) if options else spec
    return DataSpec(data=task, **options)


def _split_call(spec: DataSpec, folder: Path) -> DataSpec:
    """Move the target's settings from a call string to their fields."""
    text = spec.data
    if isinstance(text, Mapping) and spec.labelled is None and spec.learn_on is None:
        raise UsageError(
            "a target cannot be a table of data sets", "Give each data set a target of its own."
        )
    is_call = isinstance(text, str) and ("(" in text or spec.is_study_source)
    if not isinstance(text, str) or not is_call or os.path.exists(folder / text):
        return spec
    is_source = text.partition("(")[0].strip() == STUDY_SOURCE
    call = parse_call(text, "data set") if is_source else parse_data(text)
    format_settings: list[str] = []
    if not is_source:
        format_settings = setting_names(FORMATS.get(call.name))
    settings = _TASK_SETTINGS if is_source else _TARGET_SETTINGS
    for key in call.kwargs:
        if key not in (*format_settings, *settings):
            raise unknown("key", key, (*format_settings, *settings), text)
    overrides = {key: call.kwargs[key] for key in settings if key in call.kwargs}
    remaining = {key: value for key, value in call.kwargs.items() if key not in overrides}
    if is_source:
        return replace(spec, data=STUDY_SOURCE, **overrides)
    rest = str(Call(name=call.name, args=call.args, kwargs=remaining))
    return replace(spec, data=rest, **overrides) if overrides else spec


def is_number(value: Any, *types: type) -> bool:
    """Whether a value is of one of these number types; True and False are not."""
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
        if not _PART_NAME.fullmatch(str(name)):
            raise UsageError(
                f"source name {name!r} must be letters, digits, '_', '-' and '.'",
                "Its labels become name/label.",
            )
        if not isinstance(data, str | os.PathLike | Source | Store):
            raise UsageError(
                f"source {name!r} = {data!r} is not a data set",
                "Give a path, a call string, a Source or a Store.",
            )
