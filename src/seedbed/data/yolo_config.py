"""Read what describes a YOLO data set: data.yaml, Darknet's obj.data, or a list of class names.

In: a folder or a file. Out: names of classes, and the folders or lists of each split as written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from seedbed.base.errors import BadDataError
from seedbed.data.boxed_images import check_class_name
from seedbed.data.image_files import files_in, subfolders
from seedbed.data.source import SPLIT_NAMES

YAML = (".yaml", ".yml")
_PREFERRED = ("data.yaml", "dataset.yaml", "data.yml", "dataset.yml")
_NAME_LISTS = ("classes.txt", "obj.names", "_darknet.labels")
_MAX_BYTES = 1_000_000  # longer YAML files describe something else


@dataclass(frozen=True, kw_only=True)
class YoloConfig:
    """A description of a data set."""

    file: Path | None  # None: there is none
    names: Mapping[int, str]  # number of a class -> its name; empty if unknown
    splits: Mapping[int, list[str]] = field(default_factory=dict)  # folders and lists as written
    folder: str = ""  # `path:` of data.yaml, which folders and lists are relative to
    num_keypoint_values: int = 0
    name_list: Path | None = None  # the text file that the names were read from


def is_config_file(path: Path) -> bool:
    """Whether a file is a data.yaml: it names classes and splits."""
    try:
        if path.suffix.lower() not in YAML or path.stat().st_size > _MAX_BYTES:
            return False
        document = yaml.load(path.read_text(encoding="utf-8-sig"), yaml.BaseLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return False
    return isinstance(document, dict) and (
        bool({"names", "nc"} & document.keys()) and bool(SPLIT_NAMES.keys() & document.keys())
    )


def find_config(root: Path) -> Path | None:
    """The data.yaml of a folder, or its obj.data; None if there is none.

    Raises:
        BadDataError: there are several, and none has a usual name.
    """
    names = {path.name: path for path in files_in(root, (*YAML, "obj.data"))}
    for name in _PREFERRED:
        if name in names and is_config_file(names[name]):
            return names[name]
    others = sorted(path for path in names.values() if is_config_file(path))
    if len(others) > 1:
        raise BadDataError(
            f"{root} has several files that describe a YOLO data set: "
            f"{', '.join(path.name for path in others)}",
            f"Name one: yolo({str(others[0])!r}).",
        )
    return others[0] if others else names.get("obj.data")


def read_config(file: Path) -> YoloConfig:
    """Read a data.yaml or an obj.data; raises BadDataError for a file that describes no data
    set."""
    if file.suffix.lower() not in YAML:
        return _read_darknet(file)
    try:
        # All scalars as text: in YAML 1.1 the names `no` and `yes` are truth values.
        document = yaml.load(_read_text(file), yaml.BaseLoader)
    except yaml.YAMLError as error:
        raise BadDataError(
            f"{file} is not YAML: {' '.join(str(error).split())}", "Correct it."
        ) from None
    if not isinstance(document, dict):
        raise BadDataError(
            f"{file} describes no data set", "It should have the keys names, train and val."
        )
    return YoloConfig(
        file=file,
        names=_names(document, file),
        splits={
            split: _texts(document[key], f"{file}, {key}")
            for key, split in SPLIT_NAMES.items()
            if document.get(key)
        },
        folder=str(document.get("path") or ""),
        num_keypoint_values=_num_keypoint_values(document.get("kpt_shape"), file),
    )


def find_names(root: Path) -> YoloConfig:
    """The description of a folder without data.yaml: names of classes from a text file, if there
    is one."""
    usual = ("labels", *SPLIT_NAMES)
    folders = [folder for folder in subfolders(root) if folder.name.lower() in usual]
    for folder in [root, *sorted(folders)]:
        for name in _NAME_LISTS:
            path = folder / name
            if path.is_file() and (names := _numbered(path)):
                return YoloConfig(file=None, names=names, name_list=path)
    return YoloConfig(file=None, names={})


def _read_darknet(file: Path) -> YoloConfig:
    """Darknet's obj.data: lines `key = value`, the names of classes in a file beside it."""
    rows = [line.partition("=") for line in _read_text(file).splitlines()]
    entries = {key.strip(): value.strip() for key, _, value in rows}
    named = file.parent / Path(entries.get("names", "")).name
    other = find_names(file.parent)
    return YoloConfig(
        file=file,
        names=_numbered(named) if named.is_file() else other.names,
        name_list=named if named.is_file() else other.name_list,
        splits={split: [entries[key]] for key, split in SPLIT_NAMES.items() if entries.get(key)},
    )


def _names(document: Mapping[str, Any], file: Path) -> dict[int, str]:
    names, num = document.get("names"), document.get("nc")
    if num is not None and not re.fullmatch(r"\d+", str(num).strip()):
        raise BadDataError(f"{file}: nc is {num!r}", "It is the number of classes.")
    if names is None:
        return {i: str(i) for i in range(int(num or 0))}
    if isinstance(names, dict):
        if bad := [key for key in names if not re.fullmatch(r"\d+", key.strip())]:
            raise BadDataError(
                f"{file}: names has the key {bad[0]!r}", "Keys are the numbers of classes, from 0."
            )
        numbered = {int(key): str(name) for key, name in names.items()}
    else:
        numbered = dict(enumerate(_texts(names, f"{file}, names")))
    if num is not None and int(num) != len(numbered):
        raise BadDataError(
            f"{file}: nc is {num}, and names has {len(numbered)} names", "Correct one of them."
        )
    return {i: check_class_name(name, f"{file}, names") for i, name in numbered.items()}


def _texts(value: Any, place: str) -> list[str]:
    """A text or a list of texts."""
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise BadDataError(f"{place} is {value!r}", "It should be one text, or a list of texts.")
    return texts


def _num_keypoint_values(shape: Any, file: Path) -> int:
    """Values behind each box by kpt_shape, [number of points, values of each]."""
    if not shape:
        return 0
    if not isinstance(shape, list) or not all(re.fullmatch(r"\d+", str(n)) for n in shape):
        raise BadDataError(
            f"{file}: kpt_shape is {shape!r}", "It is two numbers: keypoints, and values of each."
        )
    num = 1
    for n in shape:
        num *= int(n)
    return num


def _numbered(path: Path) -> dict[int, str]:
    """The names in a list, one a line; the first is of class 0."""
    lines = _read_text(path).strip().splitlines()
    return {i: check_class_name(line, str(path)) for i, line in enumerate(lines)}


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise BadDataError(f"{path} is not UTF-8 text", "Save it as UTF-8.") from None
