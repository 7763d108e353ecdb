"""ILSVRC-2012 classification as distributed, without unpacking anything by hand.

In: the folder that holds it. Out: a Source whose class ids are WordNet 3.0 synsets. Training images
lie in `ILSVRC2012_img_train.tar` (a tar of one tar per class), or in `train/<synset>/`; validation
images in `ILSVRC2012_img_val.tar`, or flat in `val/`. Their labels come from the development kit
(`ILSVRC2012_validation_ground_truth.txt` with `meta.mat`), or from Kaggle's `LOC_val_solution.csv`
and `LOC_synset_mapping.txt`. The test images have no public labels and are left out. What
`meta.mat` says of children gives the hierarchy.
"""

from __future__ import annotations

import csv
import io
import tarfile
from collections.abc import Iterator
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
_IMAGES = "Data/CLS-LOC"  # where Kaggle's layout has train/ and val/


@dataclass(frozen=True)
class _Place:
    """Where one image lies: a whole file, or a range of an archive."""

    id: str
    file: str
    offset: int
    size: int


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
        train, val = _places(root, "train", _TRAIN_TAR), _places(root, "val", _VAL_TAR)
        if not train:
            raise _missing(root, f"{_TRAIN_TAR}, or a folder train/ of one folder per synset")
        truth, names, hierarchy = _truth(root) if val else ({}, {}, None)
        records = [(p.id, p.id.split("/")[1], TRAIN) for p in train] + [
            (p.id, _label(p, truth), VAL) for p in val
        ]
        places = sorted(train + val, key=lambda p: p.id)
        files = tuple(dict.fromkeys(p.file for p in places))
        index = {file: i for i, file in enumerate(files)}
        labels = {label for _, label, _ in records}
        pixels = RangePixels(
            files,
            np.fromiter((index[p.file] for p in places), np.int32, len(places)),
            np.fromiter((p.offset for p in places), np.int64, len(places)),
            np.fromiter((p.size for p in places), np.int64, len(places)),
        )
        return from_records(
            str(self.path),
            records,
            pixels=pixels,
            listing=listing_fingerprint(
                [
                    "ilsvrc",
                    *(
                        f"{p.id}\t{p.size}\t{label}"
                        for p, (_, label, _) in zip(places, sorted(records), strict=True)
                    ),
                ]
            ),
            names={label: words for label, words in names.items() if label in labels},
            hierarchy=hierarchy if hierarchy and labels <= hierarchy.nodes else None,
        )


def _places(root: Path, split: str, archive: str) -> list[_Place]:
    """The images of a split, in its archive or as files."""
    if (tar := root / archive).is_file():
        return [
            _Place(_tidy(m.name, split), str(tar), m.offset, m.size)
            for m in members(tar)
            if _is_image(m.name)
        ]
    for base in (root, root / _IMAGES, root / "ILSVRC" / _IMAGES):
        if (base / split).is_dir():
            found = list_images(base, split)
            return [_Place(_tidy(f.path, split), str(base / f.path), 0, f.num_bytes) for f in found]
    return []


def _tidy(path: str, split: str) -> str:
    """`train/n01440764/n01440764_10026.JPEG`, `val/ILSVRC2012_val_00000001.JPEG`, whatever stood in
    between."""
    parts = path.split("/")
    return f"{split}/{parts[-2]}/{parts[-1]}" if split == "train" else f"{split}/{parts[-1]}"


def _is_image(name: str) -> bool:
    return name.lower().endswith((".jpeg", ".jpg", ".png"))


def _label(place: _Place, truth: dict[str, str]) -> str:
    stem = place.id.rsplit("/", 1)[-1].split(".")[0]
    if stem not in truth:
        raise BadDataError(
            f"{place.id} has no label in the ground truth",
            "Both must be of one release; get them again.",
        )
    return truth[stem]


def _truth(root: Path) -> tuple[dict[str, str], dict[str, str], Hierarchy | None]:
    """File stem of each validation image -> synset; words of each synset; the hierarchy where it is
    known."""
    for folder in (root, root / "ILSVRC"):
        if (folder / _SOLUTION).is_file():
            return _read_solution(folder / _SOLUTION), _read_mapping(folder / _MAPPING), None
    kit = _devkit(root)
    if kit is None:
        raise _missing(root, f"{_DEVKIT_TAR}, or {_TRUTH} with {_META}, or Kaggle's {_SOLUTION}")
    lines, meta = kit
    ids, names, hierarchy = _read_meta(meta)
    numbers = [int(line) for line in lines.split()]
    if strangers := sorted(set(numbers) - ids.keys()):
        raise BadDataError(
            f"{root}: {_TRUTH} names class {strangers[0]}, which is not in {_META}",
            "Get the development kit again.",
        )
    return (
        {f"ILSVRC2012_val_{i:08d}": ids[number] for i, number in enumerate(numbers, 1)},
        names,
        hierarchy,
    )


def _read_solution(path: Path) -> dict[str, str]:
    with path.open(newline="", encoding="utf-8") as file:
        return {row["ImageId"]: row["PredictionString"].split()[0] for row in csv.DictReader(file)}


def _read_mapping(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    rows = (
        line.split(" ", 1) for line in path.read_text(encoding="utf-8").splitlines() if " " in line
    )
    return {synset: words.strip() for synset, words in rows}


def _devkit(root: Path) -> tuple[str, bytes] | None:
    """The ground truth and meta.mat, from the kit's archive or unpacked."""
    if (archive := root / _DEVKIT_TAR).is_file():
        with tarfile.open(archive) as tar:
            held = {m.name.rsplit("/", 1)[-1]: m for m in tar if m.name.endswith((_TRUTH, _META))}
            if _TRUTH in held and _META in held:
                read = lambda name: tar.extractfile(held[name]).read()  # noqa: E731  # pyright: ignore[reportOptionalMemberAccess]
                return read(_TRUTH).decode(), read(_META)
    for folder in _unpacked(root):
        if (folder / _TRUTH).is_file() and (folder / _META).is_file():
            return (folder / _TRUTH).read_text(), (folder / _META).read_bytes()
    return None


def _unpacked(root: Path) -> Iterator[Path]:
    yield from (
        root,
        root / "data",
        root / "devkit" / "data",
        root / "ILSVRC2012_devkit_t12" / "data",
    )


def _read_meta(data: bytes) -> tuple[dict[int, str], dict[str, str], Hierarchy]:
    """Class number -> synset of the leaves, words of all synsets, and the hierarchy that the
    children give."""
    from scipy.io import loadmat

    rows: Any = np.atleast_1d(
        loadmat(io.BytesIO(data), squeeze_me=True, struct_as_record=False)["synsets"]
    )
    synsets = {int(row.ILSVRC2012_ID): str(row.WNID) for row in rows}
    parents: dict[str, list[str]] = {}
    for row in rows:
        for child in np.atleast_1d(row.children) if int(row.num_children) else ():
            parents.setdefault(synsets[int(child)], []).append(str(row.WNID))
    leaves = {int(row.ILSVRC2012_ID): str(row.WNID) for row in rows if not int(row.num_children)}
    names = {str(row.WNID): str(row.words) for row in rows}
    return (
        leaves,
        names,
        Hierarchy({child: tuple(sorted(above)) for child, above in parents.items()}),
    )


def _missing(root: Path, what: str) -> BadDataError:
    return BadDataError(
        f"{root} has no {what}",
        "ILSVRC-2012 is distributed at image-net.org, and at Kaggle as imagenet-object-localization-challenge; keep its files together.",
    )
