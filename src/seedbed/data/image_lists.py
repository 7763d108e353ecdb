"""Read the lists that name the images of a data set, and make a Source of exactly these images.

In: a list, or what a format read from one. Out: its lines with their numbers; a Source.
A data set's protocol uses the listed images, so other files on disk are not read. A list that does
not agree with the disk is an error that names its line.
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
from seedbed.data.image_files import FilePixels, ImageFile
from seedbed.data.source import SPLITS, Source, from_records, listing_fingerprint


@dataclass(frozen=True)
class Line:
    """One line of a list, and its place for messages: "TrainImages.txt, line 12"."""

    text: str
    place: str


@dataclass(frozen=True)
class ListedImage:
    """One image of a list: POSIX path relative to the root, leaf label, split, and its place for
    messages."""

    path: str
    label: str
    split: int
    place: str


def read_lines(path: Path, advice: str) -> list[Line]:
    """Read the lines of a UTF-8 list that are not empty; a byte-order mark and Windows line ends
    are removed.

    Raises BadDataError, with `advice`, for a list that is missing, empty or of another encoding.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadDataError(f"cannot read {path}: {error.strerror}", advice) from None
    lines = []
    # Bytes are split, since str.splitlines also divides at characters that a file name may have
    # (U+0085, U+2028).
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


def source_from_list(
    name: str,
    root: Path,
    images: Sequence[ListedImage],
    *,
    kind: str,
    splits: Sequence[int],
    advice: str,
    names: Mapping[str, str],
    hierarchy: Hierarchy | None = None,
) -> Source:
    """Make the source of the listed images below `root`.

    Args:
        name: the source's name.
        root: the folder that the images' paths start at.
        images: each must exist and be listed once.
        kind: the format's name, for the fingerprint.
        splits: splits in which each class must have images.
        advice: hint of the error if lists and disk do not agree.
        names: class id -> words.
        hierarchy: of the classes.

    Raises:
        BadDataError: lists and disk do not agree.
    """
    _refuse_repeated_images(images, advice)
    _refuse_classes_without_split(images, splits, advice)
    images = sorted(images, key=lambda image: image.path)
    files = _find_files(root, images, advice)
    rows = [
        f"{file}\t{image.label}\t{image.split}" for file, image in zip(files, images, strict=True)
    ]
    return from_records(
        name,
        [(image.path, image.label, image.split) for image in images],
        pixels=FilePixels(
            str(root.resolve()), np.array([image.path for image in images], dtype=object)
        ),
        listing=listing_fingerprint([kind, *rows]),
        names=names,
        hierarchy=hierarchy,
    )


def _refuse_repeated_images(images: Sequence[ListedImage], advice: str) -> None:
    first_of_path: dict[str, ListedImage] = {}
    for image in images:
        first = first_of_path.setdefault(image.path, image)
        if first is not image:
            raise BadDataError(
                f"{image.place}, for {SPLITS[image.split]}, names {image.path!r}, which "
                f"{first.place}, for {SPLITS[first.split]}, names already",
                f"An image must be listed once, in one split. {advice}",
            )


def _refuse_classes_without_split(
    images: Sequence[ListedImage], splits: Sequence[int], advice: str
) -> None:
    """Refuse a class without images in one of the splits: usually a list that was cut off."""
    present = {(image.label, image.split) for image in images}
    for image in images:
        if missing := [split for split in splits if (image.label, split) not in present]:
            raise BadDataError(
                f"{image.place} names an image of class {image.label!r}, of which no image is "
                f"listed for {SPLITS[missing[0]]}",
                f"The lists are of two releases, or one of them was cut off. {advice}",
            )


def _find_files(root: Path, images: Sequence[ListedImage], advice: str) -> list[ImageFile]:
    """Find the files of the images; raise BadDataError, which names the first missing one."""
    files = []
    missing: list[tuple[ListedImage, str]] = []
    for image in images:
        _refuse_other_paths(image, advice)
        try:
            status = os.stat(os.path.join(root, image.path))
        except OSError as error:
            missing.append((image, error.strerror or str(error)))
            continue
        if stat.S_ISREG(status.st_mode):
            files.append(ImageFile(image.path, status.st_size, status.st_mtime_ns))
        else:
            missing.append((image, "it is not a file"))
    if missing:
        image, reason = missing[0]
        raise BadDataError(
            f"{image.place} names {image.path!r}, which is not in {root}: {reason} "
            f"({len(missing):,} of {len(images):,} images are missing)",
            f"Unpack the images again: all listed images must exist. {advice}",
        )
    return files


def _refuse_other_paths(image: ListedImage, advice: str) -> None:
    """Refuse a path that is not a POSIX path below the root."""
    if "\\" in image.path or "\0" in image.path or {"", ".", ".."} & set(image.path.split("/")):
        raise BadDataError(
            f"{image.place}: {image.path!r} is not the path of an image",
            f"Expected a path such as kitchen/1.jpg. {advice}",
        )
