"""WebDataset shards: tars whose members share a stem per sample, `0001.jpg` with `0001.cls`,
`0001.json` or `0001.txt`.

In: a tar, a folder of them, or a path with braces such as `train-{000000..000146}.tar`. Out: a
Source; the images are read where they lie. A shard's name tells its split (`train-000.tar`,
`val-000.tar`), as its folder's does. Labels are the text of `.cls` or `.txt`, or `label`, `cls`,
`class` or `class_name` of `.json`; where they are numbers, a `classes.txt`, `classnames.txt` or
`labels.txt` beside the shards names them.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from seedbed.base.errors import BadDataError
from seedbed.base.paths import expand_user
from seedbed.data.formats import Format
from seedbed.data.image_files import IMAGE_SUFFIXES, RangePixels
from seedbed.data.source import TRAIN, Source, find_split, from_records, listing_fingerprint
from seedbed.data.tar_files import Member, members

_TEXT_LABELS = (".cls", ".txt")
_KEYS = ("label", "cls", "class", "class_name", "category")
_NAMES = ("classes.txt", "classnames.txt", "labels.txt")
_BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}")


@dataclass
class _Sample:
    image: Member | None = None
    label: str | None = None


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
            return path.suffix == ".tar"
        return path.is_dir() and any(path.glob("*.tar")) and not any(path.glob("ILSVRC2012*.tar"))

    def read(self) -> Source:
        root, shards = expand_user(self.path), _shards(self.path)
        names = _class_names(shards[0].parent)
        records: list[tuple[str, str, int]] = []
        places: dict[str, tuple[int, Member]] = {}
        for i, shard in enumerate(shards):
            found = [
                split
                for split in (find_split(shard.stem), find_split(shard.parent.name), TRAIN)
                if split is not None
            ]
            stem = (
                (shard.relative_to(root) if root in shard.parents else Path(shard.name))
                .with_suffix("")
                .as_posix()
            )
            for key, sample in _samples(shard).items():
                if sample.image is None:
                    continue
                id_ = f"{stem}/{sample.image.name}"
                records.append((id_, _label(sample, key, shard, names), found[0]))
                places[id_] = (i, sample.image)
        ordered = [places[r[0]] for r in sorted(records)]
        pixels = RangePixels(
            tuple(str(s.resolve()) for s in shards),
            np.array([i for i, _ in ordered], np.int32),
            np.array([m.offset for _, m in ordered], np.int64),
            np.array([m.size for _, m in ordered], np.int64),
        )
        state = [f"{s.name}\t{s.stat().st_size}\t{s.stat().st_mtime_ns}" for s in shards]
        return from_records(
            self.path,
            records,
            pixels=pixels,
            listing=listing_fingerprint(["webdataset", *state, *names]),
        )


def _shards(path: str) -> list[Path]:
    """The tars that a path means, sorted."""
    if found := _BRACES.search(path):
        first, last = found.groups()
        texts = [
            path[: found.start()] + str(i).zfill(len(first)) + path[found.end() :]
            for i in range(int(first), int(last) + 1)
        ]
        shards = [expand_user(t) for t in texts]
        if missing := [s for s in shards if not s.is_file()]:
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


def _samples(shard: Path) -> dict[str, _Sample]:
    """The samples of a shard by their stem; labels are read as they come by."""
    samples: dict[str, _Sample] = {}
    with shard.open("rb") as file:
        for member in members(shard):
            folder, _, base = member.name.rpartition("/")
            stem, dot, suffix = base.partition(".")
            sample, kind = (
                samples.setdefault(f"{folder}/{stem}", _Sample()),
                f"{dot}{suffix}".lower(),
            )
            if kind in IMAGE_SUFFIXES:
                sample.image = member
            elif kind in _TEXT_LABELS or kind == ".json":
                file.seek(member.offset)
                _read_label(sample, kind, file.read(member.size), shard, member.name)
    return samples


def _read_label(sample: _Sample, kind: str, data: bytes, shard: Path, name: str) -> None:
    try:
        text = data.decode("utf-8").strip()
        value = json.loads(text) if kind == ".json" else text
    except ValueError as error:
        raise BadDataError(
            f"{shard}: {name} cannot be read: {error}", "Labels are UTF-8 text or JSON."
        ) from None
    if isinstance(value, dict):
        value = next((value[k] for k in _KEYS if k in value), None)
    if (
        value is None
        or isinstance(value, list | dict)
        or (sample.label is not None and kind == ".txt")
    ):
        return  # a caption beside a class
    sample.label = str(value)


def _label(sample: _Sample, key: str, shard: Path, names: list[str]) -> str:
    if not sample.label:
        raise BadDataError(
            f"{shard}: sample {key.lstrip('/')!r} has no label",
            "Each image needs a .cls or .txt, or a .json with 'label', of its stem.",
        )
    if names and sample.label.isdecimal():
        if int(sample.label) >= len(names):
            raise BadDataError(
                f"{shard}: class {sample.label} of {key.lstrip('/')!r} has no name: there are {len(names)}",
                "Complete the list.",
            )
        return names[int(sample.label)]
    return sample.label


def _class_names(folder: Path) -> list[str]:
    for place in (folder, folder.parent):
        for name in _NAMES:
            if (place / name).is_file():
                return [
                    line.strip()
                    for line in (place / name).read_text(encoding="utf-8").splitlines()
                    if line.strip()
                ]
    return []
