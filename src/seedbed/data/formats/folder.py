"""Image folders: one folder per class, at any depth.

In: a folder. Out: a Source. `train/`, `val/` (or `valid`, `validation`), `test/` at the top are splits; below them, or without them,
the path of a file's folder is its leaf label, and nested folders give the class hierarchy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seedbed.base.errors import BadDataError
from seedbed.data.files import FilePixels, Found, list_images, must_exist
from seedbed.data.formats import Format
from seedbed.data.hierarchy import from_paths
from seedbed.data.source import TEST, TRAIN, VAL, Source, from_records, listing_fingerprint

_SPLIT_FOLDERS = {"train": TRAIN, "training": TRAIN, "val": VAL, "valid": VAL, "validation": VAL, "test": TEST, "testing": TEST}


@dataclass(frozen=True)
class Folder(Format):
    """Images in folders by class; train/val/test recognised; nested folders give a hierarchy."""

    path: str

    def read(self) -> Source:
        root = must_exist(self.path)
        found = list_images(root)
        has_splits = any(f.path.split("/")[0].lower() in ("train", "training") and f.path.count("/") > 1 for f in found)
        records = [_record(f, has_splits) for f in found]
        loose = [f.path for f, (_, label, _) in zip(found, records, strict=True) if not label]
        if loose:
            raise _without_labels(root, loose, len(found))
        labels = {label for _, label, _ in records}
        return from_records(
            str(self.path),
            records,
            pixels=FilePixels(str(root.resolve()), np.array([f.path for f in found], dtype=object)),
            listing=listing_fingerprint(["folder", *map(str, found)]),
            names={label: label.split("/")[-1] for label in labels if "/" in label},
            hierarchy=from_paths(labels) if any("/" in label for label in labels) else None,
        )


def _record(found: Found, has_splits: bool) -> tuple[str, str, int]:
    parts = found.path.split("/")[:-1]
    split = _SPLIT_FOLDERS.get(parts[0].lower()) if has_splits and parts else None
    if split is None:
        return found.path, "/".join(parts), TRAIN
    return found.path, "/".join(parts[1:]), split


def _without_labels(root: object, loose: list[str], num_images: int) -> BadDataError:
    return BadDataError(
        f"{len(loose)} of {num_images} images in {root} have no label ({loose[0]!r} lies in no class folder)",
        "Put every image into a folder named after its class, for example cats/1.jpg.",
    )
