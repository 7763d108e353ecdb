"""Manifests: a CSV, TSV or Parquet table with a row for each image: path, label, and a split where
there is one.

In: the table. Out: a Source whose images are files. Paths are relative to `root`, by default the
table's folder. An image that is not there is kept as a record, so that packing reports it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from seedbed.base.errors import BadDataError, unknown
from seedbed.base.paths import expand_user
from seedbed.data.formats import Format
from seedbed.data.hierarchy import from_paths
from seedbed.data.image_files import FilePixels
from seedbed.data.source import (
    SPLIT_NAMES,
    TRAIN,
    Source,
    from_records,
    listing_fingerprint,
    split_named,
)

if TYPE_CHECKING:
    import pandas as pd

_SUFFIXES = (".csv", ".tsv", ".parquet")
# What people call these columns, in the order in which they are looked for.
_PATHS = ("path", "filepath", "file_path", "filename", "file_name", "file", "image", "image_path")
_LABELS = ("label", "class", "label_name", "class_name", "category", "target", "y")
_FIRST = 20  # paths to look for before the folder is doubted
_SPLITS = ("split", "subset", "set", "partition", "fold")


@dataclass(frozen=True)
class Manifest(Format):
    """A CSV, TSV or Parquet table of paths, labels and splits; columns are found by their usual
    names, or named."""

    file: str
    path_column: str | None = None
    label_column: str | None = None
    split_column: str | None = None
    root: str | None = None
    paths: ClassVar[tuple[str, ...]] = ("file", "root")
    priority: ClassVar[int] = 5

    @staticmethod
    def recognises(path: Path) -> bool:
        return path.is_file() and path.suffix.lower() in _SUFFIXES

    def read(self) -> Source:
        table_path = expand_user(self.file)
        table = _read_table(table_path)
        path_column = _column(table, self.path_column, _PATHS, "path", table_path)
        label_column = _column(table, self.label_column, _LABELS, "label", table_path)
        split_column = _column(table, self.split_column, _SPLITS, None, table_path)
        if (
            split_column
            and not self.split_column
            and split_column.lower() != "split"
            and not _are_splits(table[split_column])
        ):
            split_column = ""  # a fold's number, say, under a name that splits go by elsewhere
        columns = [c for c in (path_column, label_column, split_column) if c]
        _refuse_gaps(table[columns], table_path)
        root = expand_user(self.root) if self.root else table_path.parent
        given, labels = table[path_column].astype(str), table[label_column].astype(str)
        _refuse_wrong_root(given, root, self.file)
        ids = [_id(path, root) for path in given]
        _refuse_twice(ids, table_path)
        where = f"{table_path}, column {split_column!r}"
        splits = (
            [split_named(s, where) for s in table[split_column].astype(str)]
            if split_column
            else [TRAIN] * len(ids)
        )
        order = sorted(range(len(ids)), key=ids.__getitem__)
        places = np.array([given.iloc[i] for i in order], dtype=object)
        return from_records(
            str(self.file),
            list(zip(ids, labels, splits, strict=True)),
            pixels=FilePixels(str(root.resolve()), places),
            listing=listing_fingerprint(
                [
                    "manifest",
                    *(
                        _state(root, p, labels.iloc[i], splits[i])
                        for p, i in zip(places, order, strict=True)
                    ),
                ]
            ),
            hierarchy=from_paths(set(labels))
            if any("/" in label for label in set(labels))
            else None,
        )


def _read_table(path: Path) -> pd.DataFrame:
    import pandas as pd

    if not path.is_file():
        raise BadDataError(
            f"there is no {path}", "Check the path; a manifest is a .csv, .tsv or .parquet file."
        )
    try:
        if path.suffix.lower() == ".parquet":
            return pd.read_parquet(path)
        return pd.read_csv(
            path,
            sep="\t" if path.suffix.lower() == ".tsv" else ",",
            dtype=str,
            keep_default_na=False,
        )
    except Exception as error:  # a parser may fail in many ways
        raise BadDataError(
            f"{path} cannot be read as a table: {str(error).splitlines()[0]}",
            "Save it as CSV with a header.",
        ) from None


def _column(
    table: pd.DataFrame, asked: str | None, usual: tuple[str, ...], needed: str | None, path: Path
) -> str:
    """The column that was asked for, or one with a usual name; "" where it is not needed and not
    there."""
    names = [str(c) for c in table.columns]
    if asked is not None:
        if asked not in names:
            raise unknown("column", asked, names, str(path))
        return asked
    lowered = {name.lower().strip(): name for name in names}
    found = next((lowered[u] for u in usual if u in lowered), "")
    if needed and not found:
        encoded = [name for name in names if len(table) and isinstance(table[name].iloc[0], bytes)]
        example = next((name for name in names if name not in encoded), "NAME")
        way = f"Name the one: manifest('{path}', {needed}_column='{example}')."
        if encoded and needed == "path":  # the images themselves
            label = next((lowered[u] for u in _LABELS if u in lowered), example)
            way = f"Its images are in it: huggingface('{path}', image_column='{encoded[0]}', label_column='{label}')."
        raise BadDataError(
            f"{path} has no {needed} column: none of {', '.join(usual)}",
            f"It has: {', '.join(names)}. {way}",
        )
    return found


def _refuse_wrong_root(given: Any, root: Path, file: str) -> None:
    """Where none of the first is there, the folder is wrong and not the files."""
    first = [str(path) for path in given[:_FIRST]]
    if first and not any((root / path).exists() for path in first):
        raise BadDataError(
            f"{file}: none of its first {len(first)} images is there, {first[0]!r} for instance, in {root}",
            f"Paths are taken from the table's folder; from another one: manifest('{file}', root='FOLDER').",
        )


def _are_splits(column: Any) -> bool:
    return {str(value).strip().lower() for value in column.unique()} <= SPLIT_NAMES.keys()


def _refuse_gaps(table: Any, path: Path) -> None:
    empty = table.isna() | (table.astype(str) == "")
    if bool(empty.to_numpy().any()):
        row, column = np.argwhere(empty.to_numpy())[0]
        raise BadDataError(
            f"{path}, row {row + 1}: {table.columns[column]!r} is empty",
            "Fill it in, or remove the row.",
        )


def _id(path: str, root: Path) -> str:
    """The path relative to the root, POSIX; what lies elsewhere keeps its whole path without the
    leading slash."""
    if Path(path).is_absolute():
        relative = os.path.relpath(path, root.resolve())
        path = path.lstrip("/") if relative.startswith("..") else relative
    parts = os.path.normpath(path).replace(os.sep, "/").split("/")
    return "/".join(part for part in parts if part != "..")


def _refuse_twice(ids: list[str], path: Path) -> None:
    if len(set(ids)) < len(ids):
        seen: set[str] = set()
        twice = next(i for i in ids if i in seen or seen.add(i))  # pyright: ignore[reportArgumentType]
        raise BadDataError(
            f"{path} lists {twice!r} more than once",
            "An image has one label and one split: keep one row.",
        )


def _state(root: Path, path: str, label: str, split: int) -> str:
    """What a row and its file look like without reading the file."""
    try:
        status = os.stat(os.path.join(root, path))
        state = f"{status.st_size}\t{status.st_mtime_ns}"
    except OSError:
        state = "missing"
    return f"{path}\t{label}\t{split}\t{state}"
