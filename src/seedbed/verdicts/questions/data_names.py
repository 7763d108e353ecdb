"""Data sets as a study file names them: paths, calls, and the keys of targets.

In: paths, call strings and stores. Out: text for a study.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seedbed.base.call import parse_call
from seedbed.base.errors import BadDataError, UsageError
from seedbed.base.paths import expand_user
from seedbed.data.formats import FORMATS, parse_data
from seedbed.data.store import Store
from seedbed.engine.data_spec import STUDY_SOURCE, read_data, read_target
from seedbed.trials.study import RESERVED

DataName = str | os.PathLike[str] | Store  # data that a study file can name


def resolve_data_names(
    data: DataName | Sequence[DataName], folder: Path, *, as_target: bool = False
) -> list[str]:
    """Data as text for a study file, with relative paths resolved against a folder.

    Raises:
        UsageError: data that have no path, or an invalid call string.
        BadDataError: there is nothing at a path.
    """
    names: Sequence[Any] = data if isinstance(data, list | tuple) else [data]
    return [_resolve_data_name(name, folder, as_target) for name in names]


def _resolve_data_name(data: DataName, folder: Path, as_target: bool) -> str:
    if not isinstance(data, str | os.PathLike | Store) or not data:
        raise UsageError(
            f"{data!r} is not a path, a call string or a store",
            "A study file names its data: pack a Source first, sb.pack(...).",
        )
    name = str(data.path.resolve() if isinstance(data, Store) else os.fspath(data))
    if os.path.exists(folder / name):
        name = str(folder / name)
    elif "(" in name and name.partition("(")[0].strip() != STUDY_SOURCE:
        name = str(parse_data(name, folder))
    if is_missing(name, folder, as_target=as_target):
        raise BadDataError(f"there is no {name}", f"Paths are relative to the folder {folder}.")
    return name


def is_missing(data: str, folder: Path, *, as_target: bool = False) -> bool:
    """Whether there is nothing at a path that a data set names, by itself or in a call. Raises
    UsageError for an invalid call string."""
    spec = read_target(data, "target", folder) if as_target else read_data(data, "source")
    if as_target and spec.is_study_source:
        return False
    parts = spec.data.values() if isinstance(spec.data, Mapping) else [spec.data]
    return any(_has_missing_path(str(part), folder) for part in parts)


def _has_missing_path(data: str, folder: Path) -> bool:
    data_format = FORMATS.make(parse_data(data, folder), f"data set {data!r}")
    if getattr(data_format, "download", False):
        return False
    values = [getattr(data_format, name) for name in data_format.paths]
    paths = [value for value in values if isinstance(value, str) and not set("{*") & set(value)]
    return any(not os.path.exists(folder / expand_user(path)) for path in paths)


def target_name(data: str, folder: Path) -> str:
    """The key of a target: the last part of its path, or the name of a call that has no path."""
    path = data
    if "(" in data and not os.path.exists(folder / expand_user(data)):
        call = parse_call(data, "data set")
        values = [*call.args, *(call.kwargs.get(key) for key in ("path", "file", "name"))]
        path = next((value for value in values if isinstance(value, str)), call.name)
    return to_key(path.rstrip("/").rsplit("/", 1)[-1])


def to_key(text: str) -> str:
    """A short key of any text, for an arm or a target."""
    name = re.sub(r"[^\w-]+", "-", text).strip("-") or "target"
    return f"{name}-data" if name in RESERVED else name
