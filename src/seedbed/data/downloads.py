"""Keep copies of remote data on this machine.

In: a URL, or the name of a data set on Hugging Face. Out: a local file or folder with the same
files. A file is fetched once, block by block, so that memory stays small, and again only when it
has changed. The copies are in the folder SEEDBED_DOWNLOADS, by default ~/.cache/seedbed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from threading import Lock

from seedbed.base.artifacts import atomic_file, disk_errors, write_json
from seedbed.base.errors import BadDataError, StorageError, UsageError
from seedbed.base.paths import expand_user
from seedbed.data.remote_files import (
    RemoteFile,
    RemoteFiles,
    UnreachableError,
    reaching,
    remote_files,
    without_secrets,
)

DOWNLOADS_VARIABLE = "SEEDBED_DOWNLOADS"
_INDEX = "index.json"
_BLOCK_BYTES = 1 << 20
_NUM_THREADS = 8
_BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}")
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
# The branch on which Hugging Face keeps every data set as Parquet files.
_PARQUET_BRANCH = "@refs/convert/parquet"

OnFetch = Callable[[int, int], None]
_on_fetch: ContextVar[OnFetch | None] = ContextVar("on_fetch", default=None)


@contextmanager
def showing_downloads(on_fetch: OnFetch) -> Iterator[None]:
    """Call `on_fetch(MB done, MB in all)` for downloads inside the block.

    A context variable, as else every function that opens data would pass it on.
    """
    token = _on_fetch.set(on_fetch)
    try:
        yield
    finally:
        _on_fetch.reset(token)


def downloads_folder() -> Path:
    """The folder of all copies."""
    if text := os.environ.get(DOWNLOADS_VARIABLE):
        return expand_user(text)
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return expand_user(cache) / "seedbed"


def is_data_set_name(text: str) -> bool:
    """Whether a text may be the name of a data set on Hugging Face: OWNER/NAME."""
    return _REPOSITORY.fullmatch(text) is not None


def fetch_data_set(name: str, notes: list[str]) -> Path:
    """A local folder with the Parquet files of a data set on Hugging Face.

    If it cannot be reached, an earlier copy is used, and said so in `notes`. Raises BadDataError if
    there is none.
    """
    repository = f"hf://datasets/{name}"
    for url in (repository, repository + _PARQUET_BRANCH):
        try:
            files = remote_files(url)
            chosen = [file for file in files.list() if file.path.endswith(".parquet")]
        except UnreachableError as error:
            copies = (_Copy.of(one) for one in (repository, repository + _PARQUET_BRANCH))
            if (copy := next((one for one in copies if one.complete), None)) is None:
                raise
            notes.append(f"{error.text}; the copy from an earlier run is used")
            return copy.folder / "files"
        if chosen:
            return _fetch(url, files, chosen)
    raise BadDataError(
        f"the data set {name} of Hugging Face has no Parquet files",
        f"If it is a folder of images by class, name it so: {repository}.",
    )


def fetch(url: str, notes: list[str] | None = None) -> str:
    """The local path of the file or the folder at a URL.

    Braces of numbers, `train-{000..009}.tar`, name several files of one folder. Local files of
    file:// are not copied. If the URL cannot be reached, an earlier copy is used, and said so in
    `notes`.

    Raises:
        UsageError: an unknown protocol, a missing package. BadDataError: nothing there, no
        connection and no copy. StorageError: not enough space.
    """
    if url.startswith("file://"):
        return url.removeprefix("file://")
    if (braces := _BRACES.search(url)) is not None:
        first, last = braces[1], int(braces[2])
        numbers = range(int(first), last + 1)
        urls = [url.replace(braces[0], str(n).zfill(len(first)), 1) for n in numbers]
        if not urls:
            raise UsageError(
                f"{without_secrets(url)} names no file", "Give the lower number first."
            )
        paths = [fetch(one, notes) for one in urls]
        return str(Path(paths[0]).parent / PurePosixPath(url).name)
    try:
        files = remote_files(url)
        chosen = files.list()
    except UnreachableError as error:
        if (copy := _earlier_copy(url)) is None:
            raise
        if notes is not None:
            notes.append(f"{error.text}; the copy from an earlier run is used")
        return str(copy)
    folder = _fetch(url, files, chosen)
    return str(folder if files.is_folder else folder / chosen[0].path)


@dataclass
class _Copy:
    """The copy of a folder: where it is, and which files of it are complete."""

    folder: Path
    complete: dict[str, dict[str, object]] = field(default_factory=dict)

    @staticmethod
    def of(url: str) -> _Copy:
        """The copy of the folder that a URL is, or is in."""
        name = hashlib.sha256(without_secrets(url).encode()).hexdigest()[:16]
        folder = downloads_folder() / name
        index = folder / _INDEX
        complete = json.loads(index.read_text()) if index.is_file() else {}
        return _Copy(folder, complete)

    def path(self, file: RemoteFile) -> Path:
        parts = PurePosixPath(file.path).parts
        if not parts or ".." in parts or PurePosixPath(file.path).is_absolute():
            raise BadDataError(f"{file.path!r} is not a file name that can be stored", "Rename it.")
        return self.folder.joinpath("files", *parts)

    def has(self, file: RemoteFile) -> bool:
        record = self.complete.get(file.path)
        return record == _record(file) and self.path(file).is_file()

    def save(self) -> None:
        write_json(self.folder / _INDEX, self.complete)


def _record(file: RemoteFile) -> dict[str, object]:
    return {name: value for name, value in asdict(file).items() if name in ("size", "tag")}


def _earlier_copy(url: str) -> Path | None:
    """What was fetched from this URL before, for a machine without a connection."""
    copy = _Copy.of(_folder_url(url))
    name = PurePosixPath(without_secrets(url)).name
    if (file := copy.folder / "files" / name).is_file() and name in copy.complete:
        return file
    copy = _Copy.of(url)
    return copy.folder / "files" if copy.complete else None


def _folder_url(url: str) -> str:
    return without_secrets(url).rpartition("/")[0]


def _fetch(url: str, files: RemoteFiles, chosen: list[RemoteFile]) -> Path:
    """Fetch the files that are missing or have changed; the folder that holds all of them."""
    copy = _Copy.of(url if files.is_folder else _folder_url(url))
    missing = [file for file in chosen if not copy.has(file)]
    if files.is_folder:
        _remove_others(copy, chosen)
    if missing:
        _check_space(copy.folder, missing)
        try:
            _fetch_all(url, files, missing, copy)
        finally:
            copy.save()
    return copy.folder / "files"


def _remove_others(copy: _Copy, chosen: list[RemoteFile]) -> None:
    """Remove copies of files that are no longer at the URL."""
    for path in set(copy.complete) - {file.path for file in chosen}:
        del copy.complete[path]
        (copy.folder / "files" / path).unlink(missing_ok=True)


def _check_space(folder: Path, missing: list[RemoteFile]) -> None:
    needed = sum(file.size or 0 for file in missing)
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    if needed > free:
        raise StorageError(
            f"the download takes {needed / 1e9:,.1f} GB, and {free / 1e9:,.1f} GB are free at "
            f"{folder}",
            f"Free some space, or set {DOWNLOADS_VARIABLE} to a folder on a larger disk.",
        )


def _fetch_all(url: str, files: RemoteFiles, missing: list[RemoteFile], copy: _Copy) -> None:
    """Fetch files, several at once."""
    total = sum(file.size or 0 for file in missing)
    done, lock, on_fetch = 0, Lock(), _on_fetch.get()

    def count(num_bytes: int) -> None:
        nonlocal done
        with lock:
            done += num_bytes
            if on_fetch is not None and total:
                on_fetch(round(done / 1e6), max(1, round(total / 1e6)))

    def fetch_one(file: RemoteFile) -> RemoteFile:
        _copy_stream(url, files, file, copy.path(file), count)
        return file

    pool = ThreadPoolExecutor(_NUM_THREADS)
    try:
        for file in pool.map(fetch_one, missing):
            copy.complete[file.path] = _record(file)
    finally:  # after an interruption no other file begins
        pool.shutdown(cancel_futures=True)


def _copy_stream(
    url: str, files: RemoteFiles, file: RemoteFile, path: Path, count: Callable[[int], None]
) -> None:
    """Copy one file block by block; a file of another size than announced is an error."""
    num = 0
    with atomic_file(path) as temporary:
        with reaching(url), files.open(file) as stream, temporary.open("wb") as out:
            while block := stream.read(_BLOCK_BYTES):
                with disk_errors(path):
                    out.write(block)
                num += len(block)
                count(len(block))
        if file.size is not None and num != file.size:
            raise BadDataError(
                f"the download of {without_secrets(url)} ended early: {num:,} of {file.size:,} "
                f"bytes of {file.path}",
                "Run the same command again: files that are complete are kept.",
            )
        # The same time for the same content: listings compare it.
        stamp = int(hashlib.sha256(f"{file.tag} {file.size}".encode()).hexdigest()[:7], 16)
        os.utime(temporary, (stamp, stamp))
