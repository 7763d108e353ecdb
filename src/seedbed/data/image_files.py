"""List image files, and read their pixels.

In: a folder, or positions in larger files. Out: sorted relative paths with size and time, and
readers of pixels that can be sent to worker processes.
"""

from __future__ import annotations

import copy
import os
from abc import abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Self, cast

import numpy as np

from seedbed.base.device import num_cores
from seedbed.base.errors import BadDataError
from seedbed.base.paths import expand_user
from seedbed.base.randomness import content_hash
from seedbed.data.bit_depth import peak
from seedbed.data.decode import Fit, decode
from seedbed.data.image_suffixes import has_image_suffix
from seedbed.data.skipped_files import HIDDEN, SkippedCounter
from seedbed.data.source import Loaded, Pixels, Source

_CHUNK = 64  # images that one thread reads at a time


@dataclass(frozen=True)
class ImageFile:
    """One file: POSIX path relative to the root, bytes, modification time in ns."""

    path: str
    num_bytes: int
    time_ns: int

    def __str__(self) -> str:
        return f"{self.path}\t{self.num_bytes}\t{self.time_ns}"


def existing_folder(path: str | Path) -> Path:
    """The path of a folder; raises BadDataError if it does not exist or is not a folder."""
    folder = expand_user(path)
    if not os.path.exists(folder):  # Path.exists raises for a text that is too long for a path
        where = "" if folder.is_absolute() else f"; the current folder is {Path.cwd()}"
        raise BadDataError(f"there is no {folder}", f"Check the path{where}.")
    if not folder.is_dir():
        raise BadDataError(
            f"{folder} is a file, not a folder of images",
            "Name the folder that holds the class folders.",
        )
    return folder


def visible_entries(path: str | os.PathLike[str]) -> Iterator[os.DirEntry[str]]:
    """Yield the entries of a folder that are not hidden; raises OSError if it cannot be listed."""
    with os.scandir(path) as entries:
        yield from (entry for entry in entries if not is_hidden(entry.name))


def subfolders(path: str | os.PathLike[str]) -> list[Path]:
    """The visible folders in a folder; empty if it cannot be listed."""
    paths: list[Path] = []
    with suppress(OSError):
        paths.extend(Path(entry.path) for entry in visible_entries(path) if _is_folder(entry))
    return paths


def files_in(path: str | os.PathLike[str], suffixes: tuple[str, ...] = ("",)) -> list[Path]:
    """The visible files in a folder whose names end with one of these, in any case of letters;
    empty if the folder cannot be listed."""
    paths: list[Path] = []
    with suppress(OSError):
        paths.extend(
            Path(entry.path)
            for entry in visible_entries(path)
            if entry.name.lower().endswith(suffixes) and not _is_folder(entry)
        )
    return paths


def is_hidden(name: str) -> bool:
    """Whether a file or folder belongs to a system, and not to the data."""
    return name.startswith((".", "__MACOSX"))


@dataclass(frozen=True)
class FolderListing:
    """What is below a folder, with paths relative to the root: the images sorted by path, folders
    without images and without folders in them, and the files that are not images."""

    files: list[ImageFile]
    empty: list[str] = field(default_factory=list)
    skipped: SkippedCounter = field(default_factory=SkippedCounter)


def list_folder(root: Path, below: str = "") -> FolderListing:
    """List what is below `root/below`; a link to a folder is followed once.

    Hidden files and folders are passed over; hidden files with the suffix of an image are counted.
    """
    listing = FolderListing([])
    folder = root / below if below else root
    listing.files.extend(_walk(folder, below, frozenset(), listing))
    listing.files.sort(key=lambda file: file.path)
    return listing


def list_images(root: Path, below: str = "") -> list[ImageFile]:
    """List the image files below `root/below`, sorted by path."""
    return list_folder(root, below).files


def _walk(
    folder: Path, prefix: str, above: frozenset[tuple[int, int]], listing: FolderListing
) -> Iterator[ImageFile]:
    """Yield the image files below a folder; `above` identifies the folders that contain it."""
    status = folder.stat()
    identity = (status.st_dev, status.st_ino)
    if identity in above:  # a link to a folder that contains it
        return
    try:
        with os.scandir(folder) as scan:
            entries = list(scan)
    except OSError as error:
        raise BadDataError(
            f"cannot list {folder}: {error.strerror}", "Make it readable, or move it away."
        ) from None
    is_empty = True
    for entry in entries:
        path = f"{prefix}/{entry.name}" if prefix else entry.name
        if is_hidden(entry.name):
            if has_image_suffix(entry.name) and not _is_folder(entry):
                listing.skipped.add(path, HIDDEN)
            continue
        _refuse_other_encodings(path)
        if _is_folder(entry):
            is_empty = False
            yield from _walk(Path(entry.path), path, above | {identity}, listing)
        elif has_image_suffix(entry.name):
            is_empty = False
            yield _image_file(entry, path)
        else:
            listing.skipped.add(path)
    if is_empty and prefix:
        listing.empty.append(prefix)


def _refuse_other_encodings(path: str) -> None:
    try:
        path.encode()
    except UnicodeEncodeError:
        raise BadDataError(
            f"the file name {os.fsencode(path)!r} is not UTF-8", "Rename it: ids are text."
        ) from None


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _image_file(entry: os.DirEntry[str], path: str) -> ImageFile:
    try:
        status = entry.stat()
    except OSError:  # a link to a missing file: reported as unreadable when it is packed
        return ImageFile(path, 0, 0)
    return ImageFile(path, status.st_size, status.st_mtime_ns)


class EncodedPixels(Pixels):
    """Reads images that are stored as encoded files; a subclass says where.

    `white`: the value that becomes 255 in images of more than 8 bits (`bit_depth.white_value`).
    """

    white: float | None = None

    def with_white(self, white: float) -> Self:
        """The same reader with another value of white."""
        reader = copy.copy(self)
        object.__setattr__(reader, "white", white)  # subclasses are frozen
        return reader

    @abstractmethod
    def read(self, row: int) -> bytes:
        """The bytes of one image; raises OSError or ValueError with the reason if they cannot be
        read."""

    @abstractmethod
    def part(self, rows: np.ndarray) -> EncodedPixels:
        """A reader of these rows alone, small enough to be sent to a worker process."""

    def load(self, rows: np.ndarray, size_px: int, fit: str = "crop") -> Loaded:
        def load_one(row: int) -> DecodedImage:
            data = self.read(row)
            pixels, width, height = decode(data, size_px, cast(Fit, fit), self.white)
            return DecodedImage(content_hash(data), pixels, width, height, peak(data))

        return load_each(rows, size_px, load_one)


class DecodedImage(NamedTuple):
    """An image as a reader of one image returns it."""

    checksum: int
    pixels: np.ndarray  # uint8 [size_px, size_px, 3]
    width: int  # px of the file
    height: int
    peak: float | None = None  # the largest value of an image of more than 8 bits


def load_each(rows: np.ndarray, size_px: int, load_one: Callable[[int], DecodedImage]) -> Loaded:
    """Make a batch from a reader of one image; images that it cannot read get a reason."""
    k = len(rows)
    pixels, checksums = np.zeros((k, size_px, size_px, 3), np.uint8), np.zeros(k, np.uint64)
    widths, heights = np.zeros(k, np.int32), np.zeros(k, np.int32)
    failures, peaks = {}, {}
    for i, row in enumerate(rows):
        try:
            image = load_one(int(row))
        except (OSError, ValueError) as error:
            failures[i] = _describe_error(error)
            continue
        checksums[i], pixels[i] = image.checksum, image.pixels
        widths[i], heights[i] = image.width, image.height
        if image.peak is not None:
            peaks[i] = image.peak
    return Loaded(
        pixels=pixels,
        widths=widths,
        heights=heights,
        checksums=checksums,
        failures=failures,
        peaks=peaks,
    )


def _describe_error(error: Exception) -> str:
    """Why an image cannot be read, in words."""
    reason = error.strerror if isinstance(error, OSError) else None
    return reason or str(error) or type(error).__name__


def read_pixels(source: Source, rows: np.ndarray, size_px: int, fit: Fit = "crop") -> np.ndarray:
    """The readable images of some rows, as uint8 [k, size_px, size_px, 3]; nothing is packed.

    Raises BadDataError if fewer than two can be read.
    """
    chunks = np.array_split(rows, max(1, len(rows) // _CHUNK))
    with ThreadPoolExecutor(num_cores()) as pool:
        batches = list(pool.map(lambda chunk: source.pixels.load(chunk, size_px, fit), chunks))
    read = [np.delete(b.pixels, list(b.failures), axis=0) for b in batches]
    failures = {i: reason for batch in batches for i, reason in batch.failures.items()}
    pixels = np.concatenate(read)
    if len(pixels) < 2:
        reason = next(iter(failures.values()), "there are none")
        raise BadDataError(
            f"fewer than two of {len(rows)} images of {source.name} can be read: {reason}",
            "seedbed audit DATA lists the images that cannot be read.",
        )
    return pixels


@dataclass(frozen=True)
class FilePixels(EncodedPixels):
    """Reads images from files; `paths` are relative to `root`, in the order of the source's
    rows."""

    root: str
    paths: np.ndarray  # str objects [n]

    def read(self, row: int) -> bytes:
        with open(os.path.join(self.root, str(self.paths[row])), "rb") as file:
            return file.read()

    def part(self, rows: np.ndarray) -> FilePixels:
        return FilePixels(self.root, self.paths[rows])


@dataclass(frozen=True)
class RangePixels(EncodedPixels):
    """Reads images as ranges of bytes of larger files, such as tar archives."""

    files: tuple[str, ...]
    which: np.ndarray  # int32 [n], index into files
    offsets: np.ndarray  # int64 [n]
    sizes: np.ndarray  # int64 [n], bytes

    def read(self, row: int) -> bytes:
        with open(self.files[self.which[row]], "rb", buffering=0) as file:
            size = int(self.sizes[row])
            data = os.pread(file.fileno(), size, int(self.offsets[row]))
        if len(data) < size:
            raise ValueError(f"the archive ends after {len(data)} of {size} bytes")
        return data

    def part(self, rows: np.ndarray) -> RangePixels:
        indices, which = np.unique(self.which[rows], return_inverse=True)
        files = tuple(self.files[i] for i in indices)
        return RangePixels(files, which.astype(np.int32), self.offsets[rows], self.sizes[rows])
