"""Reading image files: the pixel reader that every format on disk shares, and how files are listed.

In: a folder, or places in larger files. Out: sorted relative paths with size and time, and
picklable readers of their pixels. Knows nothing of labels.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seedbed.base.errors import BadDataError
from seedbed.base.paths import expand_user
from seedbed.base.randomness import content_hash
from seedbed.data.decode import decode
from seedbed.data.source import Loaded, Pixels

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".jfif"}
)


@dataclass(frozen=True)
class Found:
    """One file: POSIX path relative to the root, bytes, modification time in ns."""

    path: str
    num_bytes: int
    time_ns: int

    def __str__(self) -> str:
        return f"{self.path}\t{self.num_bytes}\t{self.time_ns}"


def must_exist(path: str | Path) -> Path:
    """The path of a folder; raises BadDataError when it is missing or not a folder."""
    folder = expand_user(path)
    if not os.path.exists(folder):  # unlike Path.exists, false for a text too long to be a path
        where = "" if folder.is_absolute() else f"; the current folder is {Path.cwd()}"
        raise BadDataError(f"there is no {folder}", f"Check the path{where}.")
    if not folder.is_dir():
        raise BadDataError(
            f"{folder} is a file, not a folder of images",
            "Name the folder that holds the class folders.",
        )
    return folder


def entries(path: str | os.PathLike[str]) -> Iterator[os.DirEntry[str]]:
    """What lies in a folder, hidden entries passed over; raises OSError where it cannot be
    listed."""
    with os.scandir(path) as found:
        yield from (entry for entry in found if not entry.name.startswith((".", "__MACOSX")))


def list_images(root: Path, below: str = "", empty: list[str] | None = None) -> list[Found]:
    """List the image files below `root/below`, sorted by path.

    Hidden files and folders are skipped; a link to a folder is followed once. Folders without
    images and without folders in them are added to `empty`.
    """
    folder = root / below if below else root
    files = _walk(folder, below, frozenset(), [] if empty is None else empty)
    return sorted(files, key=lambda file: file.path)


def _walk(
    folder: Path, prefix: str, seen: frozenset[tuple[int, int]], empty: list[str]
) -> Iterator[Found]:
    status = folder.stat()
    here = (status.st_dev, status.st_ino)
    if here in seen:
        return
    try:
        inside = list(entries(folder))
    except OSError as error:
        raise BadDataError(
            f"cannot list {folder}: {error.strerror}", "Make it readable, or move it away."
        ) from None
    is_empty = True
    for entry in inside:
        path = f"{prefix}/{entry.name}" if prefix else entry.name
        _must_be_text(path)
        if _is_folder(entry):
            is_empty = False
            yield from _walk(Path(entry.path), path, seen | {here}, empty)
        elif os.path.splitext(entry.name)[1].lower() in IMAGE_SUFFIXES:
            is_empty = False
            yield _found(entry, path)
    if is_empty and prefix:
        empty.append(prefix)


def _must_be_text(path: str) -> None:
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


def _found(entry: os.DirEntry[str], path: str) -> Found:
    try:
        status = entry.stat()
    except OSError:  # a dangling link: listed, and reported as unreadable when it is read
        return Found(path, 0, 0)
    return Found(path, status.st_size, status.st_mtime_ns)


class EncodedPixels(Pixels):
    """Images that lie somewhere as encoded files do; a subclass says where."""

    @abstractmethod
    def read(self, row: int) -> bytes:
        """The bytes of one image as found; raises OSError or ValueError with the reason when they
        cannot be had."""

    @abstractmethod
    def part(self, rows: np.ndarray) -> EncodedPixels:
        """A reader of these rows alone, small enough to be sent to a worker."""

    def load(self, rows: np.ndarray, size_px: int, fit: str = "crop") -> Loaded:
        def one(row: int) -> OneImage:
            data = self.read(row)
            return content_hash(data), *decode(data, size_px, fit)  # pyright: ignore[reportArgumentType]

        return load_each(rows, size_px, one)


OneImage = tuple[int, np.ndarray, int, int]  # checksum, pixels, width px, height px


def load_each(rows: np.ndarray, size_px: int, one: Callable[[int], OneImage]) -> Loaded:
    """A batch from a reader of one image; those that it cannot read have a reason instead of
    pixels."""
    k = len(rows)
    pixels, checksums = np.zeros((k, size_px, size_px, 3), np.uint8), np.zeros(k, np.uint64)
    widths, heights, failures = np.zeros(k, np.int32), np.zeros(k, np.int32), {}
    for i, row in enumerate(rows):
        try:
            checksums[i], pixels[i], widths[i], heights[i] = one(int(row))
        except (OSError, ValueError) as error:
            failures[i] = reason_of(error)
    return Loaded(
        pixels=pixels, widths=widths, heights=heights, checksums=checksums, failures=failures
    )


def reason_of(error: Exception) -> str:
    """Why an image cannot be read, in words."""
    return (
        (error.strerror if isinstance(error, OSError) else None)
        or str(error)
        or type(error).__name__
    )


@dataclass(frozen=True)
class FilePixels(EncodedPixels):
    """Reads the images of rows from files; `paths` are relative to `root`, in the order of the
    source's rows."""

    root: str
    paths: np.ndarray  # str objects [n]

    def read(self, row: int) -> bytes:
        with open(os.path.join(self.root, str(self.paths[row])), "rb") as file:
            return file.read()

    def part(self, rows: np.ndarray) -> FilePixels:
        return FilePixels(self.root, self.paths[rows])


@dataclass(frozen=True)
class RangePixels(EncodedPixels):
    """Reads the images of rows as ranges of bytes of larger files, such as tar archives that are
    not unpacked."""

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
        names, which = np.unique(self.which[rows], return_inverse=True)
        files = tuple(self.files[i] for i in names)
        return RangePixels(files, which.astype(np.int32), self.offsets[rows], self.sizes[rows])
