"""Find annotations in PASCAL VOC's form that are next to their images, without image sets.

LabelImg and Roboflow write such folders. In: a folder. Out: which images have an annotation, by
split, and where it is.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from seedbed.base.errors import BadDataError
from seedbed.data.image_files import list_images, visible_entries
from seedbed.data.source import SPLIT_NAMES, SPLITS

IMAGES = "JPEGImages"
_ANNOTATIONS = ("Annotations", "annotations")
_MAX_READ = 20  # .xml files of a folder that are read to see whether they are annotations


@dataclass(frozen=True)
class SidecarAnnotations:
    """The images of a folder that have an annotation."""

    sets: Mapping[str, list[str]]  # split -> ids, which are paths without suffix
    files: Mapping[str, str]  # id -> image file
    annotations: Mapping[str, str]  # id -> annotation file
    num_without_image: int  # annotations without an image

    @staticmethod
    def find(root: Path) -> SidecarAnnotations | None:
        """Find the annotations of the images below a folder; None if no image has one.

        The annotation of `a.jpg` is `a.xml` in the same folder, or in `Annotations/` next to it.
        """
        sets: dict[str, list[str]] = {}
        files: dict[str, str] = {}
        annotations: dict[str, str] = {}
        image_of_annotation: dict[str, str] = {}
        for image in (file.path for file in list_images(root)):
            annotation = _find_annotation(root, image)
            if annotation is None:
                continue
            # image sets name images without this folder
            id_ = os.path.splitext(image)[0].removeprefix(f"{IMAGES}/")
            other = image_of_annotation.setdefault(annotation, image)
            if other != image or id_ in files:
                raise BadDataError(
                    f"{root}/{annotation} is the annotation of two images, "
                    f"{other if other != image else files[id_]} and {image}",
                    "Remove or rename one of the images.",
                )
            sets.setdefault(_split_of(image), []).append(id_)
            files[id_], annotations[id_] = image, annotation
        if not files:
            return None
        return SidecarAnnotations(
            sets, files, annotations, _count_others(root, set(annotations.values()))
        )


def _find_annotation(root: Path, image: str) -> str | None:
    """The annotation file of an image, relative to the root, if it exists."""
    stem, *above = os.path.splitext(image)[0], *image.split("/")[:-1]
    folders = ["/".join((*above[:-1], folder)) for folder in _ANNOTATIONS]
    name = stem.rpartition("/")[2]
    for path in (stem, *(f"{folder}/{name}" for folder in folders)):
        for suffix in (".xml", ".XML"):
            # os.path is faster than Path, and there are thousands of images.
            if os.path.isfile(f"{root}/{path}{suffix}"):  # noqa: PTH113
                return f"{path}{suffix}"
    return None


def _split_of(image: str) -> str:
    """The split that a folder of an image's path names; train if none does."""
    folders = [part.lower() for part in image.split("/")[:-1]]
    return SPLITS[next((SPLIT_NAMES[part] for part in folders if part in SPLIT_NAMES), 0)]


def _count_others(root: Path, annotations: set[str]) -> int:
    """Count the annotation files below a folder that are not among `annotations`."""
    xml = (path for path in root.rglob("*") if path.suffix.lower() == ".xml")
    others = (path for path in xml if path.relative_to(root).as_posix() not in annotations)
    return sum(map(_is_annotation, others))


def has_annotations(path: Path) -> bool:
    """Whether there are annotations in a folder, in its Annotations/, or in its split folders."""
    if not path.is_dir():
        return False
    splits = [
        Path(entry.path)
        for entry in os.scandir(path)
        if entry.name.lower() in SPLIT_NAMES and entry.is_dir()
    ]
    folders = (path, *(path / name for name in _ANNOTATIONS), *splits)
    return any(map(_contains_annotation, folders))


def _contains_annotation(folder: Path) -> bool:
    """Whether one of the first .xml files of a folder is an annotation."""
    if not folder.is_dir():
        return False
    xml = (
        Path(entry.path)
        for entry in visible_entries(folder)
        if entry.name.lower().endswith(".xml") and entry.is_file()
    )
    return any(map(_is_annotation, itertools.islice(xml, _MAX_READ)))


def _is_annotation(path: Path) -> bool:
    """Whether a file begins as VOC's annotations do."""
    try:
        with path.open("rb") as file:
            start = file.read(1000).replace(b"\0", b"")  # UTF-16 too
    except OSError:
        return False
    return re.search(rb"<annotation[\s>]", start) is not None
