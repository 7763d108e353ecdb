"""ilsvrc(): ILSVRC-2012 classification as distributed, without unpacking anything.

In: the folder that has it. Training images are in `ILSVRC2012_img_train.tar` (a tar of one tar per
class), or in `train/<synset>/`; validation images in `ILSVRC2012_img_val.tar`, or flat in `val/`.
Their labels come from the development kit (`ILSVRC2012_validation_ground_truth.txt` with
`meta.mat`), or from Kaggle's `LOC_val_solution.csv` and `LOC_synset_mapping.txt`.
Out: a Source whose class ids are WordNet 3.0 synsets. `meta.mat` gives the hierarchy. The test
images have no public labels and are not read.
"""

from __future__ import annotations

import csv
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from seedbed.base.errors import BadDataError
from seedbed.data.formats import Format
from seedbed.data.hierarchy import Hierarchy
from seedbed.data.image_files import RangePixels, existing_folder, list_images
from seedbed.data.source import TRAIN, VAL, Source, from_records, listing_fingerprint
from seedbed.data.tar_files import members

_TRAIN_TAR, _VAL_TAR = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"
_DEVKIT_TAR = "ILSVRC2012_devkit_t12.tar.gz"
_TRUTH, _META = "ILSVRC2012_validation_ground_truth.txt", "meta.mat"
_SOLUTION, _MAPPING = "LOC_val_solution.csv", "LOC_synset_mapping.txt"
_IMAGES = "Data/CLS-LOC"  # the folder of train/ and val/ in Kaggle's layout
_DEVKIT_FOLDERS = (".", "data", "devkit/data", "ILSVRC2012_devkit_t12/data")


@dataclass(frozen=True)
class _Image:
    """Where one image is stored: a whole file, or a range of an archive."""

    id: str
    file: str
    offset: int
    size: int


@dataclass(frozen=True, kw_only=True)
class _Truth:
    """Labels of the validation images by file stem, words of the synsets, and their hierarchy."""

    labels: dict[str, str]
    names: dict[str, str]
    hierarchy: Hierarchy | None


@dataclass(frozen=True)
class Ilsvrc(Format):
    """ILSVRC-2012 as distributed: tars or folders, development kit or Kaggle's lists; its
    validation images serve as test."""

    path: str
    paths: ClassVar[tuple[str, ...]] = ("path",)
    priority: ClassVar[int] = 20

    @staticmethod
    def recognises(path: Path) -> bool:
        names = (_TRAIN_TAR, _VAL_TAR, _SOLUTION, _DEVKIT_TAR, f"ILSVRC/{_IMAGES}", _IMAGES)
        return path.is_dir() and any((path / name).exists() for name in names)

    def read(self) -> Source:
        root = existing_folder(self.path)
        train, val = _list_split(root, "train", _TRAIN_TAR), _list_split(root, "val", _VAL_TAR)
        if not train:
            raise _missing_error(root, f"{_TRAIN_TAR}, or a folder train/ of one folder per synset")
        truth = _read_truth(root) if val else _Truth(labels={}, names={}, hierarchy=None)
        records = [(image.id, image.id.split("/")[1], TRAIN) for image in train]
        records += [(image.id, _val_label(image, truth.labels), VAL) for image in val]
        images = sorted(train + val, key=lambda image: image.id)
        labels = {label for _, label, _ in records}
        rows = [
            f"{image.id}\t{image.size}\t{label}"
            for image, (_, label, _) in zip(images, sorted(records), strict=True)
        ]
        hierarchy = truth.hierarchy
        return from_records(
            str(self.path),
            records,
            pixels=_reader(images),
            listing=listing_fingerprint(["ilsvrc", *rows]),
            names={label: words for label, words in truth.names.items() if label in labels},
            hierarchy=hierarchy if hierarchy and labels <= hierarchy.nodes else None,
        )


def _reader(images: list[_Image]) -> RangePixels:
    files = tuple(dict.fromkeys(image.file for image in images))
    indices = {file: i for i, file in enumerate(files)}
    num = len(images)
    return RangePixels(
        files,
        np.fromiter((indices[image.file] for image in images), np.int32, num),
        np.fromiter((image.offset for image in images), np.int64, num),
        np.fromiter((image.size for image in images), np.int64, num),
    )


def _list_split(root: Path, split: str, archive: str) -> list[_Image]:
    """The images of a split, in its archive or as files."""
    if (tar := root / archive).is_file():
        return [
            _Image(_image_id(m.name, split), str(tar), m.offset, m.size)
            for m in members(tar)
            if m.name.lower().endswith((".jpeg", ".jpg", ".png"))
        ]
    for base in (root, root / _IMAGES, root / "ILSVRC" / _IMAGES):
        if (base / split).is_dir():
            return [
                _Image(_image_id(file.path, split), str(base / file.path), 0, file.num_bytes)
                for file in list_images(base, split)
            ]
    return []


def _image_id(path: str, split: str) -> str:
    """`train/n01440764/n01440764_10026.JPEG`, `val/ILSVRC2012_val_00000001.JPEG`: without the
    folders between."""
    parts = path.split("/")
    return f"{split}/{parts[-2]}/{parts[-1]}" if split == "train" else f"{split}/{parts[-1]}"


def _val_label(image: _Image, labels: dict[str, str]) -> str:
    stem = image.id.rsplit("/", 1)[-1].split(".")[0]
    if stem not in labels:
        raise BadDataError(
            f"{image.id} has no label in the ground truth",
            "Both must be of one release: download them again.",
        )
    return labels[stem]


def _read_truth(root: Path) -> _Truth:
    """Read the validation labels from Kaggle's lists or from the development kit."""
    for folder in (root, root / "ILSVRC"):
        if (folder / _SOLUTION).is_file():
            labels, names = _read_solution(folder / _SOLUTION), _read_mapping(folder / _MAPPING)
            return _Truth(labels=labels, names=names, hierarchy=None)
    kit = _read_devkit(root)
    if kit is None:
        raise _missing_error(
            root, f"{_DEVKIT_TAR}, or {_TRUTH} with {_META}, or Kaggle's {_SOLUTION}"
        )
    lines, meta = kit
    synsets, names, hierarchy = _read_meta(meta)
    numbers = [int(line) for line in lines.split()]
    if others := sorted(set(numbers) - synsets.keys()):
        raise BadDataError(
            f"{root}: {_TRUTH} names class {others[0]}, which is not in {_META}",
            "Download the development kit again.",
        )
    labels = {f"ILSVRC2012_val_{i:08d}": synsets[number] for i, number in enumerate(numbers, 1)}
    return _Truth(labels=labels, names=names, hierarchy=hierarchy)


def _read_solution(path: Path) -> dict[str, str]:
    with path.open(newline="", encoding="utf-8") as file:
        return {row["ImageId"]: row["PredictionString"].split()[0] for row in csv.DictReader(file)}


def _read_mapping(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = (line.split(" ", 1) for line in lines if " " in line)
    return {synset: words.strip() for synset, words in rows}


def _read_devkit(root: Path) -> tuple[str, bytes] | None:
    """The ground truth and meta.mat, from the archive of the development kit or unpacked."""
    if (archive := root / _DEVKIT_TAR).is_file():
        with tarfile.open(archive) as tar:
            contents: dict[str, bytes] = {}
            for member in tar:
                name = member.name.rsplit("/", 1)[-1]
                if name in (_TRUTH, _META) and (file := tar.extractfile(member)):
                    contents[name] = file.read()
        if len(contents) == 2:
            return contents[_TRUTH].decode(), contents[_META]
    for folder in (root / name for name in _DEVKIT_FOLDERS):
        if (folder / _TRUTH).is_file() and (folder / _META).is_file():
            return (folder / _TRUTH).read_text(), (folder / _META).read_bytes()
    return None


def _read_meta(data: bytes) -> tuple[dict[int, str], dict[str, str], Hierarchy]:
    """Class number -> synset of the leaves, words of all synsets, and the hierarchy."""
    from scipy.io import loadmat

    table = loadmat(io.BytesIO(data), squeeze_me=True, struct_as_record=False)
    rows: Any = np.atleast_1d(table["synsets"])
    synsets = {int(row.ILSVRC2012_ID): str(row.WNID) for row in rows}
    parents: dict[str, list[str]] = {}
    for row in rows:
        for child in np.atleast_1d(row.children) if int(row.num_children) else ():
            parents.setdefault(synsets[int(child)], []).append(str(row.WNID))
    leaves = {int(row.ILSVRC2012_ID): str(row.WNID) for row in rows if not int(row.num_children)}
    names = {str(row.WNID): str(row.words) for row in rows}
    hierarchy = Hierarchy({child: tuple(sorted(above)) for child, above in parents.items()})
    return leaves, names, hierarchy


def _missing_error(root: Path, what: str) -> BadDataError:
    return BadDataError(
        f"{root} has no {what}",
        "ILSVRC-2012 is distributed at image-net.org, and at Kaggle as "
        "imagenet-object-localization-challenge; keep its files together.",
    )
