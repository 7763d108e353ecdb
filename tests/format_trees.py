"""Helpers of the tests of formats: write small data sets in their layouts, read what a source
says."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from seedbed.base.errors import BadDataError
from seedbed.data.formats import open_source
from seedbed.data.source import SPLITS, Source

Encode = Callable[..., bytes]


def split_of_ids(source: Source) -> dict[str, str]:
    """Id of each image -> name of its split."""
    return {id_: SPLITS[s] for id_, s in zip(source.ids, source.splits, strict=True)}


def label_of_ids(source: Source) -> dict[str, str]:
    """Id of each image -> its class."""
    return {id_: source.classes[c] for id_, c in zip(source.ids, source.leaves, strict=True)}


def write_file(path: Path, data: bytes | str) -> None:
    """Write a file, and make its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)


def edit_file(path: Path, old: str, new: str) -> None:
    """Replace the first occurrence of a text, which must be in the file."""
    text = path.read_bytes().decode()
    assert old in text
    path.write_bytes(text.replace(old, new, 1).encode())


def write_tar(path: Path, files: Mapping[str, bytes], mode: str = "w") -> None:
    """Write a tar of files, in their order."""
    with tarfile.open(path, mode) as tar:  # pyright: ignore[reportCallIssue, reportArgumentType]
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def open_error(call: str) -> BadDataError:
    """The error that opening a source raises."""
    with pytest.raises(BadDataError) as caught:
        open_source(call)
    return caught.value
