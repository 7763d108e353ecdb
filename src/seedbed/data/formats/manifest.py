"""manifest(): a CSV, TSV or Parquet table with a row for each image: path, label, and maybe split.

In: the table. Out: a Source whose images are files. Paths are relative to `root`, by default the
folder of the table. An image that does not exist is listed too, so that packing reports it.
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
# Usual names of the columns; the first that exists is used.
_PATHS = ("path", "filepath", "file_path", "filename", "file_name", "file", "image", "image_path")
_LABELS = ("label", "class", "label_name", "class_name", "category", "target", "y")
_SPLITS = ("split", "subset", "set", "partition", "fold")
_NUM_CHECKED = 20  # if none of the first paths exists, the root must be wrong


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
        path_column = _find_column(table, self.path_column, _PATHS, "path", table_path)
        label_column = _find_column(table, self.label_column, _LABELS, "label", table_path)
        split_column = self._find_split_column(table, table_path)
        columns = [column for column in (path_column, label_column, split_column) if column]
        _refuse_empty_cells(table[columns], table_path)
        root = expand_user(self.root) if self.root else table_path.parent
        paths = table[path_column].astype(str).tolist()
        labels = table[label_column].astype(str).tolist()
        _refuse_wrong_root(paths, root, self.file)
        ids = [_image_id(path, root) for path in paths]
        _refuse_repeated_images(ids, table_path)
        splits = [TRAIN] * len(ids)
        if split_column:
            where = f"{table_path}, column {split_column!r}"
            splits = [split_named(name, where) for name in table[split_column].astype(str)]
        order = sorted(range(len(ids)), key=ids.__getitem__)
        rows = [_row_text(root, paths[i], labels[i], splits[i]) for i in order]
        has_tree = any("/" in label for label in labels)
        return from_records(
            str(self.file),
            list(zip(ids, labels, splits, strict=True)),
            pixels=FilePixels(str(root.resolve()), np.array([paths[i] for i in order], object)),
            listing=listing_fingerprint(["manifest", *rows]),
            hierarchy=from_paths(set(labels)) if has_tree else None,
        )

    def _find_split_column(self, table: pd.DataFrame, path: Path) -> str:
        """The column of splits; empty if there is none.

        A column with a usual name, other than "split", counts only if its values are splits: "fold"
        may hold numbers.
        """
        column = _find_column(table, self.split_column, _SPLITS, None, path)
        is_certain = self.split_column is not None or column.lower() == "split"
        return column if not column or is_certain or _are_splits(table[column]) else ""


def _read_table(path: Path) -> pd.DataFrame:
    import pandas as pd

    if not path.is_file():
        raise BadDataError(
            f"there is no {path}", "Check the path; a manifest is a .csv, .tsv or .parquet file."
        )
    try:
        if path.suffix.lower() == ".parquet":
            return pd.read_parquet(path)
        separator = "\t" if path.suffix.lower() == ".tsv" else ","
        return pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False)
    except Exception as error:  # a parser may fail in many ways
        raise BadDataError(
            f"{path} cannot be read as a table: {str(error).splitlines()[0]}",
            "Save it as CSV with a header.",
        ) from None


def _find_column(
    table: pd.DataFrame,
    name: str | None,
    usual_names: tuple[str, ...],
    required: str | None,
    path: Path,
) -> str:
    """The column of this name, or the first with a usual name.

    Without such a column: "", or BadDataError if it is `required` ("path" or "label").
    """
    names = [str(column) for column in table.columns]
    if name is not None:
        if name not in names:
            raise unknown("column", name, names, str(path))
        return name
    column = _first_of(usual_names, names)
    if not column and required:
        raise BadDataError(
            f"{path} has no {required} column: none of {', '.join(usual_names)}",
            f"It has: {', '.join(names)}. {_column_advice(table, names, required, path)}",
        )
    return column


def _first_of(usual_names: tuple[str, ...], names: list[str]) -> str:
    lowered = {name.lower().strip(): name for name in names}
    return next((lowered[usual] for usual in usual_names if usual in lowered), "")


def _column_advice(table: pd.DataFrame, names: list[str], required: str, path: Path) -> str:
    """How to name a column; a table that contains its images is of another format."""
    encoded = [name for name in names if len(table) and isinstance(table[name].iloc[0], bytes)]
    example = next((name for name in names if name not in encoded), "NAME")
    if encoded and required == "path":
        label = _first_of(_LABELS, names) or example
        return (
            f"Its images are in it: huggingface('{path}', image_column='{encoded[0]}', "
            f"label_column='{label}')."
        )
    return f"Name the column: manifest('{path}', {required}_column='{example}')."


def _refuse_wrong_root(paths: list[str], root: Path, file: str) -> None:
    """Raise BadDataError if none of the first images exists: then the folder is wrong."""
    first = paths[:_NUM_CHECKED]
    if first and not any((root / path).exists() for path in first):
        raise BadDataError(
            f"{file}: none of its first {len(first)} images is in {root}, for instance "
            f"{first[0]!r}",
            "Paths are relative to the table's folder; for another folder: "
            f"manifest('{file}', root='FOLDER').",
        )


def _are_splits(column: Any) -> bool:
    return {str(value).strip().lower() for value in column.unique()} <= SPLIT_NAMES.keys()


def _refuse_empty_cells(table: Any, path: Path) -> None:
    empty = table.isna() | (table.astype(str) == "")
    if bool(empty.to_numpy().any()):
        row, column = np.argwhere(empty.to_numpy())[0]
        raise BadDataError(
            f"{path}, row {row + 1}: {table.columns[column]!r} is empty",
            "Fill it in, or remove the row.",
        )


def _image_id(path: str, root: Path) -> str:
    """The POSIX path relative to the root; for a file elsewhere, its whole path without the leading
    slash."""
    if Path(path).is_absolute():
        relative = os.path.relpath(path, root.resolve())
        path = path.lstrip("/") if relative.startswith("..") else relative
    parts = os.path.normpath(path).replace(os.sep, "/").split("/")
    return "/".join(part for part in parts if part != "..")


def _refuse_repeated_images(ids: list[str], path: Path) -> None:
    seen: set[str] = set()
    for id_ in ids:
        if id_ in seen:
            raise BadDataError(
                f"{path} lists {id_!r} more than once",
                "An image has one label and one split: keep one row.",
            )
        seen.add(id_)


def _row_text(root: Path, path: str, label: str, split: int) -> str:
    """A row and its file, without its contents, for the fingerprint."""
    try:
        status = os.stat(os.path.join(root, path))
        state = f"{status.st_size}\t{status.st_mtime_ns}"
    except OSError:
        state = "missing"
    return f"{path}\t{label}\t{split}\t{state}"
