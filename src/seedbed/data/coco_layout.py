"""Find COCO annotation files in a folder, and the images that they name.

In: a folder as COCO distributes its sets (annotations/instances_train2017.json, train2017/), as
Roboflow, Label Studio and CVAT export them, or with one JSON file beside the images. Out: the files
of annotations, and each image with its split.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from seedbed.base.errors import BadDataError
from seedbed.base.paths import expand_user
from seedbed.data.coco_files import CocoFile, CocoImage, is_coco_file, read_coco_file
from seedbed.data.image_files import files_in, subfolders
from seedbed.data.image_index import ImageIndex, last_part, unique_last_parts
from seedbed.data.note_counter import NoteCounter
from seedbed.data.source import SPLIT_NAMES, TEST, TRAIN, split_of_folder, split_of_path

_FOLDERS = ("annotations", "annotation", "annots", "labels", "images")
_MISSING = "{num} image{s} that an annotation file names {are} not there"
_BY_NAME = "{num} image{s} matched by the name alone, in another folder than the annotation says"
_REPEATED = "{num} image{s} {are} there twice in an annotation file: their boxes are joined"
_NOT_ANNOTATED = "{num} annotation file{s} of test images without annotations left out"
_NO_SPLIT = "{num} annotation file{s} {have} no split in the name: its images are training images"


@dataclass(frozen=True)
class Place:
    """The folder of a data set and its annotation files."""

    root: Path
    files: tuple[Path, ...]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An image on the disk, as annotation files describe it."""

    image: CocoImage
    split: int


def find_place(path: str | Path, annotations: str | None = None) -> Place:
    """The folder and the annotation files of a data set.

    Args:
        path: the folder, or its annotation file.
        annotations: an annotation file, or a folder of such; by default they are searched for.

    Raises:
        BadDataError: there is nothing at a path, or no annotation file.
    """
    root = expand_user(path)
    if not os.path.exists(root):  # Path.exists raises for a text that is too long for a path
        raise BadDataError(f"there is no {root}", "Check the path.")
    if root.is_file():
        is_inside = root.parent.name.lower() in _FOLDERS[:-1]
        return Place(root.parent.parent if is_inside else root.parent, (root,))
    if annotations is None:
        files = find_annotation_files(root)
        hint = (
            "Name the file: coco('images/', annotations='train.json'). Files are searched for in "
            f"the folder, and in {', '.join(_FOLDERS)}, train, val and test below it."
        )
        return Place(root, _not_empty(files, root, hint))
    other = expand_user(annotations)
    if not os.path.exists(other):
        raise BadDataError(f"there is no {other}", "Check the path of the annotation file.")
    if other.is_file():
        return Place(root, (other,))
    return Place(root, _not_empty(_coco_files(other), other, "Name the file."))


def _not_empty(files: list[Path], folder: Path, hint: str) -> tuple[Path, ...]:
    if not files:
        raise BadDataError(f"there is no annotation file in COCO's form in {folder}", hint)
    return tuple(files)


def find_annotation_files(root: Path) -> list[Path]:
    """The annotation files of a folder, in it and in the usual folders below, sorted by path."""
    folders = [
        folder
        for folder in subfolders(root)
        if folder.name.lower() in _FOLDERS or split_of_folder(folder.name) is not None
    ]
    return sorted(file for folder in (root, *folders) for file in _coco_files(folder))


def _coco_files(folder: Path) -> list[Path]:
    """The annotation files in a folder; beside COCO's own files of boxes (instances_*.json) its
    others (keypoints and so on) are not read."""
    paths = files_in(folder, (".json",))
    if instances := [path for path in paths if path.name.startswith("instances_")]:
        paths = instances
    return sorted(filter(is_coco_file, paths))


def read_place(
    place: Place, paths: Iterable[str], counter: NoteCounter, *, with_boxes: bool
) -> tuple[dict[str, Entry], list[str]]:
    """Read the annotation files of a data set.

    Args:
        place: its folder and files.
        paths: the images below the folder.
        counter: receives what is passed over.
        with_boxes: read the boxes, not the classes of the annotations alone.

    Returns:
        The images by path, and the names of all categories.
    """
    index, classes = ImageIndex(paths), []
    entries: dict[str, Entry] = {}
    file_of_image: dict[str, Path] = {}
    documents = [
        (file, read_coco_file(file, counter, with_boxes=with_boxes)) for file in place.files
    ]
    for file, document in documents:
        split = _split_of_file(file, place.root)
        if split == TEST and len(documents) > 1 and not document.num_annotations:
            counter.add(_NOT_ANNOTATED, str(file))
            continue
        if split is None and len(documents) > 1:
            counter.add(_NO_SPLIT, str(file))
        classes += document.classes
        for path, image in _images_on_disk(file, document, place.root, index, counter):
            if (other := file_of_image.setdefault(path, file)) != file:
                raise BadDataError(
                    f"{path} is in two annotation files, {other} and {file}",
                    "Remove it from one, or name one file: coco('images/', annotations='...').",
                )
            if path in entries:
                counter.add(_REPEATED, path)
                entries[path].image.boxes.extend(image.boxes)
            else:
                image_split = split_of_path(path) if split is None else split
                entries[path] = Entry(
                    image=image, split=TRAIN if image_split is None else image_split
                )
    if not entries:
        raise _no_image_error(place, documents)
    return entries, classes


def _split_of_file(file: Path, root: Path) -> int | None:
    """The split that an annotation file's name or folder means."""
    words = re.findall("[a-z]+", file.stem.lower())
    splits = [TRAIN if word == "trainval" else SPLIT_NAMES.get(word) for word in words]
    folder = f"{file.parent.relative_to(root).as_posix()}/" if root in file.parents else ""
    named = [split for split in splits if split is not None]
    return named[-1] if named else split_of_path(folder)


def _images_on_disk(
    file: Path, document: CocoFile, root: Path, index: ImageIndex, counter: NoteCounter
) -> list[tuple[str, CocoImage]]:
    """The images of an annotation file that exist, with their paths."""
    folder = file.parent.relative_to(root).as_posix() if root in file.parents else ""
    folder, split = "" if folder == "." else folder, _split_of_file(file, root)
    unique = unique_last_parts(image.name for image in document.images)
    images = []
    for image in document.images:
        path = index.find(image.name, folder, split)
        if path is None and last_part(image.name) in unique:
            path = index.find_by_last_part(image.name)
            if path is not None:
                counter.add(_BY_NAME, f"{image.name} as {path}")
        if path is None:
            counter.add(_MISSING, image.name)
        else:
            images.append((path, image))
    return images


def _no_image_error(place: Place, documents: Sequence[tuple[Path, CocoFile]]) -> BadDataError:
    names = [image.name for _, document in documents for image in document.images]
    if not names:
        return BadDataError(f"{place.files[0]} lists no images", "Name another annotation file.")
    return BadDataError(
        f"none of the {len(names):,} images that {place.files[0]} names are in {place.root}: the "
        f"first is {names[0]}",
        "Name the folder of the images: coco('images/', annotations='train.json').",
    )
