"""Find the images of a YOLO data set, their splits and their label files.

In: a folder with data.yaml, or with images/ and labels/, or with label files beside the images.
Out: images with splits, the label file of each, and notes on what data.yaml says in another way
than the disk.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from seedbed.base.errors import BadDataError
from seedbed.base.paths import expand_user
from seedbed.data.image_files import FolderListing, ImageFile, files_in, list_folder, subfolders
from seedbed.data.image_index import ImageIndex
from seedbed.data.image_suffixes import has_image_suffix
from seedbed.data.source import SPLIT_NAMES, SPLITS, TRAIN, split_of_path
from seedbed.data.yolo_config import (
    YAML,
    YoloConfig,
    find_config,
    find_names,
    is_config_file,
    read_config,
)
from seedbed.data.yolo_labels import is_label_file

_IMAGE_FOLDERS = ("images", "image", "imgs", "img", "jpegimages")
_LABEL_FOLDERS = ("labels", "Labels", "label", "annotations")
_MAX_READ = 20  # text files of a folder that are read to see whether they are labels
NOT_LISTED, NO_IMAGE = "in no split of the YAML file", "a label file without an image"


@dataclass(frozen=True, kw_only=True)
class YoloImage:
    """One image."""

    file: ImageFile
    split: int
    label_file: str | None  # relative to the root; None if there is none


@dataclass(kw_only=True)
class YoloFolder:
    """A data set: its images are below `root`."""

    root: Path
    config: YoloConfig
    listing: FolderListing
    images: list[YoloImage] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def has_yolo_layout(path: Path) -> bool:
    """Whether a path is a data.yaml, or a folder with one or with label files."""
    if path.is_file():
        return is_config_file(path)
    if not path.is_dir():
        return False
    if (path / "obj.data").is_file() or any(map(is_config_file, files_in(path, YAML))):
        return True
    tops = [path, *(top for top in subfolders(path) if top.name.lower() in SPLIT_NAMES)]
    return any(_has_label_folders(top) or _has_labels_beside_images(top) for top in tops)


def _has_label_folders(folder: Path) -> bool:
    """Whether there are `images/` and `labels/` in a folder, with label files in the latter."""
    names = {inner.name.lower(): inner for inner in subfolders(folder)}
    labels = names.get("labels") or names.get("label")
    if labels is None or not any(name in names for name in _IMAGE_FOLDERS):
        return False
    return any(map(_contains_label, (labels, *subfolders(labels))))


def _contains_label(folder: Path) -> bool:
    return any(map(is_label_file, files_in(folder, (".txt",))[:_MAX_READ]))


def _has_labels_beside_images(folder: Path) -> bool:
    """Whether a folder holds images with label files beside them."""
    texts = {path.stem: path for path in files_in(folder, (".txt",))}
    if not texts:
        return False
    images = (path for path in files_in(folder) if has_image_suffix(path.name))
    labels = (texts[image.stem] for image in images if image.stem in texts)
    return any(map(is_label_file, itertools.islice(labels, _MAX_READ)))


def open_yolo_folder(path: str | Path) -> YoloFolder:
    """List a data set; `path` is its folder or its data.yaml.

    Raises:
        BadDataError: there is nothing at the path, data.yaml names no folder with images, an image
            is in two splits, or no image has a label file.
    """
    root = expand_user(path)
    if not os.path.exists(root):  # Path.exists raises for a text that is too long for a path
        raise BadDataError(f"there is no {root}", "Check the path.")
    file = root if root.is_file() else find_config(root)
    root = root.parent if root.is_file() else root
    config = find_names(root) if file is None else read_config(file)
    if file is not None and not config.names:
        names = find_names(root)
        config = replace(config, names=names.names, name_list=names.name_list)
    folder = _list_splits(root, config) if config.splits else _list_all(root, config)
    if not any(image.label_file for image in folder.images):
        raise BadDataError(
            f"no image in {folder.root} has a label file",
            "The labels of images/a.jpg are in labels/a.txt, or in a.txt beside the image. "
            f"Images in folders by class are read by folder({str(folder.root)!r}).",
        )
    return folder


def _list_all(root: Path, config: YoloConfig) -> YoloFolder:
    """All images of a folder without data.yaml; folders name the splits."""
    listing = list_folder(root)
    images = [
        _image(root, file, TRAIN if (split := split_of_path(file.path)) is None else split)
        for file in listing.files
    ]
    return YoloFolder(root=root, config=config, listing=listing, images=images)


def _list_splits(root: Path, config: YoloConfig) -> YoloFolder:
    """The images that data.yaml names."""
    base, notes = _base_folder(root, config)
    listing = list_folder(base)
    files = {file.path: file for file in listing.files}
    index = ImageIndex(files)
    paths_of: dict[int, list[str]] = {}
    for split, texts in sorted(config.splits.items()):
        for text in texts:
            place = _find_place(base, config, text)
            if place is None:
                _refuse_missing(base, config, split, text)
                notes.append(f"{SPLITS[split]}: {text} of {config.file} does not exist")
                continue
            paths_of.setdefault(split, []).extend(_paths_at(place, base, files, index, split))
    split_of = _splits_of_paths(paths_of, config, notes)
    if not split_of:
        raise BadDataError(
            f"{config.file} names no image in {base}", "Correct train, val and test in it."
        )
    for path in files.keys() - split_of.keys():
        listing.skipped.add(path, NOT_LISTED)
    images = [_image(base, files[path], split) for path, split in sorted(split_of.items())]
    return YoloFolder(root=base, config=config, listing=listing, images=images, notes=notes)


def _base_folder(root: Path, config: YoloConfig) -> tuple[Path, list[str]]:
    """The folder that data.yaml's folders are relative to: `path` in it, else its own folder."""
    if config.folder and config.file is not None:
        folder = config.file.parent / expand_user(config.folder)
        if folder.is_dir():
            return Path(os.path.normpath(folder)), []
        note = f"{config.file} has path: {config.folder}, which does not exist: {root} is read"
        return root, [note]
    return root, []


def _find_place(base: Path, config: YoloConfig, text: str) -> Path | None:
    """The folder or list that data.yaml names: as it is written, else the longest end of it that
    exists below the base."""
    text = text.replace("\\", "/")
    parts = [part for part in PurePosixPath(text).parts if part not in ("..", ".", "/")]
    ends = [base.joinpath(*parts[i:]) for i in range(len(parts))]
    written = Path(os.path.normpath(base / text))
    # Roboflow writes ../train/images, and means a folder beside the file.
    places = [written, *ends] if written.is_relative_to(base) else ends
    if config.file is not None and config.file.parent != base:
        places += [config.file.parent.joinpath(*parts[i:]) for i in range(len(parts))]
    places = [place for place in places if place.is_relative_to(base)]
    return next((place for place in places if place.exists()), base if not parts else None)


def _refuse_missing(base: Path, config: YoloConfig, split: int, text: str) -> None:
    """Raise BadDataError for training images that do not exist; others may be missing."""
    if split == TRAIN:
        raise BadDataError(
            f"{config.file} has train: {text}, and there is no such folder or list in {base}",
            "Correct it: the folder of the training images, relative to the YAML file.",
        )


def _paths_at(
    place: Path, base: Path, files: dict[str, ImageFile], index: ImageIndex, split: int
) -> list[str]:
    """The images in a folder, or in a list of a path a line."""
    below = place.relative_to(base).as_posix()
    if place.is_dir():
        return [path for path in files if below == "." or path.startswith(f"{below}/")]
    try:
        lines = place.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError:
        raise BadDataError(f"{place} is not UTF-8 text", "Save it as UTF-8.") from None
    names = [line.strip() for line in lines if line.strip()]
    folder = below.rpartition("/")[0]
    paths = {name: index.find(name, folder, split) for name in names}
    if missing := [name for name, path in paths.items() if path is None]:
        raise BadDataError(
            f"{place} names {len(missing):,} images that are not in {base}: the first is "
            f"{missing[0]}",
            "Correct the list, or add the images.",
        )
    return [path for path in paths.values() if path is not None]


def _splits_of_paths(
    paths_of: dict[int, list[str]], config: YoloConfig, notes: list[str]
) -> dict[str, int]:
    """Path of each image -> its split. A split with the images of another one is left out."""
    split_of: dict[str, int] = {}
    seen: dict[frozenset[str], int] = {}
    for split, paths in paths_of.items():
        if (other := seen.setdefault(frozenset(paths), split)) != split:
            one, two = SPLITS[split], SPLITS[other]
            notes.append(f"{one} of {config.file} has the images of {two}: read as {two} alone")
            continue
        for path in paths:
            if (other := split_of.setdefault(path, split)) != split:
                raise BadDataError(
                    f"{config.file} names {path} in two splits: {SPLITS[other]} and "
                    f"{SPLITS[split]}",
                    "Remove it from one: test images must not be training images.",
                )
    return split_of


def _image(root: Path, file: ImageFile, split: int) -> YoloImage:
    return YoloImage(file=file, split=split, label_file=_find_label_file(root, file.path))


def _find_label_file(root: Path, path: str) -> str | None:
    """The label file of an image: in the folder of labels that belongs to its folder of images, or
    beside it."""
    *folders, name = os.path.splitext(path)[0].split("/")
    candidates: list[Sequence[str]] = []
    for i in reversed(range(len(folders))):
        if folders[i].lower() in _IMAGE_FOLDERS:
            candidates += [(*folders[:i], label, *folders[i + 1 :]) for label in _LABEL_FOLDERS]
    candidates.append(folders)
    candidates += [(label, *folders) for label in _LABEL_FOLDERS[:1]]
    candidates += [(*folders[:-1], label) for label in _LABEL_FOLDERS[:1]]
    for candidate in candidates:
        label_file = "/".join((*candidate, f"{name}.txt"))
        # os.path is faster than Path, and there are thousands of images.
        if os.path.isfile(f"{root}/{label_file}"):  # noqa: PTH113
            return label_file
    return None


def unused_label_files(folder: YoloFolder) -> list[str]:
    """Label files without an image: other text files in the folders of the label files."""
    used = {image.label_file for image in folder.images}
    folders = {label_file.rpartition("/")[0] for label_file in used if label_file}
    return [
        path
        for path in folder.listing.skipped.paths
        if path.endswith(".txt")
        and path not in used
        and path.rpartition("/")[0] in folders
        and is_label_file(folder.root / path)
    ]
