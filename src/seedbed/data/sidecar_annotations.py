"""Find annotations in PASCAL VOC's form that are next to their images, without image sets.

LabelImg and Roboflow write such folders; in others, annotations have a folder of their own beside
that of the images: `images/` and `annots/`. In: a folder. Out: which images have an annotation, by
split, and where it is.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from seedbed.base.errors import BadDataError
from seedbed.data.image_files import files_in, list_images, subfolders
from seedbed.data.source import SPLITS, TRAIN, split_of_folder, split_of_path

IMAGES = "JPEGImages"
# Usual names of the folder of annotations, in lower case; the first that has the file is read.
_ANNOTATIONS = (
    "annotations",
    "annotation",
    "annots",
    "annot",
    "xml",
    "xmls",
    "labels",
    "label",
    "bboxes",
    "bbox",
    "boxes",
    "voc",
    "pascal_voc",
)
_IMAGES = ("images", "image", "imgs", "img", "jpegimages")
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

        The annotation of `a.jpg` is `a.xml` in the same folder, or in a folder of annotations next
        to that, to one above it, or in it: `images/train/a.jpg`, `annots/train/a.xml`.
        """
        search = _AnnotationSearch(root)
        sets: dict[str, list[str]] = {}
        files: dict[str, str] = {}
        annotations: dict[str, str] = {}
        image_of_annotation: dict[str, str] = {}
        for image in (file.path for file in list_images(root)):
            annotation = search.find(image)
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


class _AnnotationSearch:
    """Finds the annotation files of images; lists each folder of images once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._names: dict[str, list[str]] = {}  # folder -> folders of annotations in it
        self._folders: dict[str, list[str]] = {}  # folder of images -> where annotations may be

    def find(self, image: str) -> str | None:
        """The annotation file of an image, relative to the root, if it exists."""
        folder, _, name = os.path.splitext(image)[0].rpartition("/")
        if folder not in self._folders:
            self._folders[folder] = list(dict.fromkeys(self._places(folder)))
        for place in self._folders[folder]:
            for suffix in (".xml", ".XML"):
                path = f"{place}/{name}{suffix}" if place else f"{name}{suffix}"
                # os.path is faster than Path, and there are thousands of images.
                if os.path.isfile(f"{self._root}/{path}"):  # noqa: PTH113
                    return path
        return None

    def _places(self, folder: str) -> Iterator[str]:
        """The folders in which the annotations of the images in a folder may be."""
        yield folder
        parts = folder.split("/") if folder else []
        for i in reversed(range(len(parts))):
            above = "/".join(parts[:i])
            yield from ("/".join((*parts[:i], n, *parts[i + 1 :])) for n in self._in(above))
            yield from ("/".join((*parts[:i], n)) for n in self._in(above))
        yield from ("/".join((*parts, name)) for name in self._in(folder))

    def _in(self, folder: str) -> list[str]:
        """The folders of annotations in a folder, the most usual name first."""
        if folder not in self._names:
            self._names[folder] = _annotation_folders(self._root / folder)
        return self._names[folder]


def _annotation_folders(path: Path) -> list[str]:
    """Names of the folders of annotations in a folder, the most usual first."""
    names = [folder.name for folder in subfolders(path) if folder.name.lower() in _ANNOTATIONS]
    return sorted(names, key=lambda name: (_ANNOTATIONS.index(name.lower()), name))


def _split_of(image: str) -> str:
    """The split that a folder of an image's path names; train if none does."""
    split = split_of_path(image)
    return SPLITS[TRAIN if split is None else split]


def _count_others(root: Path, annotations: set[str]) -> int:
    """Count the annotation files below a folder that are not among `annotations`."""
    xml = (path for path in root.rglob("*") if path.suffix.lower() == ".xml")
    others = (path for path in xml if path.relative_to(root).as_posix() not in annotations)
    return sum(map(_is_annotation, others))


def has_annotations(path: Path) -> bool:
    """Whether there are annotations in a folder, in its folders of annotations or of images, or in
    its split folders."""
    if not path.is_dir():
        return False
    tops = [path, *_split_folders(path)]
    names = (*_ANNOTATIONS, *_IMAGES)
    inner = [folder for top in tops for folder in _folders_named(top, names)]
    below = [folder for one in inner for folder in _split_folders(one)]
    return any(map(_contains_annotation, (*tops, *inner, *below)))


def _split_folders(path: Path) -> list[Path]:
    return [folder for folder in subfolders(path) if split_of_folder(folder.name) is not None]


def _folders_named(path: Path, names: tuple[str, ...]) -> list[Path]:
    """The folders in a folder that have one of these names in lower case."""
    return [folder for folder in subfolders(path) if folder.name.lower() in names]


def _contains_annotation(folder: Path) -> bool:
    """Whether one of the first .xml files of a folder is an annotation."""
    return any(map(_is_annotation, files_in(folder, (".xml",))[:_MAX_READ]))


def _is_annotation(path: Path) -> bool:
    """Whether a file begins as VOC's annotations do."""
    try:
        with path.open("rb") as file:
            start = file.read(1000).replace(b"\0", b"")  # UTF-16 too
    except OSError:
        return False
    return re.search(rb"<annotation[\s>]", start) is not None
