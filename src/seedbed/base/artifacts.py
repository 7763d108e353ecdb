"""Content-addressed folders, written atomically.

In: a kind, a key, and code that fills a folder. Out: `<workspace>/<kind>/<key>/`. The folder is
complete or absent; its `manifest.json`, written last, marks it as done.

    <workspace>/
      stores/<key>/        pixels.npy rows.parquet store.json
      backbones/<key>/     weights.safetensors card.json predictions.safetensors manifest.json
      measurements/<key>/  predictions.safetensors manifest.json
      unfinished/<key>.safetensors   the state of an interrupted training, to resume from
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

from seedbed.base.errors import StorageError, UsageError
from seedbed.base.paths import expand_user

MANIFEST, UNFINISHED = "manifest.json", "unfinished"
WORKSPACE_VARIABLE, DEFAULT_WORKSPACE = "SEEDBED_WORKSPACE", "seedbed-work"
_HOST = re.sub(r"[^A-Za-z0-9]", "", platform.node()) or "here"
_TEMPORARY = re.compile(r"\.writing-([A-Za-z0-9]+)-(\d+)-[0-9a-f]+$")
_MAX_ATTEMPTS = 100
# Age at which a temporary file of another machine counts as abandoned.
_ABANDONED_S = 7 * 24 * 3600


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def atomic_file(final: Path) -> Iterator[Path]:
    """Yield a temporary path; rename it to `final` on success, remove it on failure.

    Parent folders are created. Raises StorageError when the file system refuses.
    """
    with disk_errors(final):
        # A device or a pipe must not be replaced by a file.
        if final.exists() and not final.is_file():
            yield final
            return
        _make_parent(final)
        temporary = _temporary_path(final)
        try:
            yield temporary
            os.replace(temporary, final)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def default_permissions(path: Path) -> Iterator[None]:
    """Give what the block writes at `path` the permissions of any new file.

    safetensors would make it readable by its owner alone.
    """
    path.touch()
    mode = path.stat().st_mode
    yield
    path.chmod(mode)


def preallocate(path: Path) -> None:
    """Allocate the blocks of a sparse file, where the system can: a full disk then raises an error
    now instead of a bus error later."""
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, path.stat().st_size))


def _make_parent(final: Path) -> None:
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, FileNotFoundError, NotADirectoryError) as error:
        raise StorageError(
            f"cannot create the folder {final.parent}: {error.strerror}", "Name another path."
        ) from None


def _temporary_path(final: Path) -> Path:
    """A path beside `final` whose name holds the host and the process that writes it."""
    return final.with_name(f"{final.name}.writing-{_HOST}-{os.getpid()}-{uuid.uuid4().hex[:8]}")


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn errors of the file system into a StorageError that says what to do."""
    try:
        yield
    except Exception as error:
        number = error.errno if isinstance(error, OSError) else _errno_in_text(error)
        if number in (errno.ENOSPC, errno.EDQUOT):
            raise StorageError(
                f"no space left on the disk while writing {path}",
                "Free some space, or point --workspace (or the output path) to a larger disk. "
                "No partial file was kept.",
            ) from error
        if number in (errno.EISDIR, errno.ENOTDIR):
            raise StorageError(
                f"cannot write {path}: {os.strerror(number).lower()}", "Name another file."
            ) from error
        if number in (errno.EACCES, errno.EROFS, errno.EPERM):
            raise StorageError(
                f"no permission to write {path}", "Choose a folder that you may write to."
            ) from error
        raise


def _errno_in_text(error: Exception) -> int | None:
    """The error number in the message of a library's exception: safetensors writes "(os error
    28)"."""
    match = re.search(r"\(os error (\d+)\)", str(error))
    return int(match.group(1)) if match else None


@contextmanager
def atomic_folder(final: Path, finished: str | None = None) -> Iterator[Path]:
    """Yield a temporary folder; rename it to `final` on success, remove it on failure.

    Args:
        final: an older folder there is replaced.
        finished: name of a file that only a complete folder holds. A complete `final` is then kept
            instead: another process was first with the same content.
    """
    with disk_errors(final):
        _make_parent(final)
        remove_abandoned(final.parent)
        temporary = _temporary_path(final)
        temporary.mkdir()
        try:
            yield temporary
            _rename_folder(temporary, final, finished)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _rename_folder(temporary: Path, final: Path, finished: str | None) -> None:
    # Another process may put its own folder there between any two of these steps.
    for _ in range(_MAX_ATTEMPTS):
        if finished and (final / finished).is_file():
            return
        try:
            os.rename(temporary, final)
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        old = _temporary_path(final)
        with suppress(FileNotFoundError):
            os.rename(final, old)
            shutil.rmtree(old, ignore_errors=True)
    raise StorageError(
        f"{final} is being written by other processes", "Try again when they are done."
    )


def remove_abandoned(folder: Path) -> None:
    """Remove temporary files of dead processes in `folder`; those of living processes stay, on this
    machine and on others."""
    for path in folder.iterdir():
        match = _TEMPORARY.search(path.name)
        if match and _is_abandoned(path, match.group(1), int(match.group(2))):
            # It may belong to another user.
            with suppress(OSError):
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)


def _is_abandoned(path: Path, host: str, pid: int) -> bool:
    if host == _HOST:
        return not _is_alive(pid)
    # Processes of another machine cannot be asked: their age decides.
    try:
        return time.time() - path.stat().st_mtime > _ABANDONED_S
    except OSError:
        return False


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def new_folder(out: str | os.PathLike[str] | None) -> Path | None:
    """The path of a folder to be written; raises UsageError if it exists."""
    if out is None:
        return None
    folder = expand_user(out)
    if folder.exists():
        raise UsageError(
            f"{folder} exists", "Name a new folder, or remove that one; nothing there was changed."
        )
    return folder


def folder_bytes(path: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(p.stat().st_size for p in path.rglob("*") if p.is_file())


@dataclass(kw_only=True)
class Unfinished:
    """Paths for the states of the trainings of one step, until the step is done.

    A step may train several times, each with a name. `make_key` is called when a training first
    asks for a path, since most steps never do.
    """

    workspace: Workspace
    make_key: Callable[[], str]
    paths: dict[str, Path] = field(default_factory=dict)
    created_folders: list[Path] = field(default_factory=list)

    @cached_property
    def key(self) -> str:
        return self.make_key()

    def __call__(self, name: str) -> Path | None:
        """The path for the training `name`; None where it cannot be written: no state is kept."""
        path = self.workspace.unfinished(f"{self.key}-{name}")
        if not self.workspace.root.exists():
            self.created_folders.append(self.workspace.root)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError:
            return None
        return self.paths.setdefault(name, path) if os.access(path.parent, os.W_OK) else None

    def clear(self) -> None:
        """Remove the states, and the folders that were created for them if they are empty."""
        for path in self.paths.values():
            path.unlink(missing_ok=True)
        folders = [self.workspace.unfinished("").parent, *self.created_folders]
        for folder in folders if self.paths else []:
            # Another step may have states there.
            with suppress(OSError):
                folder.rmdir()


@dataclass(frozen=True)
class Workspace:
    """The folder of finished steps; several studies may share it."""

    root: Path

    @classmethod
    def at(
        cls, path: str | os.PathLike[str] | None = None, beside: Path | None = None
    ) -> Workspace:
        """The workspace at `path`; else at the variable SEEDBED_WORKSPACE; else `seedbed-work/` in
        the folder `beside` (a study's), or in the current folder."""
        chosen = path or os.environ.get(WORKSPACE_VARIABLE)
        if chosen:
            return cls(expand_user(chosen).resolve())
        return cls(((beside or Path()) / DEFAULT_WORKSPACE).resolve())

    def folder(self, kind: str, key: str) -> Path:
        return self.root / kind / key

    def unfinished(self, key: str) -> Path:
        """The path for the state of a training while it runs."""
        return self.root / UNFINISHED / f"{key}.safetensors"

    def unfinished_states(self, make_key: Callable[[], str]) -> Unfinished:
        return Unfinished(workspace=self, make_key=make_key)

    def is_writable(self) -> bool:
        """Whether artifacts can be written: the root, or the nearest folder above it, allows it."""
        nearest = next(folder for folder in (self.root, *self.root.parents) if folder.exists())
        return nearest.is_dir() and os.access(nearest, os.W_OK)

    def has(self, kind: str, key: str) -> bool:
        """Whether the step is finished: its manifest is written last."""
        return (self.folder(kind, key) / MANIFEST).is_file()

    def manifest(self, kind: str, key: str) -> dict[str, Any]:
        return json.loads((self.folder(kind, key) / MANIFEST).read_text(encoding="utf-8"))

    @contextmanager
    def adding(self, kind: str, key: str, manifest: dict[str, Any]) -> Iterator[Path]:
        """Yield a folder to fill; `manifest`, which the block may extend, is written last."""
        with atomic_folder(self.folder(kind, key), finished=MANIFEST) as folder:
            yield folder
            write_json(folder / MANIFEST, manifest)

    def keys(self, kind: str) -> list[str]:
        """The finished steps of one kind."""
        folder = self.root / kind
        if not folder.is_dir():
            return []
        return sorted(p.name for p in folder.iterdir() if (p / MANIFEST).is_file())
