"""UKBench (Nister and Stewenius 2006) as distributed: 2,550 objects, four photographs of each.

In: a folder with images `ukbench00000.jpg` and on anywhere below it, in `full/` in the official
archive; four numbers that follow each other, from a multiple of four on, are of one object. Out: a
Source, all test: each image is a query, all are searched, and the four of its object answer it, the
query itself among them. A part of the set will do, as its authors' 6,376 and 1,400 images, but of
whole objects.

What kind of image a file is, its bytes say and not its name; files that are no images by name are
passed over.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from seedbed.base.errors import BadDataError
from seedbed.data.annotations import Relevance
from seedbed.data.formats import Format
from seedbed.data.image_files import ImageFile, existing_folder, list_images
from seedbed.data.source import Source
from seedbed.data.unlabelled_images import retrieval_source

_PER_OBJECT = 4
_NAME = re.compile(r"ukbench([0-9]{5})")
_FIRST, _FULL = "ukbench00000.jpg", "full"
_ADVICE = "UKBench is distributed at archive.org/details/ukbench: unpack ukbench.zip, and name its folder full."


@dataclass(frozen=True)
class Ukbench(Format):
    """UKBench as distributed: each image is a query, answered by the four of its object."""

    path: str
    paths: ClassVar[tuple[str, ...]] = ("path",)
    priority: ClassVar[int] = 20

    @staticmethod
    def recognises(path: Path) -> bool:
        return (path / _FIRST).is_file() or (path / _FULL / _FIRST).is_file()

    def read(self) -> Source:
        root = existing_folder(self.path)
        # The archive has thumbnails beside the images in full size.
        found = list_images(root, _FULL if (root / _FULL / _FIRST).is_file() else "")
        numbers = _numbers(root, found)
        objects, of_object = np.unique(numbers // _PER_OBJECT, return_inverse=True)
        _refuse_incomplete(root, numbers)
        answers = _relevance(numbers, of_object)
        classes = tuple(f"{one:05d}" for one in objects)
        return retrieval_source(root, str(self.path), found, classes, answers, "ukbench")


def _numbers(root: Path, found: Sequence[ImageFile]) -> np.ndarray:
    """The number of each image: int64 [n]."""
    if not found:
        raise BadDataError(f"there are no images below {root}", _ADVICE)
    first: dict[int, str] = {}
    for one in found:
        named = _NAME.fullmatch(Path(one.path).stem)
        if not named:
            raise BadDataError(
                f"{one.path!r} in {root} is not called ukbench and five digits",
                f"Expected one such as full/{_FIRST}, and no other images below the folder. {_ADVICE}",
            )
        number = int(named[1])
        if number in first:
            raise BadDataError(
                f"image {number:05d} is in {root} twice, in {_folder(first[number])} and in {_folder(one.path)}",
                f"Name the folder of the images in full size, not one that holds their thumbnails too. {_ADVICE}",
            )
        first[number] = one.path
    return np.array(list(first), np.int64)


def _folder(path: str) -> str:
    above, _, name = path.rpartition("/")
    return f"{above}/ ({name})" if above else f"the folder itself ({name})"


def _refuse_incomplete(root: Path, numbers: np.ndarray) -> None:
    there = set(numbers.tolist())
    for number in sorted(there):
        first = number - number % _PER_OBJECT
        if missing := [n for n in range(first, first + _PER_OBJECT) if n not in there]:
            raise BadDataError(
                f"ukbench{missing[0]:05d}.jpg is not in {root}: ukbench{number:05d}.jpg is, and "
                f"{first:05d} to {first + _PER_OBJECT - 1:05d} are of one object",
                f"Unpack the images again: all four of an object must be there. {_ADVICE}",
            )


def _relevance(numbers: np.ndarray, of_object: np.ndarray) -> Relevance:
    n = len(numbers)
    images = np.sort(np.argsort(numbers).reshape(-1, _PER_OBJECT), axis=1)  # rows of each object
    return Relevance(
        queries=np.arange(n),
        gallery=np.arange(n),
        of_query=np.repeat(np.arange(n), _PER_OBJECT),
        rows=images[of_object].ravel(),
        values=np.ones(n * _PER_OBJECT, np.int8),
        protocol=np.array("ukbench"),
    )
