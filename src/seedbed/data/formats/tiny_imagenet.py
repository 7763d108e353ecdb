"""tiny_imagenet(): Tiny ImageNet as distributed, with training folders by synset.

In: the unpacked folder, with `train/`, `val/val_annotations.txt` and `words.txt`. Out: a Source
whose class ids are WordNet 3.0 synsets (`n02124075`). The test images have no labels and are not
read. A class of `wnids.txt` without images is an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from seedbed.base.errors import BadDataError
from seedbed.data.formats import Format
from seedbed.data.image_files import FilePixels, existing_folder, list_images
from seedbed.data.source import TRAIN, VAL, Source, from_records, listing_fingerprint

_ANNOTATIONS = "val/val_annotations.txt"


@dataclass(frozen=True)
class TinyImageNet(Format):
    """Tiny ImageNet as distributed: 200 synsets, 64 px JPEG; its validation images serve as
    test."""

    path: str
    paths: ClassVar[tuple[str, ...]] = ("path",)
    priority: ClassVar[int] = 10

    @staticmethod
    def recognises(path: Path) -> bool:
        return (path / _ANNOTATIONS).is_file() and (path / "train").is_dir()

    def read(self) -> Source:
        root = existing_folder(self.path)
        val_labels = _read_annotations(root)
        train, val = list_images(root, "train"), list_images(root, "val")
        records = [(file.path, file.path.split("/")[1], TRAIN) for file in train]
        records += [(file.path, _val_label(file.path, val_labels), VAL) for file in val]
        # An annotated image that does not exist is listed too, so that packing reports it as
        # unreadable.
        present = {file.path for file in val}
        annotated = {f"val/images/{name}": label for name, label in val_labels.items()}
        records += [(path, label, VAL) for path, label in annotated.items() if path not in present]
        _refuse_missing_classes(root, records)
        paths = sorted(path for path, _, _ in records)
        rows = [f"{name}\t{label}" for name, label in val_labels.items()]
        return from_records(
            str(self.path),
            records,
            pixels=FilePixels(str(root.resolve()), np.array(paths, object)),
            listing=listing_fingerprint(["tiny_imagenet", *map(str, train + val), *rows]),
            names=_read_words(root, {label for _, label, _ in records}),
        )


def _read_annotations(root: Path) -> dict[str, str]:
    """Name of each validation image -> synset."""
    path = root / _ANNOTATIONS
    if not path.is_file():
        raise BadDataError(
            f"{path} is missing",
            "Expected the layout of tiny-imagenet-200.zip: train/, val/, words.txt.",
        )
    rows = [
        line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line.strip()
    ]
    return {row[0]: row[1] for row in rows if len(row) > 1}


def _val_label(path: str, labels: dict[str, str]) -> str:
    name = path.rsplit("/", 1)[-1]
    if name not in labels:
        raise BadDataError(
            f"{path} has no label in {_ANNOTATIONS}",
            "Unpack tiny-imagenet-200.zip again; the two must agree.",
        )
    return labels[name]


def _refuse_missing_classes(root: Path, records: list[tuple[str, str, int]]) -> None:
    """Raise BadDataError for a class of wnids.txt or of the validation images that has no training
    images."""
    train, val = ({label for _, label, part in records if part == split} for split in (TRAIN, VAL))
    wnids = root / "wnids.txt"
    listed = set(wnids.read_text(encoding="utf-8").split()) if wnids.is_file() else train
    if missing := sorted(listed - train):
        raise BadDataError(
            f"{root}: class {missing[0]!r} of wnids.txt has no training images "
            f"({len(missing)} such classes)",
            "Unpack every training archive of the set, or remove these lines.",
        )
    if missing := sorted(val - train):
        raise BadDataError(
            f"{root}: class {missing[0]!r} is in {_ANNOTATIONS} and has no training folder",
            "Unpack every training archive of the set, or remove these rows.",
        )


def _read_words(root: Path, labels: set[str]) -> dict[str, str]:
    """Words of the classes, if there is a words.txt."""
    path = root / "words.txt"
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = (line.split("\t", 1) for line in lines if "\t" in line)
    return {synset: words.strip() for synset, words in rows if synset in labels}
