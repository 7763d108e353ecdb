"""Find the columns of a table: by name, by usual names, or by what they hold.

In: a table, and names that the user chose. Out: the columns of paths, labels and splits. What is
concluded from the cells becomes a note.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from seedbed.base.errors import BadDataError, unknown
from seedbed.data.image_files import subfolders
from seedbed.data.image_suffixes import has_image_suffix
from seedbed.data.source import SPLIT_NAMES
from seedbed.data.table_files import cell_text
from seedbed.data.table_images import NUM_TRIED, ImageFinder, holds_image
from seedbed.data.table_text import Table

# Usual names of the columns; the first that exists is used.
PATHS = ("path", "filepath", "file_path", "filename", "file_name", "file", "image", "image_path")
LABELS = ("label", "class", "label_name", "class_name", "category", "target", "y")
SPLITS = ("split", "subset", "set", "partition", "fold")
USUAL_NAMES = frozenset({*PATHS, *LABELS, *SPLITS})
_ONE, _ZERO = ("1", "1.0", "true"), ("0", "0.0", "false")
_SEVERAL = (
    "Several labels per image are read from the layouts of COCO and PASCAL VOC: "
    "voc('FOLDER', task='classification')."
)


@dataclass(frozen=True, kw_only=True)
class ColumnNames:
    """Columns that the user named, and the call that reads the table with other settings."""

    path: str | None = None
    label: str | None = None
    split: str | None = None
    call: Callable[..., str]  # settings -> call string, for messages


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The columns of a table; `one_hot` instead of `label` where each class has a column."""

    path: str
    label: str
    split: str  # empty if there is none
    one_hot: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def find_columns(table: Table, finder: ImageFinder, names: ColumnNames) -> Columns:
    """Find the columns of a table.

    Raises:
        UsageError: a column that the user named does not exist.
        BadDataError: no column of paths or labels, or several that may be meant.
    """
    for name in (names.path, names.label, names.split):
        if name is not None and name not in table.columns:
            raise unknown("column", name, table.columns, str(table.path))
    notes: list[str] = []
    path = names.path or _usual(PATHS, table) or _path_by_content(table, finder, names)
    split = _split_column(table, names, path)
    label = names.label or _usual(LABELS, table)
    if label.lower() == "y" and names.label is None and _has_coordinates(table):
        label = ""
    one_hot: tuple[str, ...] = ()
    if not label:
        others = [c for c in table.columns if c not in (path, split) and not _is_index(table, c)]
        one_hot = _one_hot_columns(table, others)
        label = "" if one_hot else _label_by_content(table, others, names)
    if not table.has_header:
        what = f"columns {', '.join(one_hot)}" if one_hot else f"column {label}"
        notes.append(
            f"{table.path.name} has no header: column {path} is the image, {what} the label"
        )
    else:
        if path.lower() not in PATHS and names.path is None:
            notes.append(f"{table.path.name}: column {path!r} is the image, its cells are files")
        if label and label.lower() not in LABELS and names.label is None:
            notes.append(f"{table.path.name}: column {label!r} is the label")
    if one_hot and table.has_header:
        notes.append(
            f"{table.path.name}: the label is the column with a 1 ({len(one_hot)} one-hot columns)"
        )
    return Columns(path=path, label=label, split=split, one_hot=one_hot, notes=tuple(notes))


def _usual(usual_names: tuple[str, ...], table: Table) -> str:
    """The first column with a usual name; empty if there is none, or no header."""
    lowered = {name.lower().strip(): name for name in table.columns if table.has_header}
    return next((lowered[usual] for usual in usual_names if usual in lowered), "")


def _has_coordinates(table: Table) -> bool:
    """Whether a column `y` is a coordinate, as it stands beside a column `x`."""
    return any(name.lower().strip() == "x" for name in table.columns)


def _texts(table: Table, column: str) -> list[str]:
    """The cells of a column as text; none for a column of lists, bytes or images."""
    try:
        return [cell_text(value).strip() for value in table.column(column)]
    except ValueError:
        return []


def _is_index(table: Table, column: str) -> bool:
    """Whether a column is the number of the row, as pandas writes it."""
    return column.startswith("Unnamed: ")


def _path_by_content(table: Table, finder: ImageFinder, names: ColumnNames) -> str:
    """The column whose cells are images that exist."""
    texts = {column: _texts(table, column) for column in table.columns}
    shares = {column: finder.share(cells) for column, cells in texts.items()}
    best = max(shares, key=lambda column: shares[column])
    if shares[best] >= 0.5 and list(shares.values()).count(shares[best]) == 1:
        return best
    listed = ", ".join(table.columns)
    what = f"{table.path} has no path column: none of {', '.join(PATHS)}"
    encoded = [name for name in table.columns if _is_bytes(table, name)]
    if encoded:
        label = _usual(LABELS, table) or next(
            (c for c in table.columns if c not in encoded), "NAME"
        )
        raise BadDataError(
            what,
            f"It has: {listed}. Its images are in it: huggingface('{table.path}', "
            f"image_column='{encoded[0]}', label_column='{label}').",
        )
    paths = [c for c, cells in texts.items() if any(map(has_image_suffix, cells[:NUM_TRIED]))]
    if paths and shares[paths[0]] == 0:
        images = [text for text in texts[paths[0]] if has_image_suffix(text)]
        raise wrong_root_error(table, images, finder, names)
    raise BadDataError(
        f"{what}, and no column holds files of {finder.root}"
        if table.has_header
        else f"{table.path} has no header, and no column holds files of {finder.root}",
        f"It has: {listed}. Name the column: {names.call(path_column=(paths or [best])[0])}.",
    )


def wrong_root_error(
    table: Table, images: Sequence[str], finder: ImageFinder, names: ColumnNames
) -> BadDataError:
    """The error where no image of a table is in the folder that they should start at; it names a
    folder near by that has them."""
    root = finder.root
    places = [*subfolders(root), root.parent, *subfolders(root.parent)]
    tried = images[:NUM_TRIED]
    near = next((p for p in sorted(places) if any(holds_image(p, name) for name in tried)), None)
    message = f"{table.path}: none of its images is in {root}, for instance {images[0]!r}"
    if near is not None:
        return BadDataError(message, f"They are in {near}: {names.call(root=str(near))}.")
    return BadDataError(
        message,
        "Paths are relative to the table's folder; for another folder: "
        f"{names.call(root='FOLDER')}.",
    )


def _is_bytes(table: Table, column: str) -> bool:
    value = table.column(column)[0] if table.rows else None
    return isinstance(value, bytes)


def _split_column(table: Table, names: ColumnNames, path: str) -> str:
    """The column of splits; empty if there is none.

    A column with a usual name, other than "split", counts only if its values are splits: "fold"
    may hold numbers. So does a column of a table without a header.
    """
    if names.split is not None:
        return names.split
    if not table.has_header:
        others = [column for column in table.columns if column != path]
        matches = [column for column in others if _are_splits(table, column)]
        return matches[0] if len(matches) == 1 and len(others) > 1 else ""
    column = _usual(SPLITS, table)
    return column if column.lower() == "split" or (column and _are_splits(table, column)) else ""


def _are_splits(table: Table, column: str) -> bool:
    texts = _texts(table, column)
    return bool(texts) and {text.lower() for text in texts} <= SPLIT_NAMES.keys()


def _one_hot_columns(table: Table, others: list[str]) -> tuple[str, ...]:
    """The columns of classes, where each row has a 1 in one of them and 0 in all others."""
    if len(others) < 2 or not table.has_header:
        return ()
    cells = {column: [text.lower() for text in _texts(table, column)] for column in others}
    if not all(texts and set(texts) <= {*_ONE, *_ZERO} for texts in cells.values()):
        return ()
    for i in range(len(table.rows)):
        classes = [column for column in others if cells[column][i] in _ONE]
        if len(classes) != 1:
            what = " and ".join(map(repr, classes[:3])) or "no class"
            raise BadDataError(
                f"{table.place(i)} is of {what}: each column ({', '.join(others)}) is a class",
                f"An image has one label: keep one 1 in each row. {_SEVERAL}",
            )
    return tuple(others)


def _label_by_content(table: Table, others: list[str], names: ColumnNames) -> str:
    """The only column that can be the label: its values repeat."""
    distinct = {column: len(set(_texts(table, column))) for column in others}
    repeated = [c for c in others if 0 < distinct[c] < max(2, len(table.rows))]
    if len(others) == 1 and repeated:
        return repeated[0]
    listed = ", ".join(table.columns)
    best = min(repeated, key=lambda c: (distinct[c] < 2, distinct[c]), default=None)
    if best is None:
        raise BadDataError(
            f"{table.path} has no label column: none of {', '.join(LABELS)}, and no column has "
            "values that repeat",
            f"It has: {listed}. Add a column 'label' with the class of each image.",
        )
    raise BadDataError(
        f"{table.path} has no label column: none of {', '.join(LABELS)}"
        if table.has_header
        else f"{table.path} has no header, and {len(others)} columns may be the label",
        f"It has: {listed}. Name the column: {names.call(label_column=best)}.",
    )


def one_hot_labels(table: Table, columns: tuple[str, ...]) -> list[str]:
    """The name of the column with a 1, for each row."""
    cells = [[text.lower() in _ONE for text in _texts(table, column)] for column in columns]
    return [columns[flags.index(True)] for flags in map(list, zip(*cells, strict=True))]
