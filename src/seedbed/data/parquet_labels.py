"""Read and check the labels of Parquet files with images.

In: a Parquet file, its label column and the names of its classes. Out: a label for each row, or no
label for each. A value that is no class is an error that names the row.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedbed.base.errors import BadDataError

if TYPE_CHECKING:
    import pyarrow as pa

_LEAVE_OUT = "Remove such rows, or set the label that is right."


def class_names(schema: pa.Schema, label_column: str) -> list[str]:
    """Names of the class numbers, from the features that the library `datasets` writes into a file;
    empty if there are none."""
    text = (schema.metadata or {}).get(b"huggingface")
    try:
        feature = json.loads(text)["info"]["features"][label_column] if text else {}
    except (ValueError, KeyError, TypeError):
        return []
    names = feature.get("names") if isinstance(feature, dict) else None
    return [str(name) for name in names] if isinstance(names, list) else []


def read_labels(values: list[Any], names: list[str], file: Path | str) -> list[str] | None:
    """The label of each row; None if no row has one, as in a test split that is not published.

    Args:
        values: the cells of the label column.
        names: names of the class numbers; empty if labels are their own names.
        file: for messages.

    Raises:
        BadDataError: some rows have no label, or a value is no class: a list, a negative number,
            a number without a name, a word that is no name.
    """
    missing = [_is_missing(value) for value in values]
    if values and all(missing):
        return None
    return [
        _label(value, is_missing, names, f"{file}, row {row}")
        for row, (value, is_missing) in enumerate(zip(values, missing, strict=True))
    ]


def _is_missing(value: Any) -> bool:
    """Whether a value stands for no label: null, NaN, an empty text, or -1."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or value == -1 or (isinstance(value, float) and math.isnan(value))


def _label(value: Any, is_missing: bool, names: list[str], place: str) -> str:
    if is_missing:
        raise BadDataError(f"{place}: no label ({value!r})", _LEAVE_OUT)
    if not isinstance(value, str | int | float):
        raise BadDataError(
            f"{place}: the label is a {type(value).__name__}, {str(value)[:40]}",
            "An image has one label, a number or a word: name another column, label_column='NAME'.",
        )
    if isinstance(value, str):
        label = value.strip()
        if names and label not in names:
            raise BadDataError(
                f"{place}: {label!r} is not among the {len(names)} names of classes",
                f"Valid: {', '.join(names[:40])}.",
            )
        return label
    if value < 0:
        raise BadDataError(f"{place}: {value} is no class: it is negative", _LEAVE_OUT)
    if not names:
        return str(value)
    if value != int(value) or value >= len(names):
        raise BadDataError(
            f"{place}: class {value} has no name: there are {len(names)} names, for 0 to "
            f"{len(names) - 1}",
            _LEAVE_OUT,
        )
    return names[int(value)]
