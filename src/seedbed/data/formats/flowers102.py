"""flowers102(): Oxford's 102 flowers (Nilsback and Zisserman 2008).

In: a folder with `jpg/image_00001.jpg`, `imagelabels.mat` (the class of each image, from 1) and
`setid.mat` (the numbers, from 1, of the images of `trnid`, `valid` and `tstid`); or the folder that
contains it as `flowers-102/`, as torchvision stores it. Out: a Source of train, val and test. Each
image is in one of the three sets; other files are not read.

torchvision's reader needs the tables with their checksums in `flowers-102/`, and returns decoded
images, whereas a store may keep the bytes of the files. So the tables are read here. The names of
the classes, which the tables do not have, come from torchvision: both ways give the same labels.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from seedbed.base.errors import BadDataError
from seedbed.data.formats import Format
from seedbed.data.image_files import existing_folder
from seedbed.data.image_lists import ListedImage, source_from_list
from seedbed.data.source import TEST, TRAIN, VAL, Source

_BELOW, _LABELS, _SETS = "flowers-102", "imagelabels.mat", "setid.mat"
_SPLITS = {"trnid": TRAIN, "valid": VAL, "tstid": TEST}
_ADVICE = (
    "The 102 flowers are distributed at robots.ox.ac.uk/~vgg/data/flowers/102: 102flowers.tgz "
    "(which gives jpg/), imagelabels.mat and setid.mat, in one folder. "
    "torchvision('Flowers102', 'FOLDER', download=True) fetches them into FOLDER/flowers-102."
)


@dataclass(frozen=True)
class Flowers102(Format):
    """Oxford's 102 flowers as distributed, by their official training, validation and test sets."""

    path: str
    paths: ClassVar[tuple[str, ...]] = ("path",)
    priority: ClassVar[int] = 20

    @staticmethod
    def recognises(path: Path) -> bool:
        return (path / _LABELS).is_file() and (path / _SETS).is_file()

    def read(self) -> Source:
        root = existing_folder(self.path)
        root = root / _BELOW if not (root / _LABELS).exists() and (root / _BELOW).is_dir() else root
        names = _class_names()
        labels = _column(_load(root / _LABELS), "labels", root / _LABELS, len(names), "a class")
        table = _load(root / _SETS)
        sets = {
            key: _column(table, key, root / _SETS, len(labels), "an image that has a label")
            for key in _SPLITS
        }
        _refuse_unlisted_images(len(labels), sets, root)
        images = [
            ListedImage(
                f"jpg/image_{number:05d}.jpg",
                names[labels[number - 1] - 1],
                _SPLITS[key],
                f"{root / _SETS}, {key}, entry {i}",
            )
            for key, numbers in sets.items()
            for i, number in enumerate(numbers.tolist(), 1)
        ]
        splits = tuple(_SPLITS.values())
        return source_from_list(
            str(self.path), root, images, kind="flowers102", splits=splits, advice=_ADVICE, names={}
        )


def _refuse_unlisted_images(num_images: int, sets: Mapping[str, np.ndarray], root: Path) -> None:
    """Raise BadDataError unless the sets name every image that has a label."""
    numbers = set(range(1, num_images + 1))
    if unlisted := sorted(numbers.difference(*(listed.tolist() for listed in sets.values()))):
        raise BadDataError(
            f"{root / _LABELS} has {num_images:,} labels, and {root / _SETS} names image "
            f"{unlisted[0]} in no set ({len(unlisted):,} such images)",
            f"Expected each image in one of {', '.join(_SPLITS)}. {_ADVICE}",
        )


def _load(path: Path) -> Mapping[str, Any]:
    """Read a MATLAB file."""
    from scipy.io import loadmat

    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadDataError(f"cannot read {path}: {error.strerror}", _ADVICE) from None
    try:
        return loadmat(io.BytesIO(data))
    except Exception as error:  # a damaged file may fail anywhere in the parser
        raise BadDataError(f"{path} cannot be read as a MATLAB file: {error}", _ADVICE) from None


def _column(table: Mapping[str, Any], key: str, path: Path, largest: int, what: str) -> np.ndarray:
    """A column of whole numbers 1..`largest`, int64 [n]; raises BadDataError for other values."""
    if key not in table:
        raise BadDataError(
            f"{path} has no {key!r}; it has: {', '.join(k for k in table if k[0] != '_')}", _ADVICE
        )
    values = np.asarray(table[key]).ravel()
    if not len(values) or values.dtype.kind not in "iuf" or (values != np.floor(values)).any():
        raise BadDataError(f"{path}: {key!r} is not a list of whole numbers", _ADVICE)
    wrong = np.flatnonzero((values < 1) | (values > largest))
    if len(wrong):
        raise BadDataError(
            f"{path}, {key}, entry {wrong[0] + 1}: {values[wrong[0]]} is not the number of {what}",
            f"Expected 1 to {largest:,}. {_ADVICE}",
        )
    return values.astype(np.int64)


def _class_names() -> list[str]:
    from torchvision.datasets import Flowers102 as Reader

    return list(Reader.classes)
