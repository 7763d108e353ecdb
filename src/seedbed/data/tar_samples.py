"""Group the members of a WebDataset shard into samples: an image, and the files of its label.

In: members of a tar. Out: samples; members that belong to none are counted.

A sample is what has one name up to the first dot, as in the library: `0001.jpg`, `0001.cls`,
`0001.seg.png`. Where names have dots themselves (`012_v1.5.jpg`, `012_v1.5.cls`), a sample is what
has one name up to the last dot: if each image then has a label, or if what stands between the dots
is no word.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from seedbed.base.errors import BadDataError
from seedbed.data.image_files import is_hidden
from seedbed.data.image_suffixes import has_image_suffix
from seedbed.data.skipped_files import HIDDEN, NO_IMAGE, SkippedCounter
from seedbed.data.tar_files import Member

LABEL_SUFFIXES = (".cls", ".json", ".txt")
LABEL_KEYS = ("label", "cls", "class", "class_name", "category")
# Which of several images of a sample is read: the first of these fields, then any other.
IMAGE_FIELDS = ("jpg", "jpeg", "png", "webp", "image", "img", "input")
NO_IMAGE_IN_SAMPLE, FURTHER_IMAGE = "no image in its sample", "another image of its sample"
_WORD = re.compile(r"[^\W\d][\w-]*")


@dataclass
class Sample:
    """The files of one sample; `images` in the order in which they are chosen, `labels` as they
    lie in the archive."""

    key: str
    images: list[Member] = field(default_factory=list)
    labels: list[Member] = field(default_factory=list)


@dataclass(frozen=True)
class _Part:
    """A member: its name up to the first and up to the last dot, and what stands between them."""

    member: Member
    stem: str
    whole_stem: str
    suffix: str  # in lower case, with its dot

    @property
    def between(self) -> str:
        return self.whole_stem[len(self.stem) + 1 :]

    @property
    def is_image(self) -> bool:
        return has_image_suffix(f"image{self.suffix}")

    @property
    def is_label(self) -> bool:
        return self.suffix in LABEL_SUFFIXES


def group_samples(shard: Path, members: Iterable[Member], skipped: SkippedCounter) -> list[Sample]:
    """The samples of a shard that have an image, in the order of their first members.

    Args:
        shard: the archive, for messages.
        members: its files.
        skipped: counts the members that are not read, as `shard/member`.

    Raises:
        BadDataError: two members have one name.
    """
    groups: dict[str, list[_Part]] = {}
    names: set[str] = set()
    for member in members:
        folder, _, name = member.name.rpartition("/")
        if any(map(is_hidden, member.name.split("/"))):
            skipped.add(f"{shard.name}/{member.name}", HIDDEN)
            continue
        if member.name in names:
            raise BadDataError(
                f"{shard} has two members of one name, {member.name!r}",
                "Write the archive again, with each file once: one of them would never be read.",
            )
        names.add(member.name)
        stem = f"{folder}/{name.partition('.')[0]}".lstrip("/")
        whole_stem, suffix = os.path.splitext(member.name.lstrip("/"))
        groups.setdefault(stem, []).append(_Part(member, stem, whole_stem, suffix.lower()))
    samples: list[Sample] = []
    for parts in groups.values():
        for key, group in _divide(parts).items():
            sample = _make_sample(key, group)
            _count_skipped(sample, group, shard, skipped)
            samples += [sample] if sample.images else []
    return samples


def _divide(parts: list[_Part]) -> dict[str, list[_Part]]:
    """The samples among the members with one name up to the first dot."""
    groups: dict[str, list[_Part]] = {}
    for part in parts:
        groups.setdefault(part.whole_stem, []).append(part)
    with_image = [group for group in groups.values() if any(p.is_image for p in group)]
    is_labelled = all(any(p.is_label for p in group) for group in with_image)
    has_dots = any(p.is_image and not _is_field(p.between) for p in parts)
    if with_image and (is_labelled or has_dots):
        return groups
    return {parts[0].stem: parts}


def _is_field(between: str) -> bool:
    """Whether the text between two dots is the name of a field, as in `0001.image.jpg`."""
    return not between or _WORD.fullmatch(between) is not None


def _make_sample(key: str, parts: list[_Part]) -> Sample:
    def field_of(part: _Part) -> str:
        rest = part.whole_stem[len(key) + 1 :]
        return rest.lower() or part.suffix[1:]

    def rank(part: _Part) -> int:
        name = field_of(part)
        return IMAGE_FIELDS.index(name) if name in IMAGE_FIELDS else len(IMAGE_FIELDS)

    labels = [p for p in parts if p.is_label]
    plain = [p for p in labels if p.whole_stem == key]
    named = [p for p in labels if p.suffix == ".cls" or field_of(p) in LABEL_KEYS]
    return Sample(
        key=key,
        images=[p.member for p in sorted((p for p in parts if p.is_image), key=rank)],
        labels=[p.member for p in plain or named],
    )


def _count_skipped(
    sample: Sample, parts: list[_Part], shard: Path, skipped: SkippedCounter
) -> None:
    for part in parts:
        name = f"{shard.name}/{part.member.name}"
        if not sample.images:
            skipped.add(name, NO_IMAGE_IN_SAMPLE)
        elif part.member in sample.images[1:]:
            skipped.add(name, FURTHER_IMAGE)
        elif part.member not in (*sample.images, *sample.labels):
            skipped.add(name, NO_IMAGE)
