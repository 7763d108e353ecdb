"""Make a source of the images that tables list: their files, labels and splits.

In: tables, and the folder that paths start at. Out: a Source whose images are files. Blanks around
cells are removed, equal rows count once, contradicting rows are an error. A listed image that does
not exist is listed too, so that packing reports it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from seedbed.base.errors import BadDataError
from seedbed.data.hierarchy import from_paths
from seedbed.data.image_files import FilePixels
from seedbed.data.note_counter import NoteCounter
from seedbed.data.source import (
    SPLITS,
    TRAIN,
    Source,
    from_records,
    listing_fingerprint,
    split_named,
    split_of_path,
)
from seedbed.data.table_columns import (
    ColumnNames,
    Columns,
    find_columns,
    one_hot_labels,
    wrong_root_error,
)
from seedbed.data.table_files import cell_text
from seedbed.data.table_images import AmbiguousNameError, ImageFinder
from seedbed.data.table_text import Table

_STRIPPED = "{num} cell{s} with blanks around: they are removed"
_COMPLETED = "{num} name{s} without a suffix: the file is the one with this name"
_SLASHES = "{num} path{s} with backslashes: read as /"
_BY_NAME = "{num} image{s} in folders that the table does not name: matched by the name of the file"
_REPEATED = "{num} row{s} that repeat an earlier one: used once"
_MISSING_LABELS = ("nan", "none", "null", "n/a", "<na>")
_SPLIT_FOLDERS = "{num} image{s} in the split that a folder of the path names"
_NO_LABEL = "{num} label{s} that may stand for a missing one: they are a class"


class Row(NamedTuple):
    """One row: path as in the table, label, split, and its place for messages."""

    path: str
    label: str
    split: int
    place: str


@dataclass(frozen=True, kw_only=True)
class TablePart:
    """One table: its folder relative to the root, and the split of rows that name none."""

    table: Table
    folder: str = ""
    split: int = TRAIN
    split_of_path: bool = False  # whether a folder in a path, as train/1.jpg, says the split


def source_of_tables(
    name: str,
    kind: str,
    root: Path,
    parts: Sequence[TablePart],
    names: ColumnNames,
    finder: ImageFinder | None = None,
) -> Source:
    """Make the source of the images that tables list.

    Args:
        name: the source's name.
        kind: the format's name, for the fingerprint.
        root: the folder that paths start at.
        parts: the tables.
        names: columns that the user named.
        finder: of the root.

    Raises:
        BadDataError: an empty cell, a name that fits several images, rows that contradict each
            other, or no image that exists.
    """
    finder, counter, notes = finder or ImageFinder(root), NoteCounter(), []
    rows: list[Row] = []
    paths: list[str] = []
    for part in parts:
        columns = find_columns(part.table, finder, names)
        notes += [*part.table.notes, *columns.notes]
        part_rows = _read_rows(part, columns, counter)
        paths += _find_paths(part_rows, part, finder, names, counter, notes)
        rows += part_rows
    images = _distinct_rows(rows, paths, root, counter)
    order = sorted(images)
    state = [_row_text(root, paths[i], rows[i]) for i in (images[id_] for id_ in order)]
    labels = {rows[i].label for i in images.values()}
    skipped = finder.skipped(list(images), [part.table.path for part in parts]).rows()
    return from_records(
        name,
        [(id_, rows[i].label, rows[i].split) for id_, i in images.items()],
        pixels=FilePixels(
            str(root.resolve()), np.array([paths[images[id_]] for id_ in order], object)
        ),
        listing=listing_fingerprint([kind, *state]),
        hierarchy=from_paths(labels) if any("/" in label for label in labels) else None,
        notes=tuple(dict.fromkeys([*notes, *finder.notes, *counter.lines()])),
        skipped=skipped,
    )


def _read_rows(part: TablePart, columns: Columns, counter: NoteCounter) -> list[Row]:
    """The rows of a table as text, without blanks around."""
    table = part.table
    paths = _read_cells(table, columns.path, counter)
    if columns.one_hot:
        labels = one_hot_labels(table, columns.one_hot)
    else:
        labels = _read_cells(table, columns.label, counter)
    splits = [part.split] * len(paths)
    if part.split_of_path or _are_split_folders(paths, columns, counter):
        splits = [part.split if (s := split_of_path(path)) is None else s for path in paths]
    if columns.split:
        cells = _read_cells(table, columns.split, counter)
        splits = [
            split_named(cell, f"{table.place(i)}, column {columns.split!r}")
            for i, cell in enumerate(cells)
        ]
    for i, label in enumerate(labels):
        if label.lower() in _MISSING_LABELS:
            counter.add(_NO_LABEL, f"{table.place(i)}: {label!r}")
    prefix = f"{part.folder}/" if part.folder else ""
    return [
        Row(prefix + path, label, split, table.place(i))
        for i, (path, label, split) in enumerate(zip(paths, labels, splits, strict=True))
    ]


def _are_split_folders(paths: list[str], columns: Columns, counter: NoteCounter) -> bool:
    """Whether a table without a column of splits has them as folders: train/1.jpg, test/1.jpg."""
    if columns.split:
        return False
    splits = [split_of_path(path) for path in paths]
    if len(set(splits)) < 2 or None in splits:
        return False
    for path in paths:
        counter.add(_SPLIT_FOLDERS, path)
    return True


def _read_cells(table: Table, column: str, counter: NoteCounter) -> list[str]:
    cells: list[str] = []
    for i, value in enumerate(table.column(column)):
        try:
            text = cell_text(value)
        except ValueError as error:
            raise BadDataError(
                f"{table.place(i)}, column {column!r}: {error}",
                "An image has one path, one label and one split, each of them text or a number.",
            ) from None
        cell = text.strip()
        if "\n" in cell or "\r" in cell:
            raise BadDataError(
                f"{table.place(i)}: {column!r} has a line break: {cell[:40]!r}...",
                "A quote before it is not closed: write two quotes for one, or remove it.",
            )
        if not cell:
            raise BadDataError(
                f"{table.place(i)}: {column!r} is empty", "Fill it in, or remove the row."
            )
        if cell != text:
            counter.add(_STRIPPED, f"{table.place(i)}: {text!r}")
        cells.append(cell)
    return cells


def _find_paths(
    rows: list[Row],
    part: TablePart,
    finder: ImageFinder,
    names: ColumnNames,
    counter: NoteCounter,
    notes: list[str],
) -> list[str]:
    """The path of the file of each row, relative to the root; a missing one as in the table.

    Only where no row has the path of an image are images looked for elsewhere: below folders that
    the table leaves out, or without folders that do not exist here.
    """
    paths = [_exact(row, finder) for row in rows]
    if not any(paths):
        prefix = finder.foreign_prefix([row.path for row in rows])
        if prefix:
            notes.append(f"{part.table.path.name}: paths are read without {prefix}/")
            shorter = [
                row._replace(path=row.path.replace("\\", "/").removeprefix(f"{prefix}/"))
                for row in rows
            ]
            paths = [_exact(row, finder) for row in shorter]
        else:
            paths = [_by_name(row, finder, names, counter) for row in rows]
        if not any(paths):
            raise wrong_root_error(part.table, [row.path for row in rows], finder, names)
    else:
        for row, path in zip(rows, paths, strict=True):
            if path is not None and path != row.path:
                _count_change(row.path, path, counter)
    return [row.path if path is None else path for row, path in zip(rows, paths, strict=True)]


def _count_change(name: str, path: str, counter: NoteCounter) -> None:
    if "\\" in name:
        counter.add(_SLASHES, name)
    if os.path.splitext(path)[1].lower() != os.path.splitext(name)[1].lower():
        counter.add(_COMPLETED, f"{name} is {path}")


def _exact(row: Row, finder: ImageFinder) -> str | None:
    try:
        return finder.exact(row.path)
    except AmbiguousNameError as error:
        raise BadDataError(
            f"{row.place}: {row.path!r} fits {' and '.join(error.paths[:3])}",
            "Write the suffix in the table, or move the other image elsewhere.",
        ) from None


def _by_name(row: Row, finder: ImageFinder, names: ColumnNames, counter: NoteCounter) -> str | None:
    try:
        path = finder.by_name(row.path)
    except AmbiguousNameError as error:
        folder = (finder.root / _training_first(error.paths)[0]).parent
        raise BadDataError(
            f"{row.place}: {row.path!r} fits {' and '.join(error.paths[:3])}",
            f"Name the folder of the images: {names.call(root=str(folder))}.",
        ) from None
    if path is not None:
        counter.add(_BY_NAME, f"{row.path} is {path}")
    return path


def _training_first(paths: list[str]) -> list[str]:
    return sorted(paths, key=lambda path: ("train" not in path.lower(), path))


def _distinct_rows(
    rows: list[Row], paths: list[str], root: Path, counter: NoteCounter
) -> dict[str, int]:
    """Id of each image -> its row; rows that repeat one are counted, others of it are refused."""
    rows_of: dict[str, int] = {}
    resolved = root.resolve()
    for i, path in enumerate(paths):
        id_ = _image_id(path, resolved)
        first = rows[rows_of.setdefault(id_, i)]
        if first is rows[i]:
            continue
        if (first.label, first.split) != (rows[i].label, rows[i].split):
            raise BadDataError(
                f"{rows[i].place}: {id_!r} is {rows[i].label!r} ({SPLITS[rows[i].split]}), and in "
                f"{first.place} {first.label!r} ({SPLITS[first.split]})",
                "An image has one label and one split: remove one of the two rows.",
            )
        counter.add(_REPEATED, rows[i].place)
    return rows_of


def _image_id(path: str, root: Path) -> str:
    """The POSIX path relative to the root; for a file elsewhere, its whole path without the leading
    slash."""
    if Path(path).is_absolute():
        relative = os.path.relpath(path, root)
        path = path.lstrip("/") if relative.startswith("..") else relative
    parts = os.path.normpath(path).replace(os.sep, "/").split("/")
    return "/".join(part for part in parts if part != "..")


def _row_text(root: Path, path: str, row: Row) -> str:
    """A row and its file, without its contents, for the fingerprint."""
    try:
        status = os.stat(os.path.join(root, path))
        state = f"{status.st_size}\t{status.st_mtime_ns}"
    except OSError:
        state = "missing"
    return f"{path}\t{row.label}\t{row.split}\t{state}"
