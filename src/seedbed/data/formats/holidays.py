"""INRIA Holidays (Jegou, Douze and Schmid 2008) as distributed: photographs of 500 scenes, one of
each of which is a query.

In: a folder with images called by numbers of six digits anywhere below it, `jpg/100000.jpg` and so
on in the official set. The number divided by 100 is the group, a scene; the images whose number
ends in 00 are the queries. Out: a Source, all test, whose queries are answered by the other images
of their group. All images are searched, queries too: the metric takes a query out of its own
ranking.

What kind of image a file is, its bytes say and not its name; files that are no images by name are
passed over.
"""

from __future__ import annotations

import os
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
    IMAGE_SUFFIXES,
    ImageFile,
    existing_folder,
    list_images,
    visible_entries,
)
from seedbed.data.source import Source
from seedbed.data.unlabelled_images import retrieval_source

_PER_GROUP = 100  # numbers, of which few are used
_NUMBER = re.compile(r"[0-9]{6}")
_OFFICIAL = re.compile(r"1[0-9]{5}\.jpg")
_ADVICE = (
    "Holidays is distributed at lear.inrialpes.fr/~jegou/data.php: unpack jpg1.tar.gz and jpg2.tar.gz into a folder of their own, "
    "and name it."
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
        """Where all images lie in one folder and are called as the official ones are; in folders by
        class they are something else."""
        folders, has_query = set(), False
        try:
            for folder, name in _images(path):
                folders.add(folder)
                if len(folders) > 1 or not _OFFICIAL.fullmatch(name):
                    return False
                has_query |= name.endswith("00.jpg")
        except OSError:
            return False
        return has_query

    def read(self) -> Source:
        root = existing_folder(self.path)
        found = list_images(root)
        numbers = _numbers(root, found)
        groups = numbers // _PER_GROUP
        _refuse_incomplete(root, numbers, groups)
        answers = _relevance(numbers, groups)
        classes = tuple(f"{group:04d}" for group in np.unique(groups))
        return retrieval_source(root, str(self.path), found, classes, answers, "holidays")


def _images(path: Path) -> Iterator[tuple[str, str]]:
    """Folder and name of images at the top and in folders directly below, one after another: the
    first that is odd ends the search."""
    below = []
    for entry in visible_entries(path):
        if entry.is_dir():
            below.append(entry)
        elif _is_image(entry.name):
            yield "", entry.name
    for folder in below:
        for entry in visible_entries(folder):
            if _is_image(entry.name) or entry.is_dir():  # a folder is no official name either
                yield folder.name, entry.name


def _is_image(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES


def _numbers(root: Path, found: Sequence[ImageFile]) -> np.ndarray:
    """The number of each image: int64 [n]."""
    if not found:
        raise BadDataError(f"there are no images below {root}", _ADVICE)
    first: dict[int, str] = {}
    for one in found:
        stem = Path(one.path).stem
        if not _NUMBER.fullmatch(stem):
            raise BadDataError(
                f"{one.path!r} in {root} is not called by a number of six digits",
                f"Expected one such as jpg/100000.jpg, and no other images below the folder. {_ADVICE}",
            )
        if int(stem) in first:
            raise BadDataError(
                f"image {stem} is in {root} twice, as {first[int(stem)]!r} and as {one.path!r}",
                f"Take one away, or name the folder of the images alone. {_ADVICE}",
            )
        first[int(stem)] = one.path
    return np.array(list(first), np.int64)


def _refuse_incomplete(root: Path, numbers: np.ndarray, groups: np.ndarray) -> None:
    """Each group has a query, and the query an answer."""
    there, sizes = set(numbers.tolist()), Counter(groups.tolist())
    for number, group in zip(numbers.tolist(), groups.tolist(), strict=True):
        query = group * _PER_GROUP
        if query not in there:
            raise BadDataError(
                f"group {group:04d} in {root} has no query: image {number:06d} is there, and {query:06d} is not",
                f"Unpack the images again. {_ADVICE}",
            )
        if sizes[group] == 1:
            raise BadDataError(
                f"query {query:06d} in {root} has no other image in its group: none from {query + 1:06d} to {query + _PER_GROUP - 1:06d}",
                f"Unpack the images again: each query has an answer at least. {_ADVICE}",
            )


def _relevance(numbers: np.ndarray, groups: np.ndarray) -> Relevance:
    queries = np.flatnonzero(numbers % _PER_GROUP == 0)
    answers = groups[queries][:, None] == groups[None, :]
    answers[np.arange(len(queries)), queries] = False
    of_query, rows = np.nonzero(answers)
    return Relevance(
        queries=queries,
        gallery=np.arange(len(numbers)),
        of_query=of_query,
        rows=rows,
        values=np.ones(len(rows), np.int8),
        protocol=np.array("holidays"),
    )
