"""manifest(): a table with a row for each image: path, label, and maybe split.

In: a CSV, TSV, Parquet, JSON-lines file, or a list. Out: a Source whose images are files. Paths are
relative to `root`, by default the folder of the table. An image that does not exist is listed too,
so that packing reports it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from seedbed.base.call import Call
from seedbed.base.paths import expand_user
from seedbed.data.formats import Format
from seedbed.data.image_files import existing_folder
from seedbed.data.source import Source
from seedbed.data.table_columns import USUAL_NAMES, ColumnNames
from seedbed.data.table_files import TABLE_FILES, read_table
from seedbed.data.table_images import ImageFinder
from seedbed.data.table_source import TablePart, source_of_tables


@dataclass(frozen=True)
class Manifest(Format):
    """A table (CSV, TSV, list, Parquet, JSON lines) of paths, labels and splits; columns are found
    by their usual names or by what they hold, or named."""

    file: str
    path_column: str | None = None
    label_column: str | None = None
    split_column: str | None = None
    root: str | None = None
    paths: ClassVar[tuple[str, ...]] = ("file", "root")
    priority: ClassVar[int] = 5

    @staticmethod
    def recognises(path: Path) -> bool:
        return path.is_file() and path.suffix.lower() in TABLE_FILES

    def read(self) -> Source:
        table_path = expand_user(self.file)
        root = existing_folder(self.root) if self.root else table_path.parent
        finder = ImageFinder(root)
        names = [self.path_column, self.label_column, self.split_column]
        header_names = {*USUAL_NAMES, *(name.lower() for name in names if name)}
        table = read_table(table_path, header_names, finder.is_image)
        return source_of_tables(
            str(self.file),
            "manifest",
            root,
            [TablePart(table=table)],
            ColumnNames(
                path=self.path_column,
                label=self.label_column,
                split=self.split_column,
                call=self._call,
            ),
            finder,
        )

    def _call(self, **settings: Any) -> str:
        """The call with other settings, for messages."""
        names = ("path_column", "label_column", "split_column", "root")
        current = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return str(Call(name="manifest", args=(str(self.file),), kwargs={**current, **settings}))
