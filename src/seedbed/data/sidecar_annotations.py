"""Annotations that lie beside their images, without lists: what LabelImg and Roboflow leave, in
PASCAL VOC's form.

In: a folder. Out: which images have an annotation, by split, and where it lies. Knows nothing of
what annotations say.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from seedbed.base.errors import BadDataError
from seedbed.data.image_files import entries, list_images
from seedbed.data.source import SPLIT_NAMES, SPLITS

IMAGES = "JPEGImages"
_ANNOTATIONS = ("Annotations", "annotations")
_LOOKED_AT = 20  # .xml files of a folder, to see whether they are annotations


@dataclass(frozen=True)
class Beside:
    """Images by the annotations that lie beside them, where no image sets say which there are."""

    sets: Mapping[str, list[str]]  # name -> ids, paths without suffix
    files: Mapping[str, str]  # id -> file
    annotations: Mapping[str, str]  # id -> file
    alone: int  # annotations of no image

    @staticmethod
    def of(root: Path) -> Beside | None:
        """None where no image below a folder has an annotation: `a.xml` beside it, or in
        Annotations/ beside its folder."""
        sets: dict[str, list[str]] = {}
        files: dict[str, str] = {}
        annotations: dict[str, str] = {}
        of_place: dict[str, str] = {}
        for found in list_images(root):
            one, above = os.path.splitext(found.path)[0], found.path.split("/")[:-1]
            name = os.path.basename(one)  # noqa: PTH119
            beside = ["/".join((*above[:-1], folder, name)) for folder in _ANNOTATIONS]
            places = [f"{path}{suffix}" for path in (one, *beside) for suffix in (".xml", ".XML")]
            place = next((p for p in places if os.path.isfile(root / p)), None)  # noqa: PTH113  thousands of them
            if place is None:
                continue
            one = one.removeprefix(f"{IMAGES}/")  # as lists name images
            if (other := of_place.setdefault(place, found.path)) != found.path or one in files:
                raise BadDataError(
                    f"{root}/{place} is the annotation of two images, {other if other != found.path else files[one]} and {found.path}",
                    "Take one away.",
                )
            split = next(
                (SPLIT_NAMES[part.lower()] for part in above if part.lower() in SPLIT_NAMES), 0
            )
            sets.setdefault(SPLITS[split], []).append(one)
            files[one], annotations[one] = found.path, place
        if not files:
            return None
        known = set(annotations.values())
        every = (
            p
            for p in root.rglob("*")
            if p.suffix.lower() == ".xml" and p.relative_to(root).as_posix() not in known
        )
        return Beside(sets, files, annotations, sum(map(_is_annotation, every)))


def holds_annotations(path: Path) -> bool:
    """Whether annotations lie in a folder, in its Annotations/, or in folders of splits in it."""
    if not path.is_dir():
        return False
    splits = [
        entry.path
        for entry in os.scandir(path)
        if entry.name.lower() in SPLIT_NAMES and entry.is_dir()
    ]
    return any(map(_holds, (path, *(path / name for name in _ANNOTATIONS), *map(Path, splits))))


def _holds(folder: Path) -> bool:
    """Whether some .xml file in a folder begins as annotations do."""
    if not folder.is_dir():
        return False
    found = (
        entry.path
        for entry in entries(folder)
        if entry.name.lower().endswith(".xml") and entry.is_file()
    )
    return any(_is_annotation(Path(path)) for path in itertools.islice(found, _LOOKED_AT))


def _is_annotation(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            # UTF-16 too
            return re.search(rb"<annotation[\s>]", file.read(1000).replace(b"\0", b"")) is not None
    except OSError:
        return False
