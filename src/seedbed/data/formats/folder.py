"""Image folders: one folder per class, at any depth.

In: a folder. Out: a Source. `train/`, `val/` (or `valid`, `validation`), `test/` at the top are
splits; below them, or without them, the path of a file's folder is its leaf label, and nested
folders give the class hierarchy.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from seedbed.base.errors import BadDataError
from seedbed.data.formats import Format
from seedbed.data.hierarchy import from_paths
from seedbed.data.image_files import FilePixels, ImageFile, existing_folder, list_images
from seedbed.data.source import (
    SPLIT_NAMES,
    TEST,
    TRAIN,
    VAL,
    Source,
    from_records,
    listing_fingerprint,
)


@dataclass(frozen=True)
class Folder(Format):
    """Images in folders by class; train/val/test recognised; nested folders give a hierarchy."""

    path: str
    paths: ClassVar[tuple[str, ...]] = ("path",)

    def read(self) -> Source:
        root = existing_folder(self.path)
        empty: list[str] = []
        found = list_images(root, empty=empty)
        only_held_out = _only_held_out(found)
        has_splits = only_held_out or any(
            f.path.split("/")[0].lower() in ("train", "training") and f.path.count("/") > 1
            for f in found
        )
        records = [_record(f, has_splits) for f in found]
        strays = (
            {f.path.split("/")[0] for f in found if "/" in f.path and _split_of(f) is None}
            if has_splits
            else set()
        )
        if strays:
            raise BadDataError(
                f"{root} has split folders, and beside them {min(strays)!r} with images of no split",
                "Move it out of the way, or into train/, val/ or test/ as a class.",
            )
        loose = [f.path for f, (_, label, _) in zip(found, records, strict=True) if not label]
        if loose:
            raise _without_labels(root, loose, len(found))
        labels = {label for _, label, _ in records}
        empty_labels = {_label_of_folder(folder, has_splits) for folder in empty}
        return from_records(
            str(self.path),
            records,
            pixels=FilePixels(str(root.resolve()), np.array([f.path for f in found], dtype=object)),
            # Such folders were once read as folders of classes called test/... and val/...
            listing=listing_fingerprint(
                ["folder", *(["held out"] if only_held_out else []), *map(str, found)]
            ),
            names={label: label.split("/")[-1] for label in labels if "/" in label},
            hierarchy=from_paths(labels) if any("/" in label for label in labels) else None,
            empty_classes=tuple(sorted(empty_labels - labels - {""})),
        )


def _only_held_out(images: list[ImageFile]) -> bool:
    """Whether all images lie in class folders below `val/` or `test/`, and none below `train/`."""
    return bool(images) and all(
        _split_of(image) in (VAL, TEST) and image.path.count("/") > 1 for image in images
    )


def _record(found: ImageFile, has_splits: bool) -> tuple[str, str, int]:
    parts = found.path.split("/")[:-1]
    split = _split_of(found) if has_splits else None
    return (
        (found.path, "/".join(parts), TRAIN)
        if split is None
        else (found.path, "/".join(parts[1:]), split)
    )


def _label_of_folder(folder: str, has_splits: bool) -> str:
    """The class of a folder: its path, without a split's name; empty for the split folder."""
    top, _, rest = folder.partition("/")
    return rest if has_splits and top.lower() in SPLIT_NAMES else folder


def _split_of(found: ImageFile) -> int | None:
    top, _, rest = found.path.partition("/")
    return SPLIT_NAMES.get(top.lower()) if rest else None


def _without_labels(root: Path, loose: list[str], num_images: int) -> BadDataError:
    return BadDataError(
        f"{len(loose)} of {num_images} images in {root} have no label ({loose[0]!r} lies in no class folder)",
        _boxes_of_others(root, loose[0])
        or "Put every image into a folder named after its class, for example cats/1.jpg.",
    )


def _boxes_of_others(root: Path, image: str) -> str:
    """What to do where boxes lie beside the images in a form that is not read; empty where there
    are none."""
    looks = (
        "YOLO's"
        if (root / image).with_suffix(".txt").is_file()
        else "COCO's"
        if any(root.glob("*coco*.json"))
        else ""
    )
    return (
        f"It looks like boxes in {looks} form: export them as PASCAL VOC, an .xml file for each image, which is read."
        if looks
        else ""
    )
