"""Images: pack them.

In: paths, call strings or objects. Out: stores, and rows of them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from seedbed.base.artifacts import Workspace
from seedbed.base.errors import UsageError
from seedbed.base.paths import expand_user
from seedbed.data.formats import open_source
from seedbed.data.pack import Progress as PackProgress
from seedbed.data.pack import pack as pack_source
from seedbed.data.source import SPLITS, Source
from seedbed.data.store import Store
from seedbed.data.view import View

DEFAULT_PX = 64


def pack(source: Source | str | os.PathLike[str], store: str | Path, **options: Any) -> Store:
    """Pack a source once: images decoded, resized and memory-mapped. Options and errors:
    `seedbed.data.pack.pack`.

    Example:
        >>> import tempfile, seedbed as sb
        >>> store = sb.pack("digits()", tempfile.mkdtemp() + "/digits.store", size_px=16)
        >>> store.num_images, store.pixels.shape[1:]
        (1797, (16, 16, 3))
    """
    return pack_source(source, store, **options).store


def open_store(
    data: Store | Source | str | Path,
    size_px: int,
    workspace: str | Path | None = None,
    progress: PackProgress | None = None,
    *,
    allow_unreadable: float | None = None,
    for_inspection: bool = False,
) -> Store:
    """The store that data stands for: itself, or a source packed into the workspace at
    `size_px`."""
    from seedbed.trials.study_data import pack_into

    if isinstance(data, Store):
        return data
    if not isinstance(data, Source):
        if Store.is_at(data):
            return Store.open(data)
        data = open_source(data)
    folder = workspace_at(workspace)
    return pack_into(data, size_px, folder, progress, allow_unreadable, for_inspection)


def workspace_at(path: str | Path | None) -> Workspace:
    """The workspace at a path, else at SEEDBED_WORKSPACE, else in the current folder."""
    return Workspace(expand_user(path or os.environ.get("SEEDBED_WORKSPACE") or "seedbed-work"))


def rows_of(view: View, split: str | None) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Rows, labels and classes of a view's split, or of all of them, in the order of the store."""
    parts = [
        (view.rows, view.labels) if name == "train" else view.held_out(name)
        for name in SPLITS
        if split in (None, name)
    ]
    rows, labels = np.concatenate([r for r, _ in parts]), np.concatenate([la for _, la in parts])
    order = np.argsort(rows, kind="stable")
    return rows[order], labels[order], view.classes


def new_folder(out: str | os.PathLike[str] | None) -> Path | None:
    """Where something is to be saved: nothing is there yet; raises UsageError for a folder that
    exists."""
    if out is None:
        return None
    folder = expand_user(out)
    if folder.exists():
        raise UsageError(
            f"{folder} exists", "Name a new folder, or remove that one; nothing there was touched."
        )
    return folder
