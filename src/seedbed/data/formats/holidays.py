"""holidays(): INRIA Holidays (Jegou, Douze and Schmid 2008), photographs of 500 scenes.

In: a folder with images anywhere below it whose names are numbers of six digits, `jpg/100000.jpg`
and so on in the official set. The number divided by 100 is the group, which is a scene. Images
whose number ends in 00 are the queries.
Out: a Source of test images. The other images of a query's group are relevant. All images are
searched, queries too: the metric removes a query from its own ranking.

Files with other suffixes than those of images are ignored. The decoder looks at the bytes of a
file, not at its suffix.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from seedbed.base.errors import BadDataError
from seedbed.data.annotations import Relevance
from seedbed.data.formats import Format
from seedbed.data.image_files import (
    ImageFile,
    existing_folder,
    list_images,
    visible_entries,
)
from seedbed.data.image_suffixes import has_image_suffix
from seedbed.data.source import Source
from seedbed.data.unlabelled_images import retrieval_source

_PER_GROUP = 100  # numbers, of which few are used
_NUMBER = re.compile(r"[0-9]{6}")
_OFFICIAL = re.compile(r"1[0-9]{5}\.jpg")
_ADVICE = (
    "Holidays is distributed at lear.inrialpes.fr/~jegou/data.php: unpack jpg1.tar.gz and "
    "jpg2.tar.gz into a new folder, and name it."
)


@dataclass(frozen=True)
class Holidays(Format):
    """INRIA Holidays as distributed: the images whose number ends in 00 are queries, answered by
    the rest of their hundred."""

    path: str
    paths: ClassVar[tuple[str, ...]] = ("path",)
    priority: ClassVar[int] = 20

    @staticmethod
    def recognises(path: Path) -> bool:
        """Whether all images are in one folder and have official names; class folders are no
        Holidays set."""
        folders, has_query = set(), False
        try:
            for folder, name in _entries(path):
                folders.add(folder)
                if len(folders) > 1 or not _OFFICIAL.fullmatch(name):
                    return False
                has_query |= name.endswith("00.jpg")
        except OSError:
            return False
        return has_query

    def read(self) -> Source:
        root = existing_folder(self.path)
        files = list_images(root)
        numbers = _numbers(root, files)
        groups = numbers // _PER_GROUP
        _refuse_incomplete_groups(root, numbers, groups)
        relevance = _relevance(numbers, groups)
        classes = tuple(f"{group:04d}" for group in np.unique(groups))
        return retrieval_source(root, str(self.path), files, classes, relevance, "holidays")


def _entries(path: Path) -> Iterator[tuple[str, str]]:
    """Folder and name of images in a folder and in the folders right below it, one by one: the
    caller stops at the first other name."""
    below = []
    for entry in visible_entries(path):
        if entry.is_dir():
            below.append(entry)
        elif has_image_suffix(entry.name):
            yield "", entry.name
    for folder in below:
        for entry in visible_entries(folder):
            if has_image_suffix(entry.name) or entry.is_dir():  # no official name is a folder's
                yield folder.name, entry.name


def _numbers(root: Path, files: Sequence[ImageFile]) -> np.ndarray:
    """The number of each image: int64 [n]."""
    if not files:
        raise BadDataError(f"there are no images below {root}", _ADVICE)
    file_of_number: dict[int, str] = {}
    for file in files:
        stem = Path(file.path).stem
        if not _NUMBER.fullmatch(stem):
            raise BadDataError(
                f"the name of {file.path!r} in {root} is not a number of six digits",
                "Expected a name such as jpg/100000.jpg, and no other images below the folder. "
                f"{_ADVICE}",
            )
        if (number := int(stem)) in file_of_number:
            raise BadDataError(
                f"image {stem} is in {root} twice, as {file_of_number[number]!r} and as "
                f"{file.path!r}",
                f"Remove one of them, or name a folder with the images alone. {_ADVICE}",
            )
        file_of_number[number] = file.path
    return np.array(list(file_of_number), np.int64)


def _refuse_incomplete_groups(root: Path, numbers: np.ndarray, groups: np.ndarray) -> None:
    """Raise BadDataError unless each group has a query and another image."""
    present, sizes = set(numbers.tolist()), Counter(groups.tolist())
    for number, group in zip(numbers.tolist(), groups.tolist(), strict=True):
        query = group * _PER_GROUP
        if query not in present:
            raise BadDataError(
                f"group {group:04d} in {root} has no query: it has image {number:06d}, and not "
                f"{query:06d}",
                f"Unpack the images again. {_ADVICE}",
            )
        if sizes[group] == 1:
            raise BadDataError(
                f"query {query:06d} in {root} has no other image in its group: none from "
                f"{query + 1:06d} to {query + _PER_GROUP - 1:06d}",
                f"Unpack the images again: each query needs a relevant image. {_ADVICE}",
            )


def _relevance(numbers: np.ndarray, groups: np.ndarray) -> Relevance:
    queries = np.flatnonzero(numbers % _PER_GROUP == 0)
    is_relevant = groups[queries][:, None] == groups[None, :]
    is_relevant[np.arange(len(queries)), queries] = False
    of_query, rows = np.nonzero(is_relevant)
    return Relevance(
        queries=queries,
        gallery=np.arange(len(numbers)),
        of_query=of_query,
        rows=rows,
        values=np.ones(len(rows), np.int8),
        protocol=np.array("holidays"),
    )
