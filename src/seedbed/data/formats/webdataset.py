"""webdataset(): WebDataset shards, tars whose files share a name per sample: `0001.jpg` with
`0001.cls`, `0001.json` or `0001.txt`.

In: a tar, a folder of them, or a path with braces such as `train-{000000..000146}.tar`.
Out: a Source; the images are read inside the tars. The name of a shard or of its folder gives its
split (`train-000.tar`, `val-000.tar`). Labels are the text of `.cls` or `.txt`, or `label`, `cls`,
`class` or `class_name` of `.json`. If they are numbers, a `classes.txt`, `classnames.txt` or
`labels.txt` next to the shards gives their names.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np

from seedbed.base.errors import BadDataError
from seedbed.base.paths import expand_user
from seedbed.data.file_splits import file_status, splits_of_files
from seedbed.data.formats import Format
from seedbed.data.image_files import RangePixels
from seedbed.data.note_counter import NoteCounter
from seedbed.data.skipped_files import SkippedCounter
from seedbed.data.source import Source, from_records, listing_fingerprint
from seedbed.data.tar_files import Member, members
from seedbed.data.tar_samples import LABEL_KEYS, Sample, group_samples

_NAMES = ("classes.txt", "classnames.txt", "labels.txt")
_ARCHIVES = (".tar", ".tgz", ".tar.gz")  # a compressed one is then refused with advice
_SEVERAL = "{num} sample{s} of several images: one of them is read"
_MAX_SHARDS = 100_000
_BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}")


@dataclass(frozen=True)
class WebDataset(Format):
    """WebDataset shards: samples of an image and its .cls, .json or .txt in tars; splits by the
    names of shards."""

    path: str
    paths: ClassVar[tuple[str, ...]] = ("path",)
    priority: ClassVar[int] = 8

    @staticmethod
    def recognises(path: Path) -> bool:
        if path.is_file():
            return path.name.lower().endswith(_ARCHIVES)
        return path.is_dir() and any(path.glob("*.tar")) and not any(path.glob("ILSVRC2012*.tar"))

    def read(self) -> Source:
        root, shards = expand_user(self.path), _find_shards(self.path)
        names = _read_class_names(shards[0].parent)
        records: list[tuple[str, str, int]] = []
        place_of_id: dict[str, tuple[int, Member]] = {}
        skipped, counter = SkippedCounter(), NoteCounter()
        splits = splits_of_files(shards, root, counter)
        for i, shard in enumerate(shards):
            path = shard.relative_to(root) if root in shard.parents else Path(shard.name)
            folder, split = path.with_suffix("").as_posix(), splits[i]
            samples = group_samples(shard, members(shard), skipped)
            with shard.open("rb") as file:
                for sample in samples:
                    label, image = _read_label(file, sample, shard), sample.images[0]
                    if len(sample.images) > 1:
                        counter.add(_SEVERAL, f"{shard.name}/{image.name}")
                    id_ = f"{folder}/{image.name}"
                    records.append((id_, _class_name(label, sample.key, shard, names), split))
                    place_of_id[id_] = i, image
        if not records:
            raise _no_images_error(self.path, skipped)
        places = [place_of_id[id_] for id_, _, _ in sorted(records)]
        states = map(file_status, shards, [root] * len(shards), splits)
        return from_records(
            self.path,
            records,
            pixels=RangePixels(
                tuple(str(shard.resolve()) for shard in shards),
                np.array([i for i, _ in places], np.int32),
                np.array([member.offset for _, member in places], np.int64),
                np.array([member.size for _, member in places], np.int64),
            ),
            listing=listing_fingerprint(["webdataset", *states, *names]),
            notes=counter.lines(),
            skipped=skipped.rows(),
        )


def _find_shards(path: str) -> list[Path]:
    """The tars of a path, sorted."""
    if braces := _BRACES.search(path):
        first, last = braces.groups()
        _check_range(path, int(first), int(last))
        before, after = path[: braces.start()], path[braces.end() :]
        numbers = [str(i).zfill(len(first)) for i in range(int(first), int(last) + 1)]
        shards = [expand_user(f"{before}{number}{after}") for number in numbers]
        if missing := [shard for shard in shards if not shard.is_file()]:
            raise BadDataError(
                f"there is no shard {missing[0]}",
                f"{len(missing)} of {len(shards)} shards of {path} are missing.",
            )
        return shards
    place = expand_user(path)
    shards = sorted(place.rglob("*.tar")) if place.is_dir() else [place] if place.is_file() else []
    if not shards:
        raise BadDataError(
            f"there are no tar files at {path}",
            "Name a .tar, a folder of them, or train-{000..146}.tar.",
        )
    return shards


def _check_range(path: str, first: int, last: int) -> None:
    if not first <= last <= first + _MAX_SHARDS:
        raise BadDataError(
            f"{path} names the shards {first} to {last}",
            f"Give the lower number first, and at most {_MAX_SHARDS:,} shards.",
        )


def _read_label(file: BinaryIO, sample: Sample, shard: Path) -> str:
    """The label of a sample: of .cls or .json, of .txt where there is neither."""
    label = ""
    for member in sample.labels:
        suffix = os.path.splitext(member.name)[1].lower()
        file.seek(member.offset)
        value = _label_value(file.read(member.size), suffix, shard, member.name)
        is_caption = suffix == ".txt" and label
        if value is not None and not isinstance(value, list | dict) and not is_caption:
            label = str(value)
    if not label:
        raise BadDataError(
            f"{shard}: sample {sample.key!r} has no label",
            "Each image needs a .cls or .txt, or a .json with 'label', of its name.",
        )
    return label


def _label_value(data: bytes, suffix: str, shard: Path, name: str) -> Any:
    """The label in one file of a sample; None if it has none."""
    try:
        text = data.decode("utf-8").strip()
        value = json.loads(text) if suffix == ".json" else text
    except ValueError as error:
        raise BadDataError(
            f"{shard}: {name} cannot be read: {error}", "Labels are UTF-8 text or JSON."
        ) from None
    if isinstance(value, dict):
        value = next((value[key] for key in LABEL_KEYS if key in value), None)
    return value


def _class_name(label: str, key: str, shard: Path, names: list[str]) -> str:
    if not (names and re.fullmatch(r"-?\d+", label)):
        return label
    if not 0 <= int(label) < len(names):
        raise BadDataError(
            f"{shard}: class {label} of {key!r} has no name: there are {len(names)} names",
            "Complete the list of names.",
        )
    return names[int(label)]


def _no_images_error(path: str, skipped: SkippedCounter) -> BadDataError:
    rows = "; ".join(map(str, skipped.rows()[:3])) or "its archives are empty"
    return BadDataError(
        f"no sample of {path} has an image: {rows}",
        "A sample is an image and its label: 0001.jpg and 0001.cls.",
    )


def _read_class_names(folder: Path) -> list[str]:
    """The names of the class numbers, if there is a list of them."""
    for path in (place / name for place in (folder, folder.parent) for name in _NAMES):
        if path.is_file():
            try:
                lines = path.read_text(encoding="utf-8").rstrip().splitlines()
            except UnicodeDecodeError as error:
                raise BadDataError(
                    f"{path} is not UTF-8 text: {error.reason}", "Save it as UTF-8."
                ) from None
            return [line.strip() for line in lines]
    return []
