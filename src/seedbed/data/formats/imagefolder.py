"""imagefolder(): the layout of Hugging Face's ImageFolder, images beside a `metadata.csv`.

In: a folder with `metadata.csv`, `metadata.jsonl` or `metadata.parquet`, in it or in each of its
folders `train/`, `val/` and `test/`. Out: a Source whose labels are a column of these tables. Their
column `file_name` starts at the folder of the table.

Where images are in folders by class, and these agree with the table, `folder` reads them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from seedbed.base.call import Call
from seedbed.base.errors import BadDataError
from seedbed.data.formats import Format
from seedbed.data.image_files import existing_folder, subfolders
from seedbed.data.source import TRAIN, Source, split_of_folder
from seedbed.data.table_columns import LABELS, USUAL_NAMES, ColumnNames
from seedbed.data.table_files import cell_text, read_table
from seedbed.data.table_source import TablePart, source_of_tables
from seedbed.data.table_text import Table

_FILES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_FILE_NAME = "file_name"


class _Place(NamedTuple):
    """A table, its folder relative to the root, and the split that this folder is."""

    file: Path
    folder: str
    split: int | None


@dataclass(frozen=True)
class ImageFolder(Format):
    """Hugging Face's ImageFolder: images and a metadata.csv (or .jsonl, .parquet) with file_name
    and label, in the folder or in train/, val/ and test/."""

    path: str
    label_column: str | None = None
    paths: ClassVar[tuple[str, ...]] = ("path",)
    priority: ClassVar[int] = 6

    @staticmethod
    def recognises(path: Path) -> bool:
        places = _find_tables(path) if path.is_dir() else []
        try:
            tables = [_read(place) for place in places]
        except BadDataError:
            return bool(places)
        return any(_FILE_NAME in table.columns for table in tables) and not any(
            map(_is_in_class_folders, tables)
        )

    def read(self) -> Source:
        root = existing_folder(self.path)
        places = _find_tables(root)
        if not places:
            raise BadDataError(
                f"there is no {_FILES[0]} in {root}, and in none of its folders train, val, test",
                "Images in folders by class are read by "
                f"{Call(name='folder', args=(str(self.path),))}.",
            )
        tables = [_read(place) for place in places]
        has_file_name = all(_FILE_NAME in table.columns for table in tables)
        return source_of_tables(
            str(self.path),
            "imagefolder",
            root,
            [
                TablePart(
                    table=table,
                    folder=place.folder,
                    split=TRAIN if place.split is None else place.split,
                    split_of_path=place.split is None,
                )
                for table, place in zip(tables, places, strict=True)
            ],
            ColumnNames(
                path=_FILE_NAME if has_file_name else None,
                label=self.label_column,
                call=self._call,
            ),
        )

    def _call(self, **settings: Any) -> str:
        """The call with other settings, for messages."""
        names = {} if self.label_column is None else {"label_column": self.label_column}
        return str(Call(name="imagefolder", args=(str(self.path),), kwargs={**names, **settings}))


def _find_tables(root: Path) -> list[_Place]:
    """The tables of a folder: its own, else those of its split folders."""
    folders = [(folder, split_of_folder(folder.name)) for folder in sorted(subfolders(root))]
    places = [("", root, None), *((f.name, f, split) for f, split in folders if split is not None)]
    tables: list[_Place] = []
    for name, folder, split in places:
        file = next((folder / file for file in _FILES if (folder / file).is_file()), None)
        if file is not None:
            tables.append(_Place(file, name, split))
        if tables and not name:
            break
    return tables


def _read(place: _Place) -> Table:
    return read_table(place.file, {*USUAL_NAMES, _FILE_NAME})


def _is_in_class_folders(table: Table) -> bool:
    """Whether the images of a table are in several folders, each named as the label of its images,
    or the table has no labels."""
    if _FILE_NAME not in table.columns:
        return False
    label = next((name for name in table.columns if name.lower() in LABELS), None)
    cells = table.column(label) if label else [""] * len(table.rows)
    labels_of: dict[str, set[str]] = {}
    for path, cell in zip(table.column(_FILE_NAME), cells, strict=True):
        folders = [f for f in str(path).split("/")[:-1] if split_of_folder(f) is None]
        labels_of.setdefault("/".join(folders), set()).add(_text(cell))
    return len(labels_of) > 1 and all(
        labels == {""} or {label.lower() for label in labels} == {folder.rpartition("/")[2].lower()}
        for folder, labels in labels_of.items()
    )


def _text(value: Any) -> str:
    try:
        return cell_text(value).strip()
    except ValueError:
        return str(value)
