"""cub200(): CUB-200-2011 (Wah et al. 2011), birds of 200 species.

In: the folder CUB_200_2011/ with `images/` and the tables `images.txt` (number, path),
`image_class_labels.txt` (number, class), `classes.txt` (class, name) and `train_test_split.txt`
(number, 1 for training or 0 for test); numbers begin at 1.
Out: a Source of train and test whose labels are the names in classes.txt
(`001.Black_footed_Albatross`). Images are whole; boxes, parts and attributes are ignored.
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
# The first line is "1 001.Black_footed_Albatross/...". NABirds has tables of the same names.
_FIRST = re.compile(rb"(?:\xef\xbb\xbf)?\s*\d+\s+\d{3}\.\S")
_ADVICE = (
    "CUB-200-2011 is distributed at data.caltech.edu (CUB-200-2011): unpack CUB_200_2011.tgz, and "
    "name its folder CUB_200_2011."
)


@dataclass(frozen=True)
class Cub200(Format):
    """CUB-200-2011 as distributed: 200 species of birds, whole images, by the official training and
    test split."""

    path: str
    paths: ClassVar[tuple[str, ...]] = ("path",)
    priority: ClassVar[int] = 20

    @staticmethod
    def recognises(path: Path) -> bool:
        has_tables = (path / _IMAGES).is_file() and (
            (path / _LABELS).is_file() or (path / _SPLIT).is_file()
        )
        if not has_tables or not (path / "images").is_dir():
            return False
        with (path / _IMAGES).open("rb") as file:
            return _FIRST.match(file.read(100)) is not None

    def read(self) -> Source:
        root = existing_folder(self.path)
        if not (root / "images").is_dir():
            raise BadDataError(f"{root} has no folder images/", _ADVICE)
        images, classes = _read_table(root, _IMAGES), _read_table(root, _CLASSES)
        labels, flags = _read_table(root, _LABELS), _read_table(root, _SPLIT)
        _refuse_other_images(images, labels, root / _IMAGES, root / _LABELS)
        _refuse_other_images(images, flags, root / _IMAGES, root / _SPLIT)
        listed = [
            _listed_image(image, labels[number], flags[number], classes)
            for number, image in images.items()
        ]
        used = {label.text for label in labels.values()}
        _refuse_unused_classes(classes, used, root / _LABELS)
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


def _read_table(root: Path, name: str) -> dict[str, Line]:
    """Read a table: number -> line, whose text is without the number."""
    rows: dict[str, Line] = {}
    for line in read_lines(root / name, _ADVICE):
        number, *values = line.text.split(maxsplit=1)
        if not number.isdecimal() or not values:
            raise BadDataError(
                f"{line.place}: {line.text!r} is not a row of this table",
                f"Expected a number and its value. {_ADVICE}",
            )
        if number in rows:
            raise BadDataError(
                f"{line.place}: number {number} is there twice, first in {rows[number].place}",
                _ADVICE,
            )
        rows[number] = Line(values[0], line.place)
    return rows


def _refuse_other_images(
    images: Mapping[str, Line], others: Mapping[str, Line], path: Path, other: Path
) -> None:
    """Raise BadDataError unless both tables have the same images."""
    counts = f"they have {len(images):,} and {len(others):,} rows"
    if number := next((n for n in images if n not in others), None):
        raise BadDataError(
            f"{images[number].place}: image {number} has no row in {other}; {counts}", _ADVICE
        )
    if number := next((n for n in others if n not in images), None):
        raise BadDataError(
            f"{others[number].place}: image {number} has no row in {path}; {counts}", _ADVICE
        )


def _refuse_unused_classes(classes: Mapping[str, Line], used: set[str], path: Path) -> None:
    """Raise BadDataError for a class without images, and for two classes of one name."""
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


def _listed_image(image: Line, label: Line, flag: Line, classes: Mapping[str, Line]) -> ListedImage:
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
            f"{image.place}: the image is in folder {folder!r}, but {label.place} has class "
            f"{name!r}",
            _ADVICE,
        )
    return ListedImage(f"images/{image.text}", name, _FLAGS[flag.text], image.place)
