"""Source formats *(plug-ins)*: `read() -> Source`, and `recognises(path)` for plain paths.

In: a path or a call string. Out: a Source. A plain path goes to the format that recognises it, to
`folder` in the end.
"""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from seedbed.base.call import Call, parse_call
from seedbed.base.errors import UsageError
from seedbed.base.paths import expand_user
from seedbed.base.registry import Registry
from seedbed.base.spec import setting_names
from seedbed.data.downloads import fetch
from seedbed.data.hierarchy_files import open_hierarchy
from seedbed.data.image_files import visible_entries
from seedbed.data.image_suffixes import has_image_suffix
from seedbed.data.remote_files import is_url, without_secrets
from seedbed.data.source import Source, split_of_folder


class Format(ABC):
    """A layout of labelled images; a frozen dataclass of its settings."""

    # Fields that hold paths: in a study they are relative to its file.
    paths: ClassVar[tuple[str, ...]] = ()

    # Formats that need a path are asked in this order whether they recognise it; higher first.
    priority: ClassVar[int] = 0

    @abstractmethod
    def read(self) -> Source:
        """List the source: the same ids each time; unreadable items are listed too, and reported
        when they are packed."""

    @staticmethod
    def recognises(path: Path) -> bool:
        """Whether a plain path is of this layout; generators say no."""
        return False

    @staticmethod
    def is_remote_name(text: str) -> bool:
        """Whether a text that is no local path names data on a hub."""
        return False


FORMATS: Registry[Format] = Registry("format", "seedbed.formats")
FORMATS.add("coco", "seedbed.data.formats.coco:Coco")
FORMATS.add("cub200", "seedbed.data.formats.cub200:Cub200")
FORMATS.add("digits", "seedbed.data.formats.digits:Digits")
FORMATS.add("flowers102", "seedbed.data.formats.flowers102:Flowers102")
FORMATS.add("folder", "seedbed.data.formats.folder:Folder")
FORMATS.add("holidays", "seedbed.data.formats.holidays:Holidays")
FORMATS.add("huggingface", "seedbed.data.formats.huggingface:HuggingFace")
FORMATS.add("ilsvrc", "seedbed.data.formats.ilsvrc:Ilsvrc")
FORMATS.add("imagefolder", "seedbed.data.formats.imagefolder:ImageFolder")
FORMATS.add("manifest", "seedbed.data.formats.manifest:Manifest")
FORMATS.add("mit67", "seedbed.data.formats.mit67:Mit67")
FORMATS.add("oxford", "seedbed.data.formats.oxford:Oxford")
FORMATS.add("sun397", "seedbed.data.formats.sun397:Sun397")
FORMATS.add("tiny_imagenet", "seedbed.data.formats.tiny_imagenet:TinyImageNet")
FORMATS.add("torchvision", "seedbed.data.formats.torchvision_sets:TorchvisionSet")
FORMATS.add("toy", "seedbed.data.formats.toy:Toy")
FORMATS.add("ukbench", "seedbed.data.formats.ukbench:Ukbench")
FORMATS.add("voc", "seedbed.data.formats.voc:Voc")
FORMATS.add("webdataset", "seedbed.data.formats.webdataset:WebDataset")
FORMATS.add("yolo", "seedbed.data.formats.yolo:Yolo")


# Shards of a WebDataset: train-{000..009}.tar
_SHARDS = re.compile(r"\{\d+\.\.\d+\}[^()]*\.tar$")


def parse_data(text: str, folder: Path | None = None) -> Call:
    """The call that a data string stands for: `"photos/"` is `folder('photos/')` unless another
    format recognises the path.

    Paths are relative to `folder`, or to the current one.
    """
    path = (folder or Path()) / expand_user(text)
    name = str(path) if folder else text
    if os.path.exists(path):  # unlike Path.exists, false for a text too long to be a path
        format_name = recognise(path)
        if format_name == "folder" and (inner := inner_folder(path)) is not None:
            return Call(name=recognise(inner), args=(os.path.join(name, inner.relative_to(path)),))
        return Call(name=format_name, args=(name,))
    if _SHARDS.search(text):
        return Call(name="webdataset", args=(name,))
    try:
        call = _parse_format_call(text)
    except UsageError:
        if "(" in text:
            raise
        return Call(name="folder", args=(name,))
    return _with_absolute_paths(call, folder) if folder else call


def _with_absolute_paths(call: Call, folder: Path) -> Call:
    """The call with its relative paths resolved against `folder`."""
    cls = FORMATS.get(call.name)
    names = setting_names(cls)

    def resolve(name: str, value: Any) -> Any:
        if name not in cls.paths or not isinstance(value, str) or is_url(value):
            return value
        path = folder / expand_user(value)
        is_remote = cls.is_remote_name(value) and not os.path.exists(path)
        return value if is_remote else str(path)

    resolved = tuple(resolve(name, value) for name, value in zip(names, call.args, strict=False))
    return Call(
        name=call.name,
        args=resolved + call.args[len(names) :],
        kwargs={name: resolve(name, value) for name, value in call.kwargs.items()},
    )


def _parse_format_call(text: str) -> Call:
    call = parse_call(text, "data set")
    if "(" not in text and call.name not in FORMATS.names():
        raise UsageError(text)
    return call


def recognise(path: Path) -> str:
    """The name of the format whose layout a path has."""
    classes = {name: FORMATS.get(name) for name in FORMATS.names()}
    for name in sorted(classes, key=lambda n: -classes[n].priority):
        if classes[name].recognises(path):
            return name
    return "folder"


def inner_folder(path: Path) -> Path | None:
    """The folder that holds splits or another layout, where it is the only folder in the one that
    is named, as archives unpack; None where there is none.

    A lone folder of class folders stays part of their names: it may be a node of a hierarchy.
    """
    inner = path
    while (only := _only_folder(inner)) is not None:
        if _has_split_folders(only) or recognise(only) != "folder":
            return only
        inner = only
    return None


def _has_split_folders(path: Path) -> bool:
    """Whether a folder has train/, val/ or test/."""
    return any(
        entry.is_dir() and split_of_folder(entry.name) is not None
        for entry in visible_entries(path)
    )


def _only_folder(path: Path) -> Path | None:
    """The only folder in a folder without images, if it is not named as a split."""
    folders: list[str] = []
    try:
        for entry in visible_entries(path):
            folders += [entry.name] if entry.is_dir() else []
            if len(folders) > 1 or (not entry.is_dir() and has_image_suffix(entry.name)):
                return None
    except OSError:
        return None
    return path / folders[0] if folders and split_of_folder(folders[0]) is None else None


def open_source(
    data: str | os.PathLike[str],
    *,
    format_name: str | None = None,
    hierarchy: str | None = None,
    folder: Path | None = None,
) -> Source:
    """The source at a path or of a call string; `format_name` settles the format of a plain path,
    relative to `folder`.

    Raises UsageError for an unknown format, BadDataError for a path without labelled images.
    """
    data = os.fspath(data)
    if is_url(data):
        remarks: list[str] = []
        source = open_source(fetch(data, remarks), format_name=format_name, hierarchy=hierarchy)
        return replace(source, name=without_secrets(data), notes=(*remarks, *source.notes))
    call = Call(name=format_name, args=(data,)) if format_name else parse_data(data, folder)
    remarks = []
    source = FORMATS.make(_with_copies(call, remarks), f"data set {data!r}").read()
    source = replace(source, notes=(*remarks, *source.notes)) if remarks else source
    if format_name is None and (note := _entered_note(data, call, folder)):
        source = replace(source, notes=(note, *source.notes))
    return (
        source
        if hierarchy is None
        else source.with_hierarchy(open_hierarchy(hierarchy, source.classes, folder))
    )


def _with_copies(call: Call, notes: list[str]) -> Call:
    """The call with local copies in place of the URLs among its paths."""
    cls = FORMATS.get(call.name)
    names = setting_names(cls)
    args = [
        fetch(value, notes) if name in cls.paths and is_url(value) else value
        for name, value in zip(names, call.args, strict=False)
    ]
    kwargs = {
        name: fetch(value, notes) if name in cls.paths and is_url(value) else value
        for name, value in call.kwargs.items()
    }
    return Call(name=call.name, args=(*args, *call.args[len(names) :]), kwargs=kwargs)


def _entered_note(data: str, call: Call, folder: Path | None) -> str:
    """A sentence if a folder inside the named one is read."""
    path = (folder or Path()) / expand_user(data)
    name = call.args[0] if call.args and isinstance(call.args[0], str) else ""
    is_inside = os.path.exists(path) and Path(name) != path and Path(name).is_relative_to(path)
    return f"{name} is read, the only folder in {data}" if is_inside else ""
