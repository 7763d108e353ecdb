"""The files in which results are handed to official scorers: PASCAL's of each class, and rankings.

In: a folder or a file that any tool wrote. Out: what it says, checked against the images that there are; and the same files
written. Knows nothing of scores.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seedbed.base.errors import BadDataError, nearest
from seedbed.base.paths import expanded

_PASCAL = "*_<class>.txt, as comp3_det_test_cat.txt"
_COLUMNS = {"detection": ("xmin", "ymin", "xmax", "ymax"), "classification": (), "action": ()}


@dataclass(frozen=True, kw_only=True)
class ClassFiles:
    """PASCAL result files by class, those of classes that have none, and files of no class."""

    files: Mapping[str, Path]
    missing: tuple[str, ...]
    strange: tuple[str, ...]


def class_files(folder: str | Path, classes: Sequence[str]) -> ClassFiles:
    """The file of each class in a folder: `*_<class>.txt`, the longest class name that fits; a class without one has no results.

    Raises BadDataError where there is no such file at all, or two of one class.
    """
    root = expanded(folder)
    if not root.is_dir():
        raise BadDataError(f"there is no folder {folder}", f"Name the folder that holds the result files {_PASCAL}.")
    found: dict[str, Path] = {}
    strange: list[str] = []
    for path in sorted(root.glob("*.txt")):
        fitting = [c for c in classes if path.stem == c or path.stem.endswith(f"_{c}")]
        if not fitting:
            strange.append(path.name)
            continue
        label = max(fitting, key=len)
        if label in found:
            raise BadDataError(
                f"{folder} has two result files of class {label!r}: {found[label].name} and {path.name}",
                "Leave one: each folder holds the results of one run.",
            )
        found[label] = path
    if not found:
        there = f"; it holds {strange[0]}" if strange else ""
        raise BadDataError(
            f"{folder} has no result file of any class{there}", f"Expected {_PASCAL}; the classes are {', '.join(classes[:20])}."
        )
    return ClassFiles(files=found, missing=tuple(c for c in classes if c not in found), strange=tuple(strange))


def read_pascal(path: Path, images: Mapping[str, int], task: str) -> tuple[np.ndarray, np.ndarray]:
    """Rows and values of a result file: int64 [m], float64 [m, 1 + columns], the score first.

    Args:
        images: what stands in a line before the score (an image; of actions an image and the number of its object) -> row.
        task: "detection" (image score xmin ymin xmax ymax), "classification" (image score) or "action" (image object score).
    """
    width = 1 + len(_COLUMNS[task])
    rows, values = [], []
    for number, line in _lines(path):
        parts = line.rsplit(maxsplit=width)
        name = " ".join(parts[0].split()) if task == "action" else parts[0].strip()
        try:
            numbers = [float(p) for p in parts[1:]]
        except ValueError:
            numbers = []
        if len(numbers) != width or any(np.isnan(numbers)):
            wanted = " ".join(("image", *(("object",) if task == "action" else ()), "score", *_COLUMNS[task]))
            raise BadDataError(f"{path}, line {number}: {line!r} is not '{wanted}'", "Each line is one result.")
        if name not in images:
            near = nearest(name, list(images)[:10_000])
            raise BadDataError(
                f"{path}, line {number}: {name!r} is not in the image set",
                f"Did you mean {near!r}?" if near else "Score the results on the image set that they were made for (--image-set).",
            )
        rows.append(images[name])
        values.append(numbers)
    return np.array(rows, np.int64), np.array(values, np.float64).reshape(-1, width)


def write_pascal(path: Path, lines: Iterable[tuple[str, Sequence[float]]]) -> None:
    """A result file: what stands before the score, then the score and corners in all their digits, so that scoring it says the same."""
    with path.open("w", encoding="utf-8") as file:
        for name, (score, *corners) in lines:
            file.write(" ".join([name, *(repr(float(v)) for v in (score, *corners))]) + "\n")


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """What was found for one query, the best first."""

    query: str
    found: tuple[str, ...]


def read_rankings(path: str | Path, name_of: Callable[[str], str] = str) -> list[Ranking]:
    """Rankings of a file (a line a query: the query, then what was found) or of a folder (a file a query, a line each).

    The lines of Holidays' own format, `query 0 first 1 second ...`, are read too. `name_of` makes an image of what stands there.
    """
    root = expanded(path)
    if root.is_dir():
        files = sorted(p for p in root.iterdir() if p.suffix in (".txt", ".dat") and p.is_file())
        if not files:
            raise BadDataError(f"{path} holds no ranking", "Expected a file <query>.txt for each query, an image a line.")
        return [Ranking(query=p.stem, found=tuple(name_of(t) for _, line in _lines(p) for t in line.split())) for p in files]
    if not root.is_file():
        raise BadDataError(
            f"there is no ranking {path}", "Name a file with a line for each query, or a folder with a file for each."
        )
    found = []
    for number, line in _lines(root):
        query, *rest = line.replace("\t", " ").split()
        if _has_places(rest):
            rest = rest[1::2]
        if not rest:
            raise BadDataError(
                f"{path}, line {number}: the query {query!r} has no ranking", "Write what was found behind it, the best first."
            )
        found.append(Ranking(query=name_of(query.rstrip(":")), found=tuple(map(name_of, rest))))
    if not found:
        raise BadDataError(f"{path} is empty", "Expected a line for each query.")
    queries = [one.query for one in found]
    if twice := next((q for q in queries if queries.count(q) > 1), None) if len(set(queries)) < len(queries) else None:
        raise BadDataError(f"{path} ranks the query {twice!r} twice", "Leave one line for each query.")
    return found


def _has_places(rest: Sequence[str]) -> bool:
    """Whether places stand before the images: 0 first 1 second."""
    if len(rest) < 2 or len(rest) % 2 or rest[0] not in ("0", "1"):
        return False
    return list(rest[::2]) == [str(i + int(rest[0])) for i in range(len(rest) // 2)] and not all(t.isdigit() for t in rest[1::2])


def write_rankings(path: Path, rankings: Iterable[Ranking]) -> None:
    """In Holidays' own format: `query 0 first 1 second ...`."""
    with path.open("w", encoding="utf-8") as file:
        for one in rankings:
            file.write(" ".join([one.query, *(f"{i} {name}" for i, name in enumerate(one.found))]) + "\n")


def image_number(text: str, what: str) -> int:
    """The number in the name of an image: 100001.jpg, ukbench00004; raises BadDataError where there is none."""
    digits = re.findall(r"\d+", Path(text).stem)
    if not digits:
        raise BadDataError(f"{text!r} in the ranking is no image of {what}", f"Images of {what} are named by a number.")
    return int(digits[-1])


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadDataError(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}", "Save it as UTF-8.") from None
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield number, line.strip()
