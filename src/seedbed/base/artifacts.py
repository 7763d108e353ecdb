"""Content-addressed folders: written aside, manifest last, renamed into place.

In: a kind, a key and a function that fills a folder. Out: `<workspace>/<kind>/<key>/`, which is
there whole or not at all; `manifest.json` inside means done. Knows nothing of what the folders
hold.

    <workspace>/
      stores/<key>/        pixels.npy rows.parquet store.json
      backbones/<key>/     weights.safetensors card.json predictions.safetensors manifest.json
      measurements/<key>/  predictions.safetensors manifest.json
      unfinished/<key>.safetensors   a pre-training that was cut off, to be gone on with
"""

from __future__ import annotations

import errno
import json
import os
import platform
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from seedbed.base.errors import StorageError

MANIFEST, UNFINISHED = "manifest.json", "unfinished"
_HOST = re.sub(r"[^A-Za-z0-9]", "", platform.node()) or "here"
_WRITING = re.compile(r"\.writing-([A-Za-z0-9]+)-(\d+)-[0-9a-f]+$")
_ATTEMPTS = 100
_ABANDONED_S = 7 * 24 * 3600  # what another machine has not touched for a week


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that a reader sees the old file or the new one, never half of it."""
    with file_aside(path) as aside:
        aside.write_text(
            json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n",
            encoding="utf-8",
        )


@contextmanager
def file_aside(final: Path) -> Iterator[Path]:
    """A file to write that becomes `final` when the block ends well, and vanishes when it does not;
    folders are made."""
    with disk_errors(final):
        if final.exists() and not final.is_file():  # a device or a pipe: nothing may take its place
            yield final
            return
        _make_parent(final)
        aside = _aside(final)
        try:
            yield aside
            os.replace(aside, final)
        finally:
            aside.unlink(missing_ok=True)


@contextmanager
def usual_mode(path: Path) -> Iterator[None]:
    """Whatever the block writes at `path` gets the permissions of any new file; safetensors would
    keep it to its owner."""
    path.touch()
    mode = path.stat().st_mode
    yield
    path.chmod(mode)


def reserve(path: Path) -> None:
    """Give a file of holes its blocks, where the system can: a full disk is an error now, not a bus
    error later."""
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, path.stat().st_size))


def _make_parent(final: Path) -> None:
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, FileNotFoundError, NotADirectoryError) as error:
        raise StorageError(
            f"cannot make the folder {final.parent}: {error.strerror}", "Name another place."
        ) from None


def _aside(final: Path) -> Path:
    """A name beside `final` that says which process of which machine writes it."""
    return final.with_name(f"{final.name}.writing-{_HOST}-{os.getpid()}-{uuid.uuid4().hex[:8]}")


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn the system's refusals into errors that say what to do."""
    try:
        yield
    except Exception as error:
        number = error.errno if isinstance(error, OSError) else _foreign_errno(error)
        if number in (errno.ENOSPC, errno.EDQUOT):
            raise StorageError(
                f"no room left on the disk while writing {path}",
                "Free some space, or point --workspace (or the output path) at a larger disk; nothing half-written was kept.",
            ) from error
        if number in (errno.EISDIR, errno.ENOTDIR):
            raise StorageError(
                f"cannot write {path}: {os.strerror(number).lower()}", "Name another file."
            ) from error
        if number in (errno.EACCES, errno.EROFS, errno.EPERM):
            raise StorageError(
                f"not allowed to write {path}", "Choose a folder that you may write to."
            ) from error
        raise


def _foreign_errno(error: Exception) -> int | None:
    """The system's number in an exception of a library's own: safetensors writes "(os error
    28)"."""
    found = re.search(r"\(os error (\d+)\)", str(error))
    return int(found.group(1)) if found else None


@contextmanager
def written_aside(final: Path, finished: str | None = None) -> Iterator[Path]:
    """A folder to fill that becomes `final` when the block ends well, and vanishes when it does
    not.

    An older `final` is replaced; with `finished`, a file that only a finished folder holds, a
    finished one is kept instead: whoever wrote it was first with the same content.
    """
    with disk_errors(final):
        _make_parent(final)
        sweep(final.parent)
        aside = _aside(final)
        aside.mkdir()
        try:
            yield aside
            _settle(aside, final, finished)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def _settle(aside: Path, final: Path, finished: str | None) -> None:
    for _ in range(_ATTEMPTS):  # another process may put its own there between any two of our steps
        if finished and (final / finished).is_file():
            return
        try:
            os.rename(aside, final)
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        old = _aside(final)
        with suppress(FileNotFoundError):
            os.rename(final, old)
            shutil.rmtree(old, ignore_errors=True)
    raise StorageError(
        f"{final} is being written by other processes", "Try again when they are done."
    )


def sweep(folder: Path) -> None:
    """Remove what killed processes left half-written in `folder`; what a living process writes
    stays, here and on other machines."""
    for path in folder.iterdir():
        found = _WRITING.search(path.name)
        if found and _is_dead(path, found.group(1), int(found.group(2))):
            with suppress(OSError):  # another user's, perhaps
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(
                    missing_ok=True
                )


def _is_dead(path: Path, host: str, pid: int) -> bool:
    if host == _HOST:
        return not _alive(pid)
    try:  # another machine's processes cannot be asked
        return time.time() - path.stat().st_mtime > _ABANDONED_S
    except OSError:
        return False


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def folder_bytes(path: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(p.stat().st_size for p in path.rglob("*") if p.is_file())


@dataclass(kw_only=True)
class Unfinished:
    """The states that the trainings of one step leave, each by a name of its own, until the step is
    done.

    The key is made when a training first asks: most steps have none that is worth a state.
    """

    workspace: Workspace
    make_key: Callable[[], str]
    paths: dict[str, Path] = field(default_factory=dict)
    made: list[Path] = field(default_factory=list)  # folders that were not there before

    @cached_property
    def key(self) -> str:
        return self.make_key()

    def __call__(self, name: str) -> Path | None:
        """None where nothing can be written: the training then leaves no state."""
        path = self.workspace.unfinished(f"{self.key}-{name}")
        if not self.workspace.root.exists():
            self.made.append(self.workspace.root)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError:
            return None
        return self.paths.setdefault(name, path) if os.access(path.parent, os.W_OK) else None

    def clear(self) -> None:
        for path in self.paths.values():
            path.unlink(missing_ok=True)
        folders = [self.workspace.unfinished("").parent, *self.made] if self.paths else []
        for folder in folders:  # empty ones alone: others may have states there
            with suppress(OSError):
                folder.rmdir()


@dataclass(frozen=True)
class Workspace:
    """Where finished steps live, shared by the studies that name it."""

    root: Path

    def folder(self, kind: str, key: str) -> Path:
        return self.root / kind / key

    def unfinished(self, key: str) -> Path:
        """Where a step that takes long leaves its state while it runs."""
        return self.root / UNFINISHED / f"{key}.safetensors"

    def unfinished_of(self, make_key: Callable[[], str]) -> Unfinished:
        return Unfinished(workspace=self, make_key=make_key)

    def has(self, kind: str, key: str) -> bool:
        """Whether that step is finished: its manifest is written last."""
        return (self.folder(kind, key) / MANIFEST).is_file()

    def manifest(self, kind: str, key: str) -> dict[str, Any]:
        return json.loads((self.folder(kind, key) / MANIFEST).read_text(encoding="utf-8"))

    @contextmanager
    def adding(self, kind: str, key: str, manifest: dict[str, Any]) -> Iterator[Path]:
        """A folder to fill; `manifest` (which the block may still fill in) is written after
        everything else."""
        with written_aside(self.folder(kind, key), finished=MANIFEST) as aside:
            yield aside
            write_json(aside / MANIFEST, manifest)

    def keys(self, kind: str) -> list[str]:
        """The finished steps of one kind."""
        folder = self.root / kind
        return (
            sorted(p.name for p in folder.iterdir() if (p / MANIFEST).is_file())
            if folder.is_dir()
            else []
        )
