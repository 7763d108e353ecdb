"""Lists: the text files of a data set that name its images.

In: a list, or what a format made of it. Out: its lines with their numbers; a Source of exactly the
images that are listed, which is what a data set's protocol asks for: files on disk that no list
names are not read. Whatever does not agree is an error that names its line. Knows nothing of any
set's layout.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seedbed.base.errors import BadDataError
from seedbed.data.hierarchy import Hierarchy
from seedbed.data.image_files import FilePixels, Found
from seedbed.data.source import SPLITS, Source, from_records, listing_fingerprint


@dataclass(frozen=True)
class Line:
    """One line of a list, and its place in words: "TrainImages.txt, line 12"."""

    text: str
    place: str


@dataclass(frozen=True)
class Listed:
    """One image of a list: POSIX path relative to the root, leaf label, split, and its place in
    words."""

    path: str
    label: str
    split: int
    place: str


def read_lines(path: Path, advice: str) -> list[Line]:
    """The lines of a UTF-8 list without the empty ones; a byte-order mark and Windows line ends are
    no part of them.

    Raises BadDataError, with `advice`, for a list that is missing, empty or of another encoding.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadDataError(f"cannot read {path}: {error.strerror}", advice) from None
    lines = []
    # By bytes, for str.splitlines also divides at characters that a file name may hold (U+0085,
    # U+2028).
    for number, row in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        try:
            text = row.decode("utf-8").strip(" \t\r")
        except UnicodeDecodeError:
            raise BadDataError(
                f"{path}, line {number}: {row!r} is not UTF-8", f"Save the list as UTF-8. {advice}"
            ) from None
        if text:
            lines.append(Line(text, f"{path}, line {number}"))
    if not lines:
        raise BadDataError(f"{path} is empty", advice)
    return lines


def source_of(
    name: str,
    root: Path,
    images: Sequence[Listed],
    *,
    kind: str,
    splits: Sequence[int],
    advice: str,
    names: Mapping[str, str],
    hierarchy: Hierarchy | None = None,
) -> Source:
    """The source of these images below `root`; each is there and listed once, and each class has
    images in each of `splits`.

    `kind` is the format's name, for the fingerprint. Raises BadDataError, with `advice`, where the
    lists and the disk do not agree.
    """
    _refuse_twice(images, advice)
    _refuse_without_split(images, splits, advice)
    images = sorted(images, key=lambda image: image.path)
    found = _find(root, images, advice)
    state = [
        f"{file}\t{image.label}\t{image.split}" for file, image in zip(found, images, strict=True)
    ]
    return from_records(
        name,
        [(image.path, image.label, image.split) for image in images],
        pixels=FilePixels(
            str(root.resolve()), np.array([image.path for image in images], dtype=object)
        ),
        listing=listing_fingerprint([kind, *state]),
        names=names,
        hierarchy=hierarchy,
    )


def _refuse_twice(images: Sequence[Listed], advice: str) -> None:
    seen: dict[str, Listed] = {}
    for image in images:
        first = seen.setdefault(image.path, image)
        if first is not image:
            raise BadDataError(
                f"{image.place}, for {SPLITS[image.split]}, names {image.path!r}, which {first.place}, for {SPLITS[first.split]}, "
                "names already",
                f"An image is listed once, in one split. {advice}",
            )


def _refuse_without_split(images: Sequence[Listed], splits: Sequence[int], advice: str) -> None:
    """A class without images of a split: a list that ends too early, mostly."""
    present = {(image.label, image.split) for image in images}
    for image in images:
        if missing := [split for split in splits if (image.label, split) not in present]:
            raise BadDataError(
                f"{image.place} names an image of class {image.label!r}, of which no image is listed for {SPLITS[missing[0]]}",
                f"The lists are of two releases, or one ends too early. {advice}",
            )


def _find(root: Path, images: Sequence[Listed], advice: str) -> list[Found]:
    """The files of the images; those that are not there are an error that names the first."""
    found = []
    missing: list[tuple[Listed, str]] = []
    for image in images:
        _must_lie_below(image, advice)
        try:
            status = os.stat(os.path.join(root, image.path))
        except OSError as error:
            missing.append((image, error.strerror or str(error)))
            continue
        if stat.S_ISREG(status.st_mode):
            found.append(Found(image.path, status.st_size, status.st_mtime_ns))
        else:
            missing.append((image, "it is no file"))
    if missing:
        image, reason = missing[0]
        raise BadDataError(
            f"{image.place} names {image.path!r}, which is not in {root}: {reason} ({len(missing):,} of {len(images):,} images are "
            "not there)",
            f"Unpack the images again; all that are listed must be there. {advice}",
        )
    return found


def _must_lie_below(image: Listed, advice: str) -> None:
    """Ids are POSIX paths below the root."""
    if "\\" in image.path or "\0" in image.path or {"", ".", ".."} & set(image.path.split("/")):
        raise BadDataError(
            f"{image.place}: {image.path!r} is no path of an image",
            f"Expected one such as kitchen/1.jpg. {advice}",
        )
