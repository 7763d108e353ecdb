"""Read tables with a row for each image: CSV, TSV, lists, Parquet and JSON lines.

In: a file. Out: a Table, whose cells are text where they stand for paths, labels and splits.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from seedbed.base.errors import BadDataError
from seedbed.data.table_text import Table, read_text_table

TABLE_SUFFIXES = (".csv", ".tsv", ".txt", ".parquet", ".jsonl")
_SPREADSHEETS = (".xls", ".xlsx", ".ods")
# What a plain path is recognised by; a spreadsheet is then refused with advice.
TABLE_FILES = (*TABLE_SUFFIXES, *_SPREADSHEETS)


def read_table(
    path: Path, names: Collection[str], is_image: Callable[[str], bool] | None = None
) -> Table:
    """Read a table by the suffix of its file.

    Args:
        path: the file.
        names: names of columns in lower case, by which the header of a text file is known.
        is_image: whether a cell names an image that exists, for files without a header.

    Raises:
        BadDataError: the file does not exist, or is no table.
    """
    suffix = path.suffix.lower()
    if not path.is_file():
        raise BadDataError(
            f"there is no {path}",
            f"Check the path; a table is a {', '.join(TABLE_SUFFIXES)} file.",
        )
    if suffix in _SPREADSHEETS:
        raise BadDataError(f"{path} is a spreadsheet", "Save it as CSV UTF-8, and name that file.")
    try:
        if suffix == ".parquet":
            return _read_parquet(path)
        if suffix == ".jsonl":
            return _read_json_lines(path)
        return read_text_table(path, names, is_image)
    except OSError as error:
        raise BadDataError(
            f"cannot read {path}: {error.strerror or error}", "Check the file and its permissions."
        ) from None


def _read_parquet(path: Path) -> Table:
    import pandas as pd

    try:
        frame = pd.read_parquet(path)
    except Exception as error:  # a parser may fail in many ways
        raise BadDataError(
            f"{path} cannot be read as a table: {str(error).splitlines()[0]}",
            "Download the file again, or save it as CSV with a header.",
        ) from None
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()  # a column that was saved as the index
    columns = [frame.iloc[:, i].tolist() for i in range(frame.shape[1])]
    return Table(
        path=path,
        columns=[str(name) for name in frame.columns],
        rows=[list(row) for row in zip(*columns, strict=True)],
        numbers=range(1, len(frame) + 1),
        unit="row",
    )


def _read_json_lines(path: Path) -> Table:
    rows: list[dict[str, Any]] = []
    numbers: list[int] = []
    for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as error:
            raise BadDataError(
                f"{path}, line {number} is no JSON: {error}", "Write an object on each line."
            ) from None
        if not isinstance(value, dict):
            raise BadDataError(
                f"{path}, line {number} is no JSON object",
                'Write an object on each line: {"file_name": "1.jpg", "label": "cat"}.',
            )
        rows.append(value)
        numbers.append(number)
    if not rows:
        raise BadDataError(f"{path} has no rows", "Write an object for each image.")
    columns = list(dict.fromkeys(key for row in rows for key in row))
    return Table(
        path=path,
        columns=columns,
        rows=[[row.get(column) for column in columns] for row in rows],
        numbers=numbers,
    )


def cell_text(value: Any) -> str:
    """A cell as text; empty for a missing value. Raises ValueError for what is no single value."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, list | tuple | dict | bytes) or getattr(value, "shape", ()):
        raise ValueError(f"{type(value).__name__} {str(value)[:40]} is no single value")
    text = str(value)
    return "" if text in ("<NA>", "NaT") and not isinstance(value, str) else text
