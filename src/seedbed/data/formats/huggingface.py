"""Hugging Face data sets as folders of Parquet files: an image column of bytes and path, a label
column.

In: a Parquet file, or a folder of them (`train.parquet`, `data/train-00000-of-00002.parquet`). Out:
a Source whose images are read a row group at a time. Splits come from a column `split` or the
files' names, class names from the features that the files carry.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from seedbed.base.errors import BadDataError, unknown
from seedbed.base.paths import expand_user
from seedbed.data.formats import Format
from seedbed.data.image_files import EncodedPixels
from seedbed.data.source import (
    TRAIN,
    Source,
    find_split,
    from_records,
    listing_fingerprint,
    split_named,
)

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_IMAGES = ("image", "img", "jpg", "png")
_LABELS = ("label", "labels", "fine_label", "class", "class_name", "target")


@dataclass(frozen=True)
class HuggingFace(Format):
    """Hugging Face data set folders: Parquet files with an image column (bytes, path) and a label
    column."""

    path: str
    image_column: str | None = None
    label_column: str | None = None
    paths: ClassVar[tuple[str, ...]] = ("path",)
    priority: ClassVar[int] = 7

    @staticmethod
    def recognises(path: Path) -> bool:
        if path.is_file():
            return path.suffix == ".parquet" and bool(_image_columns(path))
        return path.is_dir() and any(_image_columns(f) for f in _files(path)[:1])

    def read(self) -> Source:
        root = expand_user(self.path)
        files = _files(root)
        if not files:
            raise BadDataError(
                f"there are no Parquet files at {self.path}",
                "Name a .parquet file, or a folder of them.",
            )
        image, label = self._columns(files[0])
        names = _class_names(files[0], label)
        records: list[tuple[str, str, int]] = []
        places: dict[str, tuple[int, int]] = {}
        for i, file in enumerate(files):
            found = [
                split
                for split in (find_split(file.stem), find_split(file.parent.name), TRAIN)
                if split is not None
            ]
            stem = (
                (file.relative_to(root) if root.is_dir() else Path(file.name))
                .with_suffix("")
                .as_posix()
            )
            splits = _splits(file)
            for row, value in enumerate(_labels(file, label)):
                id_ = f"{stem}/{row:08d}"
                records.append(
                    (id_, _named(value, names, file, row), splits[row] if splits else found[0])
                )
                places[id_] = (i, row)
        ordered = [places[r[0]] for r in sorted(records)]
        pixels = ParquetPixels(
            tuple(str(f.resolve()) for f in files),
            image,
            np.array([i for i, _ in ordered], np.int32),
            np.array([row for _, row in ordered], np.int64),
        )
        state = [f"{f.name}\t{f.stat().st_size}\t{f.stat().st_mtime_ns}" for f in files]
        return from_records(
            str(self.path),
            records,
            pixels=pixels,
            listing=listing_fingerprint(["huggingface", image, label, *state]),
        )

    def _columns(self, file: Path) -> tuple[str, str]:
        names = _schema(file).names
        images = _image_columns(file)
        for asked in (self.image_column, self.label_column):
            if asked is not None and asked not in names:
                raise unknown("column", asked, names, str(file))
        if not (self.image_column or images):
            raise BadDataError(
                f"{file} has no image column: a struct with bytes, or bytes called {', '.join(_IMAGES)}",
                f"It has: {', '.join(names)}. Name it: huggingface('{self.path}', image_column='NAME').",
            )
        label = self.label_column or next((n for n in _LABELS if n in names), None)
        if label is None:
            raise BadDataError(
                f"{file} has no label column: none of {', '.join(_LABELS)}",
                f"It has: {', '.join(names)}. Name it: huggingface('{self.path}', label_column='NAME').",
            )
        return self.image_column or images[0], label


@dataclass(frozen=True)
class ParquetPixels(EncodedPixels):
    """Reads images from Parquet files; neighbouring rows share a row group, of which each thread
    keeps one."""

    files: tuple[str, ...]
    column: str
    which: np.ndarray  # int32 [n], index into files
    rows: np.ndarray  # int64 [n], of that file
    # the first row of each row group of each file, where they are known
    starts: tuple[np.ndarray, ...] | None = None
    _kept: threading.local = field(default_factory=threading.local, compare=False, repr=False)

    def read(self, row: int) -> bytes:
        file, place = int(self.which[row]), int(self.rows[row])
        starts = self._group_starts[file]
        group = int(np.searchsorted(starts, place, side="right")) - 1
        if getattr(self._kept, "group", None) != (file, group):
            import pyarrow.parquet as pq

            self._kept.column = pq.ParquetFile(self.files[file]).read_row_group(
                group, columns=[self.column]
            )[self.column]
            self._kept.group = (file, group)
        value = self._kept.column[place - int(starts[group])].as_py()
        data = value.get("bytes") if isinstance(value, dict) else value
        if not data:
            raise ValueError("no bytes in its row: the image lies elsewhere")
        return data

    def part(self, rows: np.ndarray) -> ParquetPixels:
        used, which = np.unique(self.which[rows], return_inverse=True)
        files, starts = (
            tuple(self.files[i] for i in used),
            tuple(self._group_starts[i] for i in used),
        )
        return ParquetPixels(files, self.column, which.astype(np.int32), self.rows[rows], starts)

    @cached_property
    def _group_starts(self) -> tuple[np.ndarray, ...]:
        """The first row of each row group of each file."""
        return self.starts or tuple(_group_starts(file) for file in self.files)

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_kept"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in {**state, "_kept": threading.local()}.items():
            object.__setattr__(self, name, value)


def _group_starts(file: str) -> np.ndarray:
    found = _open(Path(file)).metadata
    sizes = [found.row_group(i).num_rows for i in range(found.num_row_groups)]
    return np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)


def _files(path: Path) -> list[Path]:
    """The Parquet files at a path, sorted; hidden folders are passed over."""
    if path.is_file():
        return [path]
    found = path.rglob("*.parquet") if path.is_dir() else []
    return sorted(
        f for f in found if not any(part.startswith(".") for part in f.relative_to(path).parts)
    )


def _open(file: Path) -> pq.ParquetFile:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(file)
    except (OSError, pa.ArrowException) as error:
        raise BadDataError(
            f"{file} cannot be read as Parquet: {str(error).splitlines()[0]}", "Get the file again."
        ) from None


def _schema(file: Path) -> pa.Schema:
    return _open(file).schema_arrow


def _image_columns(file: Path) -> list[str]:
    """Columns that hold encoded images: a struct with bytes, or bytes under the name of an
    image."""
    import pyarrow as pa

    try:
        schema = _schema(file)
    except BadDataError:
        return []
    of_struct = [
        f.name
        for f in schema
        if pa.types.is_struct(f.type) and "bytes" in {inner.name for inner in f.type}
    ]
    return of_struct or [f.name for f in schema if pa.types.is_binary(f.type) and f.name in _IMAGES]


def _class_names(file: Path, label: str) -> list[str]:
    """Names of the class numbers, from the features that the library writes into the file."""
    text = (_schema(file).metadata or {}).get(b"huggingface")
    features = json.loads(text).get("info", {}).get("features", {}) if text else {}
    return list((features.get(label) or {}).get("names") or [])


def _labels(file: Path, label: str) -> list[Any]:
    try:
        return _open(file).read(columns=[label])[label].to_pylist()
    except KeyError:
        raise BadDataError(
            f"{file} has no column {label!r}, which the first file has",
            "All files of a set have one layout.",
        ) from None


def _splits(file: Path) -> list[int]:
    """Of each row, where the file has a column that says it."""
    if "split" not in _schema(file).names:
        return []
    told = _open(file).read(columns=["split"])["split"].to_pylist()
    return [split_named(str(value), f"{file}, column 'split'") for value in told]


def _named(value: Any, names: list[str], file: Path, row: int) -> str:
    if value is None or value == -1:
        raise BadDataError(
            f"{file}, row {row}: no label",
            "Leave unlabelled files (a test split, often) out of the folder.",
        )
    return names[value] if names and isinstance(value, int) and value < len(names) else str(value)
