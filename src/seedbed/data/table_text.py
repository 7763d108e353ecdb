"""Split the text of a CSV, TSV or list into rows: its encoding, delimiter, comments and header.

In: the bytes of a file, and a check of which cells are images. Out: a Table. What was not as usual
becomes a note. Knows nothing of images or labels beyond this check.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seedbed.base.errors import BadDataError
from seedbed.data.image_suffixes import has_image_suffix

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
_SEPARATOR_LINE = re.compile(r"\s*[\"']?sep=(\\t|.)[\"']?\s*", re.IGNORECASE | re.DOTALL)
_BLANK = " "  # as a delimiter: one or more blanks or tabs
_NUM_SNIFFED = 30  # lines that the delimiter is found by
# A list whose lines begin with an image: the rest of the line is the label.
_IMAGE_FIRST = re.compile(r"\s*(\S+\.[A-Za-z0-9]{3,5})\s+(?=\S)")
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of cells: of text, or of any values where a file has types.

    `numbers` are line numbers of a text file (`unit` "line"), or row numbers from 1 ("row").
    """

    path: Path
    columns: list[str]  # "1", "2", ... where there is no header
    rows: list[list[Any]]
    numbers: Sequence[int]
    unit: str = "line"
    has_header: bool = True
    notes: tuple[str, ...] = ()

    def column(self, name: str) -> list[Any]:
        """The cells of a column."""
        index = self.columns.index(name)
        return [row[index] for row in self.rows]

    def place(self, i: int) -> str:
        """Where row `i` stands, for messages: "labels.csv, line 12"."""
        return f"{self.path}, {self.unit} {self.numbers[i]}"


def read_text_table(
    path: Path, names: Collection[str], is_image: Callable[[str], bool] | None = None
) -> Table:
    """Read a delimited text file.

    Args:
        path: a .csv, .tsv or .txt file.
        names: names of columns in lower case, by which a header is known.
        is_image: whether a cell of a first row names an image that exists.

    Raises:
        BadDataError: no text, no rows, one column only, or a row with too many cells.
    """
    text, notes = _decode(path.read_bytes(), path)
    # str.splitlines also divides at characters that a file name may have (U+0085, U+2028)
    lines = list(io.StringIO(text, newline=""))
    start, delimiter, comments = _read_preamble(lines, is_image)
    header_line = _commented_header(comments, lines[start:], names)
    if header_line is not None:
        lines[start - 1] = header_line
        start -= 1
        comments.pop()
    sample = [line for line in lines[start : start + _NUM_SNIFFED] if line.strip()]
    if not sample:
        raise BadDataError(f"{path} has no rows", "Write a row for each image: path,label.")
    delimiter = delimiter or _sniff(sample, path, names)
    usual = "\t" if path.suffix.lower() == ".tsv" else ","
    if delimiter != usual and delimiter in DELIMITERS:
        notes.append(f"{path.name}: cells are separated by a {DELIMITERS[delimiter]}")
    rows, numbers = _split_rows(lines, start, delimiter)
    has_header = _has_header(rows[0], names, is_image)
    columns = (
        _unique_names(rows[0]) if has_header else [str(i + 1) for i in range(max(map(len, rows)))]
    )
    rows, numbers, num_comments = _complete_rows(
        rows[has_header:], numbers[has_header:], columns, path, delimiter
    )
    if num_comments := num_comments + len(comments):
        lines_text = (
            "1 comment line is" if num_comments == 1 else f"{num_comments} comment lines are"
        )
        notes.append(f"{path.name}: {lines_text} passed over")
    if not rows:
        raise BadDataError(f"{path} has a header and no rows", "Write a row for each image.")
    return Table(
        path=path,
        columns=columns,
        rows=rows,
        numbers=numbers,
        has_header=has_header,
        notes=tuple(notes),
    )


def _decode(data: bytes, path: Path) -> tuple[str, list[str]]:
    """The text of a file, and a note if it is not UTF-8."""
    if data.startswith(_UTF_16):
        try:
            return data.decode("utf-16"), [f"{path.name} is read as UTF-16"]
        except UnicodeDecodeError as error:
            raise BadDataError(
                f"{path} begins as UTF-16 and is not: {error.reason}", "Save the table as UTF-8."
            ) from None
    try:
        return data.decode("utf-8-sig"), []
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
    try:
        return data.decode("cp1252"), [
            f"{path.name} is no UTF-8 (line {line}) and read as Windows-1252"
        ]
    except UnicodeDecodeError:
        raise BadDataError(
            f"{path}, line {line}: the text is neither UTF-8 nor Windows-1252",
            "Save the table as UTF-8; in Excel: CSV UTF-8.",
        ) from None


def _read_preamble(
    lines: list[str], is_image: Callable[[str], bool] | None
) -> tuple[int, str | None, list[str]]:
    """The first line of the table, the delimiter that a line `sep=;` names, and the comment lines
    that stand before the table."""
    delimiter, comments, start = None, [], 0
    while start < len(lines):
        line = lines[start]
        if delimiter is None and (match := _SEPARATOR_LINE.fullmatch(line.rstrip("\r\n"))):
            delimiter = match[1].replace("\\t", "\t")
        elif line.startswith("#") and not (is_image and _names_image(line, is_image)):
            comments.append(line)
        elif line.strip():
            break
        start += 1
    return start, delimiter, comments


def _names_image(line: str, is_image: Callable[[str], bool]) -> bool:
    return any(is_image(line.split(delimiter)[0].strip()) for delimiter in DELIMITERS)


def _commented_header(comments: list[str], lines: list[str], names: Collection[str]) -> str | None:
    """The header in a comment line right above a table without one: `# path,label`."""
    if not comments or not lines:
        return None

    def num_names(line: str) -> int:
        return max(
            sum(cell.strip().strip("\"'").lower() in names for cell in line.split(delimiter))
            for delimiter in DELIMITERS
        )

    header = comments[-1].lstrip("# ")
    return header if num_names(header) > 1 and not num_names(lines[0]) else None


def _sniff(sample: list[str], path: Path, names: Collection[str]) -> str:
    """The delimiter of a table: the one that gives a header with known names, else the one that
    gives rows of equal length."""
    suffix = path.suffix.lower()
    usual = "\t" if suffix == ".tsv" else ","
    candidates = [usual, *(delimiter for delimiter in DELIMITERS if delimiter != usual)]
    widths: dict[str, list[int]] = {}
    for delimiter in candidates:
        try:
            rows = list(csv.reader(sample, delimiter=delimiter))
        except csv.Error as error:
            raise BadDataError(
                f"{path} cannot be split into cells: {error}", "Check its quotes."
            ) from None
        widths[delimiter] = [_width(row) for row in rows]
        header = [cell.strip().lower() for cell in rows[0]]
        if len(header) > 1 and any(cell in names for cell in header):
            return delimiter
    for delimiter in candidates:
        if min(widths[delimiter]) > 1 and len(set(widths[delimiter])) == 1:
            return delimiter
    if suffix == ".txt" and all(len(line.split()) > 1 for line in sample):
        return _BLANK
    if max(widths[usual]) > 1:
        return usual
    raise BadDataError(
        f"{path} has one column only, for instance {sample[0].strip()!r}",
        f"Separate its cells by {', '.join(DELIMITERS.values())}; for another delimiter, add a "
        "first line that names it: sep=/",
    )


def _width(row: list[str]) -> int:
    """The number of cells of a row, empty ones at its end left out."""
    return max((i + 1 for i, cell in enumerate(row) if cell.strip()), default=0)


def _split_rows(lines: list[str], start: int, delimiter: str) -> tuple[list[list[str]], list[int]]:
    """The rows from line `start` on that are not blank, and the line that each begins in."""
    rows: list[list[str]] = []
    numbers: list[int] = []
    for row, number in _read_rows(lines[start:], delimiter):
        if any(cell.strip() for cell in row):
            rows.append(row)
            numbers.append(start + number)
    return rows, numbers


def _read_rows(lines: list[str], delimiter: str) -> Iterator[tuple[list[str], int]]:
    """Yield each row and the number of its first line, from 1."""
    if delimiter == _BLANK:
        if all(_IMAGE_FIRST.match(line) for line in lines if line.strip()):
            for number, line in enumerate(lines, 1):
                match = _IMAGE_FIRST.match(line)
                yield ([match[1], line[match.end() :].strip()] if match else []), number
            return
        split = [line.split() for line in lines]
        is_even = len({len(cells) for cells in split if cells}) == 1
        for number, line in enumerate(lines, 1):
            # A path may have blanks; the label is then the last word.
            yield (split[number - 1] if is_even else line.rsplit(None, 1)), number
        return
    text = "".join(lines)
    # `a.jpg, "husky"`: without this, the quotes would be part of the label
    has_blanks = re.search(re.escape(delimiter) + ' +"', text) is not None
    with io.StringIO(text, newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, skipinitialspace=has_blanks)
        first = 1
        try:
            for row in reader:
                yield row, first
                first = reader.line_num + 1
        except csv.Error as error:
            raise BadDataError(
                f"line {first} cannot be split into cells: {error}", "Check its quotes."
            ) from None


def _has_header(
    row: list[str], names: Collection[str], is_image: Callable[[str], bool] | None
) -> bool:
    """Whether the first row names the columns: one that holds the path of an image does not."""
    cells = [cell.strip() for cell in row]
    is_known = any(cell.lower() in names for cell in cells)
    with_suffix = [cell for cell in cells if has_image_suffix(cell)]
    if with_suffix and (not is_known or (is_image and any(map(is_image, with_suffix)))):
        return False
    return is_known or not (is_image and any(map(is_image, filter(None, cells))))


def _unique_names(header: list[str]) -> list[str]:
    """The names of columns, as pandas makes them unique: a column without a name is called
    "Unnamed: 0", a second "label" is called "label.1"."""
    names: list[str] = []
    for i, cell in enumerate(header):
        name = cell.strip() or f"Unnamed: {i}"
        number = 0
        while (unique := f"{name}.{number}" if number else name) in names:
            number += 1
        names.append(unique)
    return names


def _complete_rows(
    rows: list[list[str]], numbers: list[int], columns: list[str], path: Path, delimiter: str
) -> tuple[list[list[str]], list[int], int]:
    """The rows with as many cells as there are columns, and the number of comment lines that are
    left out."""
    complete: list[list[str]] = []
    places: list[int] = []
    for row, number in zip(rows, numbers, strict=True):
        if row[0].startswith("#") and _width(row) == 1 < len(columns):
            continue
        if _width(row) > len(columns):
            raise BadDataError(
                f"{path}, line {number} has {_width(row)} cells, and the header "
                f"{len(columns)}: {row[len(columns)]!r} is too much",
                f'Quote a cell that contains the delimiter {delimiter!r}: "a{delimiter}b".',
            )
        complete.append((row + [""] * (len(columns) - len(row)))[: len(columns)])
        places.append(number)
    return complete, places, len(rows) - len(complete)
