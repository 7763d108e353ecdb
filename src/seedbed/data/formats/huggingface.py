"""huggingface(): Hugging Face data sets as Parquet files with an image column and a label column.

In: a Parquet file, or a folder of them (`train.parquet`, `data/train-00000-of-00002.parquet`).
Out: a Source whose images are read one row group at a time. Splits come from a column `split` or
from the names of the files, class names from the features that the files carry.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from seedbed.base.call import Call
from seedbed.base.errors import BadDataError, unknown
from seedbed.base.paths import expand_user
from seedbed.data.downloads import fetch_data_set, is_data_set_name
from seedbed.data.file_splits import file_status, path_below, splits_of_files
from seedbed.data.formats import Format
from seedbed.data.image_files import EncodedPixels
from seedbed.data.note_counter import NoteCounter
from seedbed.data.parquet_labels import class_names, read_labels
from seedbed.data.skipped_files import SkippedCounter
from seedbed.data.source import (
    Source,
    from_records,
    listing_fingerprint,
    split_named,
    split_of_file,
)

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_IMAGES = ("image", "img", "jpg", "png")
_LABELS = ("label", "labels", "fine_label", "class", "class_name", "target")


_NO_LABELS = "no row has a label"
_STRIPPED = "{num} label{s} with blanks around: they are removed"


@dataclass(frozen=True)
class HuggingFace(Format):
    """Hugging Face data sets: Parquet files with an image column (bytes, path) and a label column,
    in a folder, or on the hub by name: huggingface('OWNER/NAME')."""

    path: str
    image_column: str | None = None
    label_column: str | None = None
    paths: ClassVar[tuple[str, ...]] = ("path",)
    priority: ClassVar[int] = 7

    @staticmethod
    def recognises(path: Path) -> bool:
        if path.is_file():
            return path.suffix == ".parquet" and bool(_image_columns(path))
        return path.is_dir() and any(_image_columns(file) for file in _parquet_files(path)[:1])

    @staticmethod
    def is_remote_name(text: str) -> bool:
        return is_data_set_name(text)

    def read(self) -> Source:
        remarks: list[str] = []
        root = self._root(remarks)
        files = _parquet_files(root)
        if not files:
            raise BadDataError(
                f"there are no Parquet files at {self.path}",
                "Name a .parquet file, or a folder of them.",
            )
        image_column, label_column = self._find_columns(files[0])
        _refuse_other_columns(files, image_column)
        names = class_names(_schema(files[0]), label_column)
        records: list[tuple[str, str, int]] = []
        place_of_id: dict[str, tuple[int, int]] = {}
        skipped, counter = SkippedCounter(), NoteCounter()
        _refuse_configurations(files, root, self.path)
        splits = splits_of_files(files, root, counter)
        for i, file in enumerate(files):
            path = file.relative_to(root) if root.is_dir() else Path(file.name)
            _refuse_other_names(file, names, files[0], label_column)
            values = _read_values(file, label_column)
            labels = read_labels(values, names, file)
            if labels is None:
                skipped.add(path.as_posix(), _NO_LABELS)
                continue
            _count_blanks(values, file, counter)
            for row, (label, split) in enumerate(
                zip(labels, _read_splits(file, len(labels), splits[i]), strict=True)
            ):
                id_ = f"{path.with_suffix('').as_posix()}/{row:08d}"
                records.append((id_, label, split))
                place_of_id[id_] = i, row
        if not records:
            raise _no_labels_error(files[0], label_column, self.path)
        places = [place_of_id[id_] for id_, _, _ in sorted(records)]
        status = [file_status(file, root, split) for file, split in zip(files, splits, strict=True)]
        return from_records(
            str(self.path),
            records,
            pixels=ParquetPixels(
                tuple(str(file.resolve()) for file in files),
                image_column,
                np.array([i for i, _ in places], np.int32),
                np.array([row for _, row in places], np.int64),
            ),
            listing=listing_fingerprint(["huggingface", image_column, label_column, *status]),
            notes=(*remarks, *counter.lines()),
            skipped=skipped.rows(),
        )

    def _root(self, notes: list[str]) -> Path:
        """The local path, or the copy of the data set of this name."""
        root = expand_user(self.path)
        is_remote = not root.exists() and self.is_remote_name(self.path)
        return fetch_data_set(self.path, notes) if is_remote else root

    def _find_columns(self, file: Path) -> tuple[str, str]:
        """The names of the image column and of the label column."""
        names = _schema(file).names
        images = _image_columns(file)
        for column in (self.image_column, self.label_column):
            if column is not None and column not in names:
                raise unknown("column", column, names, str(file))
        if not (self.image_column or images):
            raise self._no_image_column_error(file, names)
        label = self.label_column or next((name for name in _LABELS if name in names), None)
        if label is None:
            candidates = _label_candidates(file)
            advice = (
                _call(self.path, image_column=self.image_column, label_column=candidates[0])
                if candidates
                else ""
            )
            raise BadDataError(
                f"{file} has no label column: none of {', '.join(_LABELS)}",
                f"It has: {', '.join(names)}. "
                + (f"Name it: {advice}." if advice else "None of them is of texts or numbers."),
            )
        return self.image_column or images[0], label

    def _no_image_column_error(self, file: Path, names: list[str]) -> BadDataError:
        encoded = _binary_columns(file)
        advice = (
            f"Name it: {_call(self.path, image_column=encoded[0], label_column=self.label_column)}."
            if encoded
            else f"If it names files, it is a table: manifest({str(file)!r})."
        )
        return BadDataError(
            f"{file} has no image column: a struct with bytes, or bytes with a name of "
            f"{', '.join(_IMAGES)}",
            f"It has: {', '.join(names)}. {advice}",
        )


@dataclass(frozen=True)
class ParquetPixels(EncodedPixels):
    """Reads images from Parquet files; each thread caches one row group, which neighbouring rows
    share."""

    files: tuple[str, ...]
    column: str
    which: np.ndarray  # int32 [n], index into files
    rows: np.ndarray  # int64 [n], of that file
    # first row of each row group of each file, if known
    starts: tuple[np.ndarray, ...] | None = None
    _cache: threading.local = field(default_factory=threading.local, compare=False, repr=False)

    def read(self, row: int) -> bytes:
        file, file_row = int(self.which[row]), int(self.rows[row])
        starts = self._group_starts[file]
        group = int(np.searchsorted(starts, file_row, side="right")) - 1
        if getattr(self._cache, "group", None) != (file, group):
            import pyarrow.parquet as pq

            table = pq.ParquetFile(self.files[file]).read_row_group(group, columns=[self.column])
            self._cache.column = table[self.column]
            self._cache.group = (file, group)
        value = self._cache.column[file_row - int(starts[group])].as_py()
        data = value.get("bytes") if isinstance(value, dict) else value
        if not data:
            raise ValueError("no bytes in its row: the image is stored elsewhere")
        return data

    def part(self, rows: np.ndarray) -> ParquetPixels:
        indices, which = np.unique(self.which[rows], return_inverse=True)
        files = tuple(self.files[i] for i in indices)
        starts = tuple(self._group_starts[i] for i in indices)
        return ParquetPixels(files, self.column, which.astype(np.int32), self.rows[rows], starts)

    @cached_property
    def _group_starts(self) -> tuple[np.ndarray, ...]:
        """First row of each row group of each file."""
        return self.starts or tuple(_group_starts(file) for file in self.files)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_cache"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in {**state, "_cache": threading.local()}.items():
            object.__setattr__(self, name, value)


def _group_starts(file: str) -> np.ndarray:
    metadata = _open(Path(file)).metadata
    sizes = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
    return np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)


def _parquet_files(path: Path) -> list[Path]:
    """The Parquet files at a path, sorted; hidden folders are skipped."""
    if path.is_file():
        return [path]
    files = path.rglob("*.parquet") if path.is_dir() else []
    return sorted(
        file
        for file in files
        if not any(part.startswith(".") for part in file.relative_to(path).parts)
    )


def _open(file: Path) -> pq.ParquetFile:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(file)
    except (OSError, pa.ArrowException) as error:
        raise BadDataError(
            f"{file} cannot be read as Parquet: {str(error).splitlines()[0]}",
            "Download the file again.",
        ) from None


def _schema(file: Path) -> pa.Schema:
    return _open(file).schema_arrow


def _image_columns(file: Path) -> list[str]:
    """Columns of encoded images: structs with bytes, or bytes with the usual name of an image."""
    import pyarrow as pa

    try:
        schema = _schema(file)
    except BadDataError:
        return []
    structs = [
        f.name
        for f in schema
        if pa.types.is_struct(f.type) and "bytes" in {inner.name for inner in f.type}
    ]
    return structs or [
        f.name
        for f in schema
        if (pa.types.is_binary(f.type) or pa.types.is_large_binary(f.type)) and f.name in _IMAGES
    ]


def _binary_columns(file: Path) -> list[str]:
    import pyarrow as pa

    types = (pa.types.is_binary, pa.types.is_large_binary)
    return [f.name for f in _schema(file) if any(is_type(f.type) for is_type in types)]


def _read_values(file: Path, label_column: str) -> list[Any]:
    try:
        return _open(file).read(columns=[label_column])[label_column].to_pylist()
    except KeyError:
        raise BadDataError(
            f"{file} has no column {label_column!r}, which the first file has",
            "All files of a set must have the same columns.",
        ) from None


def _refuse_other_columns(files: list[Path], image_column: str) -> None:
    """Raise BadDataError for a file without the image column of the first."""
    for file in files:
        if image_column not in _schema(file).names:
            raise BadDataError(
                f"{file} has no column {image_column!r}, which the first file has",
                "All files of a set must have the same columns.",
            )


def _count_blanks(values: list[Any], file: Path, counter: NoteCounter) -> None:
    for row, value in enumerate(values):
        if isinstance(value, str) and value != value.strip():
            counter.add(_STRIPPED, f"{file}, row {row}: {value!r}")


def _no_labels_error(file: Path, label_column: str, path: str) -> BadDataError:
    others = [name for name in _label_candidates(file) if name != label_column]
    other = f" Or name another column: {_call(path, label_column=others[0])}." if others else ""
    return BadDataError(
        f"{path}: no row has a label in the column {label_column!r}",
        f"The labels of a test split are often not published: name a folder with others.{other}",
    )


def _label_candidates(file: Path) -> list[str]:
    """Columns that may be labels: of texts and whole numbers."""
    import pyarrow as pa

    return [
        f.name
        for f in _schema(file)
        if pa.types.is_string(f.type)
        or pa.types.is_large_string(f.type)
        or pa.types.is_integer(f.type)
        or pa.types.is_dictionary(f.type)
    ]


def _call(path: str, **settings: str | None) -> str:
    options = {name: value for name, value in settings.items() if value is not None}
    return str(Call(name="huggingface", args=(path,), kwargs=options))


def _refuse_other_names(file: Path, names: list[str], first: Path, label_column: str) -> None:
    """Raise BadDataError if the class numbers of a file have other names than those of the
    first."""
    others = class_names(_schema(file), label_column)
    if others != names:
        i = next((i for i, (a, b) in enumerate(zip(names, others, strict=False)) if a != b), None)
        what = f"class {i} is {others[i]!r}" if i is not None else f"there are {len(others)} names"
        first_what = f"{names[i]!r}" if i is not None else f"there are {len(names)}"
        raise BadDataError(
            f"{file} has other names of classes than {first}: {what}, and in that {first_what}",
            "Read the files of one release; others into another folder.",
        )


def _refuse_configurations(files: list[Path], root: Path, path: str) -> None:
    """Raise BadDataError for several configurations of a data set: folders that each have splits,
    `full/train` and `small/train`."""
    folders: set[str] = set()
    for file in files:
        parts = path_below(file, root).split("/")
        places = [i for i, part in enumerate(parts) if split_of_file(part) is not None]
        if places and root in file.parents:
            folders.add("/".join(parts[: places[0]]))
    if len(folders) > 1:
        names = sorted(folder or "." for folder in folders)
        raise BadDataError(
            f"{path} has several configurations, each with its splits: {', '.join(names)}",
            "Name the folder of one.",
        )


def _read_splits(file: Path, num_rows: int, split: int) -> list[int]:
    """The split of each row: from the column `split`, else that of the file."""
    if "split" in _schema(file).names:
        values = _open(file).read(columns=["split"])["split"].to_pylist()
        return [split_named(str(value), f"{file}, column 'split'") for value in values]
    return [split] * num_rows
