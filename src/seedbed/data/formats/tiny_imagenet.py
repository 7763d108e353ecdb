"""Tiny ImageNet as distributed: train folders by synset, `val/val_annotations.txt`, `words.txt`.

In: the unpacked folder. Out: a Source whose class ids are WordNet 3.0 synsets (`n02124075`). The
unlabelled test images are left out. A class of `wnids.txt` without images is an inconsistency that
is reported.
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
        labels_of_val = _read_annotations(root)
        train, val = list_images(root, "train"), list_images(root, "val")
        records = [(f.path, f.path.split("/")[1], TRAIN) for f in train]
        records += [(f.path, _label(f.path, labels_of_val), VAL) for f in val]
        present = {f.path for f in val}
        # An annotated image that is not on disk is kept as a record, so that packing reports it as
        # unreadable.
        records += [
            (f"val/images/{n}", label, VAL)
            for n, label in labels_of_val.items()
            if f"val/images/{n}" not in present
        ]
        _same_classes(root, records)
        return from_records(
            str(self.path),
            records,
            pixels=FilePixels(
                str(root.resolve()), np.array(sorted(r[0] for r in records), dtype=object)
            ),
            listing=listing_fingerprint(
                [
                    "tiny_imagenet",
                    *map(str, train + val),
                    *(f"{k}\t{v}" for k, v in labels_of_val.items()),
                ]
            ),
            names=_read_words(root, {r[1] for r in records}),
        )


def _read_annotations(root: Path) -> dict[str, str]:
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


def _label(path: str, labels: dict[str, str]) -> str:
    name = path.rsplit("/", 1)[-1]
    if name not in labels:
        raise BadDataError(
            f"{path} has no label in {_ANNOTATIONS}",
            "Unpack tiny-imagenet-200.zip again; the two must agree.",
        )
    return labels[name]


def _same_classes(root: Path, records: list[tuple[str, str, int]]) -> None:
    train, val = ({r[1] for r in records if r[2] == split} for split in (TRAIN, VAL))
    wnids = root / "wnids.txt"
    listed = set(wnids.read_text(encoding="utf-8").split()) if wnids.is_file() else train
    if missing := sorted(listed - train):
        raise BadDataError(
            f"{root}: class {missing[0]!r} of wnids.txt has no training images ({len(missing)} such classes)",
            "Unpack every training archive of the set, or remove these lines.",
        )
    if strangers := sorted(val - train):
        raise BadDataError(
            f"{root}: class {strangers[0]!r} is in {_ANNOTATIONS} and has no training folder",
            "Unpack every training archive of the set, or remove these rows.",
        )


def _read_words(root: Path, labels: set[str]) -> dict[str, str]:
    path = root / "words.txt"
    if not path.is_file():
        return {}
    rows = (
        line.split("\t", 1)
        for line in path.read_text(encoding="utf-8").splitlines()
        if "\t" in line
    )
    return {synset: words.strip() for synset, words in rows if synset in labels}
