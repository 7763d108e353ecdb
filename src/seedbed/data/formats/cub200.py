"""CUB-200-2011 (Wah et al. 2011) as distributed: birds of 200 species.

In: the folder CUB_200_2011/, which has `images/` and the tables `images.txt` (number, path),
`image_class_labels.txt` (number, class), `classes.txt` (class, name) and `train_test_split.txt`
(number, 1 for training or 0 for test); numbers begin at 1. Out: a Source of train and test whose
labels are the names in classes.txt (`001.Black_footed_Albatross`). Only images that are listed are
read, which in the official set are all. Boxes, parts and attributes are left out: images are taken
whole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from seedbed.base.errors import BadDataError
from seedbed.data.formats import Format
from seedbed.data.image_files import existing_folder
from seedbed.data.image_lists import Line, ListedImage, read_lines, source_from_list
from seedbed.data.source import TEST, TRAIN, Source

_IMAGES, _LABELS = "images.txt", "image_class_labels.txt"
_CLASSES, _SPLIT = "classes.txt", "train_test_split.txt"
_FLAGS = {"1": TRAIN, "0": TEST}
# "1 001.Black_footed_Albatross/...": NABirds has tables of the same names.
_FIRST = re.compile(rb"(?:\xef\xbb\xbf)?\s*\d+\s+\d{3}\.\S")
_ADVICE = "CUB-200-2011 is distributed at data.caltech.edu (CUB-200-2011): unpack CUB_200_2011.tgz, and name its folder CUB_200_2011."


@dataclass(frozen=True)
class Cub200(Format):
    """CUB-200-2011 as distributed: 200 species of birds, whole images, by the official training and
    test split."""

    path: str
    paths: ClassVar[tuple[str, ...]] = ("path",)
    priority: ClassVar[int] = 20

    @staticmethod
    def recognises(path: Path) -> bool:
        tables = (path / _IMAGES).is_file() and (
            (path / _LABELS).is_file() or (path / _SPLIT).is_file()
        )
        if not tables or not (path / "images").is_dir():
            return False
        with (path / _IMAGES).open("rb") as file:
            return _FIRST.match(file.read(100)) is not None

    def read(self) -> Source:
        root = existing_folder(self.path)
        if not (root / "images").is_dir():
            raise BadDataError(f"{root} has no folder images/", _ADVICE)
        images, classes = _table(root, _IMAGES), _table(root, _CLASSES)
        labels, flags = _table(root, _LABELS), _table(root, _SPLIT)
        _refuse_gaps(images, labels, root / _IMAGES, root / _LABELS)
        _refuse_gaps(images, flags, root / _IMAGES, root / _SPLIT)
        listed = [
            _listed(image, labels[number], flags[number], classes)
            for number, image in images.items()
        ]
        _refuse_unused(classes, {label.text for label in labels.values()}, root / _LABELS)
        return source_from_list(
            str(self.path),
            root,
            listed,
            kind="cub200",
            splits=(TRAIN, TEST),
            advice=_ADVICE,
            names={
                image.label: image.label.partition(".")[2].replace("_", " ")
                for image in listed
                if "." in image.label
            },
        )


def _table(root: Path, name: str) -> dict[str, Line]:
    """Number -> what the table says of it; the text of such a line is without its number."""
    found: dict[str, Line] = {}
    for line in read_lines(root / name, _ADVICE):
        number, *rest = line.text.split(maxsplit=1)
        if not number.isdecimal() or not rest:
            raise BadDataError(
                f"{line.place}: {line.text!r} is no row of this table",
                f"Expected a number and its value. {_ADVICE}",
            )
        if number in found:
            raise BadDataError(
                f"{line.place}: number {number} is there twice, first in {found[number].place}",
                _ADVICE,
            )
        found[number] = Line(rest[0], line.place)
    return found


def _refuse_gaps(
    images: Mapping[str, Line], others: Mapping[str, Line], path: Path, other: Path
) -> None:
    """The tables are of the same images."""
    counts = f"they have {len(images):,} and {len(others):,} rows"
    if number := next((n for n in images if n not in others), None):
        raise BadDataError(
            f"{images[number].place}: image {number} has no row in {other}; {counts}", _ADVICE
        )
    if number := next((n for n in others if n not in images), None):
        raise BadDataError(
            f"{others[number].place}: image {number} has no row in {path}; {counts}", _ADVICE
        )


def _refuse_unused(classes: Mapping[str, Line], used: set[str], path: Path) -> None:
    """Each class has a name of its own, and images."""
    names: dict[str, Line] = {}
    for number, line in classes.items():
        if number not in used:
            raise BadDataError(
                f"{line.place}: class {number} ({line.text!r}) has no image in {path}", _ADVICE
            )
        if (first := names.setdefault(line.text, line)) is not line:
            raise BadDataError(
                f"{line.place}: class {line.text!r} is there twice, first in {first.place}", _ADVICE
            )


def _listed(image: Line, label: Line, flag: Line, classes: Mapping[str, Line]) -> ListedImage:
    if label.text not in classes:
        raise BadDataError(
            f"{label.place}: class {label.text} is not in {_CLASSES}, which has {len(classes)}",
            _ADVICE,
        )
    if flag.text not in _FLAGS:
        raise BadDataError(
            f"{flag.place}: {flag.text!r} is neither 1 (training) nor 0 (test)", _ADVICE
        )
    name = classes[label.text].text
    if (folder := image.text.partition("/")[0]) != name:
        raise BadDataError(
            f"{image.place}: the image lies in {folder!r}, and {label.place}, says class {name!r}",
            _ADVICE,
        )
    return ListedImage(f"images/{image.text}", name, _FLAGS[flag.text], image.place)
