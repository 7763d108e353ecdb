"""webdataset(): WebDataset shards, tars whose files share a stem per sample: `0001.jpg` with
`0001.cls`, `0001.json` or `0001.txt`.

In: a tar, a folder of them, or a path with braces such as `train-{000000..000146}.tar`.
Out: a Source; the images are read inside the tars. The name of a shard or of its folder gives its
split (`train-000.tar`, `val-000.tar`). Labels are the text of `.cls` or `.txt`, or `label`, `cls`,
`class` or `class_name` of `.json`. If they are numbers, a `classes.txt`, `classnames.txt` or
`labels.txt` next to the shards gives their names.
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
from seedbed.data.decode import has_image_suffix
from seedbed.data.formats import Format
from seedbed.data.image_files import RangePixels
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
        root, shards = expand_user(self.path), _find_shards(self.path)
        names = _read_class_names(shards[0].parent)
        records: list[tuple[str, str, int]] = []
        place_of_id: dict[str, tuple[int, Member]] = {}
        for i, shard in enumerate(shards):
            path = shard.relative_to(root) if root in shard.parents else Path(shard.name)
            split = _split_of(shard)
            for key, sample in _read_samples(shard).items():
                if sample.image is None:
                    continue
                id_ = f"{path.with_suffix('').as_posix()}/{sample.image.name}"
                records.append((id_, _label(sample, key, shard, names), split))
                place_of_id[id_] = i, sample.image
        places = [place_of_id[id_] for id_, _, _ in sorted(records)]
        status = [f"{s.name}\t{s.stat().st_size}\t{s.stat().st_mtime_ns}" for s in shards]
        return from_records(
            self.path,
            records,
            pixels=RangePixels(
                tuple(str(shard.resolve()) for shard in shards),
                np.array([i for i, _ in places], np.int32),
                np.array([member.offset for _, member in places], np.int64),
                np.array([member.size for _, member in places], np.int64),
            ),
            listing=listing_fingerprint(["webdataset", *status, *names]),
        )


def _split_of(shard: Path) -> int:
    """The split that a shard's name or its folder's name begins with; train if neither does."""
    splits = (find_split(name) for name in (shard.stem, shard.parent.name))
    return next((split for split in splits if split is not None), TRAIN)


def _find_shards(path: str) -> list[Path]:
    """The tars of a path, sorted."""
    if braces := _BRACES.search(path):
        first, last = braces.groups()
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


def _read_samples(shard: Path) -> dict[str, _Sample]:
    """The samples of a shard by their stem, with their labels."""
    samples: dict[str, _Sample] = {}
    with shard.open("rb") as file:
        for member in members(shard):
            folder, _, name = member.name.rpartition("/")
            stem, dot, suffix = name.partition(".")
            kind = f"{dot}{suffix}".lower()
            sample = samples.setdefault(f"{folder}/{stem}", _Sample())
            if has_image_suffix(f"image{kind}"):
                sample.image = member
            elif kind in _TEXT_LABELS or kind == ".json":
                file.seek(member.offset)
                _add_label(sample, kind, file.read(member.size), shard, member.name)
    return samples


def _add_label(sample: _Sample, kind: str, data: bytes, shard: Path, name: str) -> None:
    """Read the label of a sample from one of its files, if it has one."""
    try:
        text = data.decode("utf-8").strip()
        value = json.loads(text) if kind == ".json" else text
    except ValueError as error:
        raise BadDataError(
            f"{shard}: {name} cannot be read: {error}", "Labels are UTF-8 text or JSON."
        ) from None
    if isinstance(value, dict):
        value = next((value[key] for key in _KEYS if key in value), None)
    is_caption = kind == ".txt" and sample.label is not None
    if value is not None and not isinstance(value, list | dict) and not is_caption:
        sample.label = str(value)


def _label(sample: _Sample, key: str, shard: Path, names: list[str]) -> str:
    if not sample.label:
        raise BadDataError(
            f"{shard}: sample {key.lstrip('/')!r} has no label",
            "Each image needs a .cls or .txt, or a .json with 'label', of its stem.",
        )
    if not (names and sample.label.isdecimal()):
        return sample.label
    if int(sample.label) >= len(names):
        raise BadDataError(
            f"{shard}: class {sample.label} of {key.lstrip('/')!r} has no name: there are "
            f"{len(names)} names",
            "Complete the list of names.",
        )
    return names[int(sample.label)]


def _read_class_names(folder: Path) -> list[str]:
    """The names of the class numbers, if there is a list of them."""
    for path in (place / name for place in (folder, folder.parent) for name in _NAMES):
        if path.is_file():
            lines = path.read_text(encoding="utf-8").splitlines()
            return [line.strip() for line in lines if line.strip()]
    return []
