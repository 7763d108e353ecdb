"""ukbench(): UKBench (Nister and Stewenius 2006), 2,550 objects with four photographs each.

In: a folder with images `ukbench00000.jpg` and so on anywhere below it, in `full/` in the official
archive. Four consecutive numbers, the first a multiple of four, are of one object.
Out: a Source of test images. Each image is a query, and all images are searched. The four images of
its object are relevant, the query itself among them. A subset of complete objects works too, such
as the 6,376 and 1,400 images of the authors.

Files with other suffixes than those of images are ignored. The decoder looks at the bytes of a
file, not at its suffix.
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
_ADVICE = (
    "UKBench is distributed at archive.org/details/ukbench: unpack ukbench.zip, and name its "
    "folder full."
)


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
        # The archive also has thumbnails, in another folder.
        files = list_images(root, _FULL if (root / _FULL / _FIRST).is_file() else "")
        numbers = _numbers(root, files)
        objects, object_of_row = np.unique(numbers // _PER_OBJECT, return_inverse=True)
        _refuse_incomplete_objects(root, numbers)
        relevance = _relevance(numbers, object_of_row)
        classes = tuple(f"{number:05d}" for number in objects)
        return retrieval_source(root, str(self.path), files, classes, relevance, "ukbench")


def _numbers(root: Path, files: Sequence[ImageFile]) -> np.ndarray:
    """The number of each image: int64 [n]."""
    if not files:
        raise BadDataError(f"there are no images below {root}", _ADVICE)
    file_of_number: dict[int, str] = {}
    for file in files:
        match = _NAME.fullmatch(Path(file.path).stem)
        if not match:
            raise BadDataError(
                f"the name of {file.path!r} in {root} is not ukbench and five digits",
                f"Expected a name such as full/{_FIRST}, and no other images below the folder. "
                f"{_ADVICE}",
            )
        if (number := int(match[1])) in file_of_number:
            raise BadDataError(
                f"image {number:05d} is in {root} twice, in {_place(file_of_number[number])} and "
                f"in {_place(file.path)}",
                f"Name the folder of the full images, without the thumbnails. {_ADVICE}",
            )
        file_of_number[number] = file.path
    return np.array(list(file_of_number), np.int64)


def _place(path: str) -> str:
    """The folder and the name of a file, for messages."""
    folder, _, name = path.rpartition("/")
    return f"{folder}/ ({name})" if folder else f"the folder itself ({name})"


def _refuse_incomplete_objects(root: Path, numbers: np.ndarray) -> None:
    """Raise BadDataError unless all four images of each object are there."""
    present = set(numbers.tolist())
    for number in sorted(present):
        first = number - number % _PER_OBJECT
        if missing := [n for n in range(first, first + _PER_OBJECT) if n not in present]:
            raise BadDataError(
                f"ukbench{missing[0]:05d}.jpg is not in {root}: ukbench{number:05d}.jpg is, and "
                f"{first:05d} to {first + _PER_OBJECT - 1:05d} are of one object",
                f"Unpack the images again: all four images of an object must exist. {_ADVICE}",
            )


def _relevance(numbers: np.ndarray, object_of_row: np.ndarray) -> Relevance:
    num = len(numbers)
    rows_of_object = np.sort(np.argsort(numbers).reshape(-1, _PER_OBJECT), axis=1)
    return Relevance(
        queries=np.arange(num),
        gallery=np.arange(num),
        of_query=np.repeat(np.arange(num), _PER_OBJECT),
        rows=rows_of_object[object_of_row].ravel(),
        values=np.ones(num * _PER_OBJECT, np.int8),
        protocol=np.array("ukbench"),
    )
