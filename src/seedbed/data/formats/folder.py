"""folder(): image folders, one folder per class, at any depth.

In: a folder. Out: a Source. `train/`, `val/` (or `valid`, `validation`) and `test/` at the top are
splits. Below them, or without them, the path of an image's folder is its label, and nested folders
give the class hierarchy.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from seedbed.base.errors import BadDataError
from seedbed.data.formats import Format
from seedbed.data.hierarchy import from_paths
from seedbed.data.image_files import (
    FilePixels,
    ImageFile,
    existing_folder,
    files_in,
    list_folder,
)
from seedbed.data.source import (
    SPLIT_NAMES,
    TEST,
    TRAIN,
    VAL,
    Source,
    from_records,
    listing_fingerprint,
    split_of_folder,
)


@dataclass(frozen=True)
class Folder(Format):
    """Images in folders by class; train/val/test recognised; nested folders give a hierarchy."""

    path: str
    paths: ClassVar[tuple[str, ...]] = ("path",)

    def read(self) -> Source:
        root = existing_folder(self.path)
        listing = list_folder(root)
        files = listing.files
        only_held_out = _is_only_held_out(files)
        has_splits = only_held_out or any(_is_training_image(file) for file in files)
        if has_splits:
            _refuse_other_folders(root, files)
        records = [_record(file, has_splits) for file in files]
        if unlabelled := [path for path, label, _ in records if not label]:
            raise _unlabelled_error(root, unlabelled, len(files))
        labels = {label for _, label, _ in records}
        _refuse_splits_as_classes(root, labels)
        empty_labels = {_label_of_folder(folder, has_splits) for folder in listing.empty}
        # Earlier versions read such folders as classes called test/... and val/...
        version = ["held out"] if only_held_out else []
        tops = {file.path.partition("/")[0] for file in files} if has_splits else set()
        version += sorted(top for top in tops if top.lower() not in SPLIT_NAMES)
        return from_records(
            str(self.path),
            records,
            pixels=FilePixels(str(root.resolve()), np.array([file.path for file in files], object)),
            listing=listing_fingerprint(["folder", *version, *map(str, files)]),
            names={label: label.split("/")[-1] for label in labels if "/" in label},
            hierarchy=from_paths(labels) if any("/" in label for label in labels) else None,
            empty_classes=tuple(sorted(empty_labels - labels - {""})),
            skipped=listing.skipped.rows(),
        )


def _is_training_image(file: ImageFile) -> bool:
    """Whether an image is in a class folder below `train/`."""
    return _split_of(file) == TRAIN and file.path.count("/") > 1


def _is_only_held_out(files: list[ImageFile]) -> bool:
    """Whether all images are in class folders below `val/` or `test/`."""
    return bool(files) and all(
        _split_of(file) in (VAL, TEST) and file.path.count("/") > 1 for file in files
    )


def _split_of(file: ImageFile) -> int | None:
    """The split that the top folder of an image names."""
    top, _, rest = file.path.partition("/")
    return split_of_folder(top) if rest else None


def _refuse_other_folders(root: Path, files: list[ImageFile]) -> None:
    """Raise BadDataError for a folder that is not a split, next to those that are."""
    tops = {file.path.split("/")[0] for file in files if "/" in file.path}
    others = sorted(top for top in tops if split_of_folder(top) is None)
    if others:
        raise BadDataError(
            f"{root} has split folders, and next to them {others[0]!r}, whose images are in no "
            "split",
            "Move it elsewhere, or into train/, val/ or test/ as a class.",
        )


def _refuse_splits_as_classes(root: Path, labels: Iterable[str]) -> None:
    """Raise BadDataError for labels such as `photos/train/cats` beside `photos/val/cats`, or
    `train2017` and `val2017` with no other class beside them."""
    children: dict[str, set[str]] = {}
    with_folders: dict[str, set[str]] = {}
    for label in labels:
        parts = label.split("/")
        for i, part in enumerate(parts):
            children.setdefault("/".join(parts[:i]), set()).add(part)
            if i < len(parts) - 1:
                with_folders.setdefault("/".join(parts[:i]), set()).add(part)
    for parent, names in sorted(children.items()):
        are_all_splits = all(split_of_folder(name) is not None for name in names)
        names = names if are_all_splits else with_folders.get(parent, set())
        splits = {name: split for name in names if (split := split_of_folder(name)) is not None}
        if len(set(splits.values())) > 1:
            hint = (
                "Call them train, val and test, with a folder for each class below: "
                "train/cats/1.jpg. Boxes need their annotation files beside the images."
            )
            if parent:
                hint = f"Name that folder: {root / parent}. Move everything else elsewhere."
            raise BadDataError(
                f"{root / parent} holds the folders {' and '.join(sorted(splits))}, which are "
                "splits and no classes",
                hint,
            )


def _record(file: ImageFile, has_splits: bool) -> tuple[str, str, int]:
    """Id, label and split of an image."""
    folders = file.path.split("/")[:-1]
    split = _split_of(file) if has_splits else None
    if split is None:
        return file.path, "/".join(folders), TRAIN
    return file.path, "/".join(folders[1:]), split


def _label_of_folder(folder: str, has_splits: bool) -> str:
    """The class of a folder: its path without the split; empty for the split folder itself."""
    top, _, rest = folder.partition("/")
    return rest if has_splits and split_of_folder(top) is not None else folder


def _unlabelled_error(root: Path, unlabelled: list[str], num_images: int) -> BadDataError:
    """The error for images in no class folder; it names the format of boxes beside them."""
    hint = "Put every image into a folder named after its class, for example cats/1.jpg."
    image = root / unlabelled[0]
    suffixes = {".txt": "yolo", ".xml": "voc"}
    formats = [name for suffix, name in suffixes.items() if image.with_suffix(suffix).is_file()]
    formats += ["coco"] if any(root.glob("*.json")) else []
    if formats:
        hint += f" If these are boxes, they are read by {formats[0]}({str(root)!r})."
    tables = sorted(files_in(root, (".csv", ".tsv", ".jsonl")))
    if tables and not formats:
        hint += f" If their labels are in a table: manifest({str(tables[0])!r})."
    return BadDataError(
        f"{len(unlabelled)} of {num_images} images in {root} have no label ({unlabelled[0]!r} is "
        "in no class folder)",
        hint,
    )
