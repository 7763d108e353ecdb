"""The files in which results are handed to official scorers: PASCAL's of each class, and rankings.

In: a folder or a file that any tool wrote. Out: what it says, checked against the images that there
are; and the same files written. Knows nothing of scores.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from seedbed.base.errors import BadDataError, nearest
from seedbed.base.paths import expand_user

_SURE = 4  # numbers one after the other, between numbers: they are places
RANKING = "ranking.dat"  # of all queries, in a folder of results
_PASCAL = "*_<class>.txt, as comp3_det_test_cat.txt"
_COLUMNS = {"detection": ("xmin", "ymin", "xmax", "ymax"), "classification": (), "action": ()}


@dataclass(frozen=True, kw_only=True)
class ClassFiles:
    """PASCAL result files by class, those of classes that have none, and files of no class."""

    files: Mapping[str, Path]
    missing: tuple[str, ...]
    strange: tuple[str, ...]


def class_files(folder: str | Path, classes: Sequence[str]) -> ClassFiles:
    """The file of each class in a folder: `*_<class>.txt`, the longest class name that fits; a
    class without one has no results.

    Raises BadDataError where there is no such file at all, or two of one class.
    """
    root = expand_user(folder)
    if not root.is_dir():
        raise BadDataError(
            f"there is no folder {folder}",
            f"Name the folder that holds the result files {_PASCAL}.",
        )
    found: dict[str, Path] = {}
    strange: list[str] = []
    named = {
        path: [c for c in classes if path.stem == c or path.stem.endswith(f"_{c}")]
        for path in sorted(root.glob("*.txt"))
    }
    before = {
        path: path.stem.removesuffix(max(fitting, key=len))
        for path, fitting in named.items()
        if fitting
    }
    for path, fitting in named.items():
        # comp3_det_test_red_cell is no file of cell where another begins with comp3_det_test_
        # alone: its class is not asked for.
        is_of_another = (
            any(
                before[path] != other and before[path].startswith(other)
                for other in before.values()
            )
            if fitting
            else True
        )
        if is_of_another:
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
            f"{folder} has no result file of any class{there}",
            f"Expected {_PASCAL}; the classes are {', '.join(classes[:20])}.",
        )
    return ClassFiles(
        files=found, missing=tuple(c for c in classes if c not in found), strange=tuple(strange)
    )


def read_pascal(path: Path, images: Mapping[str, int], task: str) -> tuple[np.ndarray, np.ndarray]:
    """Rows and values of a result file: int64 [m], float64 [m, 1 + columns], the score first.

    Args:
        images: what stands in a line before the score (an image; of actions an image and the number
            of its object) -> row.
        task: "detection" (image score xmin ymin xmax ymax), "classification" (image score) or
            "action" (image object score).
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
            raise BadDataError(
                f"{path}, line {number}: {line!r} is not '{_line_of(task)}'",
                "Each line is one result.",
            )
        if name not in images:
            raise BadDataError(
                f"{path}, line {number}: {name!r} is not in the image set",
                _advice(line, name, images, task),
            )
        # Both ends belong to a box: one of less than a pixel ends just before it begins.
        if task == "detection" and not (
            numbers[3] - numbers[1] >= -1 and numbers[4] - numbers[2] >= -1
        ):
            raise BadDataError(
                f"{path}, line {number}: the box {line.split(maxsplit=1)[1]!r} ends before it begins",
                "A line is 'image score xmin ymin xmax ymax': xmax is at least xmin, ymax at least ymin; corners, not sides.",
            )
        rows.append(images[name])
        values.append(numbers)
    return np.array(rows, np.int64), np.array(values, np.float64).reshape(-1, width)


def _line_of(task: str) -> str:
    return " ".join(("image", *(("object",) if task == "action" else ()), "score", *_COLUMNS[task]))


def _advice(line: str, name: str, images: Mapping[str, int], task: str) -> str:
    """What may be meant by a line whose image is in no image set."""
    parts = line.split()
    for other, columns in _COLUMNS.items():
        if other != task and len(parts) == len(_line_of(other).split()) != len(
            _line_of(task).split()
        ):
            whole = " ".join(parts[: -1 - len(columns)])
            if whole in images or parts[0] in images:
                return f"It looks like a line of {other}, '{_line_of(other)}': score it with voc-{other}."
    near = nearest(name, list(images)[:10_000])
    return (
        f"Did you mean {near!r}?"
        if near
        else "Score the results on the image set that they were made for (--image-set)."
    )


def write_pascal(path: Path, lines: Iterable[tuple[str, Sequence[float]]]) -> None:
    """A result file: what stands before the score, then the score and corners in all their digits,
    so that scoring it says the same."""
    with path.open("w", encoding="utf-8") as file:
        for name, (score, *corners) in lines:
            file.write(" ".join([name, *(repr(float(v)) for v in (score, *corners))]) + "\n")


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """What was found for one query, the best first."""

    query: str
    images: tuple[str, ...]
    places: tuple[int, ...] | None = None  # of what was found, from 0, where some are left out
    from_one: bool = False  # whether places are left out that were written from 1
    where: str = field(default="", compare=False)  # file and line


def read_rankings(
    path: str | Path, name_of: Callable[[str], str] = str, least: int | None = None
) -> list[Ranking]:
    """Rankings of a file (a line a query: the query, then what was found) or of a folder (a file a
    query, a line each).

    The lines of Holidays' own format, `query 0 first 1 second ...`, are read too; places may be
    left out of them. Blanks in names stand as %20. `name_of` makes an image of what stands there;
    `least`: numbers from it on are images, where these are named by numbers alone.
    """
    root = expand_user(path)
    if whole := sorted((*root.glob(RANKING), *root.glob("ranking_first_*.dat"))):
        root = whole[0]
    if root.is_dir():
        files = sorted(p for p in root.iterdir() if p.suffix in (".txt", ".dat") and p.is_file())
        if not files:
            raise BadDataError(
                f"{path} holds no ranking",
                "Expected a file <query>.txt for each query, an image a line.",
            )
        ranked = [
            (p, [name_of(_named(text)) for _, line in _lines(p) for text in _parts(line)])
            for p in files
        ]
        if silent := next((p for p, names in ranked if not names), None):
            raise BadDataError(
                f"{silent} is empty", "Write what was found, the best first, an image a line."
            )
        return _each_once(
            path,
            [
                Ranking(query=name_of(p.stem), images=tuple(names), where=str(p))
                for p, names in ranked
            ],
        )
    if not root.is_file():
        raise BadDataError(
            f"there is no ranking {path}",
            "Name a file with a line for each query, or a folder with a file for each.",
        )
    found = []
    for number, line in _lines(root):
        query, *rest = _parts(line)
        places = _places(rest, least, f"{path}, line {number}")
        if places is not None:
            rest = rest[1::2]
        if not rest:
            raise BadDataError(
                f"{path}, line {number}: the query {query!r} has no ranking",
                "Write what was found behind it, the best first.",
            )
        names = tuple(name_of(_named(text)) for text in rest)
        found.append(
            Ranking(
                query=name_of(_named(query.rstrip(":"))),
                images=names,
                places=places,
                where=f"{path}, line {number}",
            )
        )
    if not found:
        raise BadDataError(f"{path} is empty", "Expected a line for each query.")
    return _from_zero(_each_once(path, found))


def _each_once(path: str | Path, rankings: list[Ranking]) -> list[Ranking]:
    first: dict[str, Ranking] = {}
    for one in rankings:
        if (other := first.setdefault(one.query, one)) is not one:
            raise BadDataError(
                f"{path} ranks the query {one.query!r} twice: {other.where}, {one.where}",
                "Leave one ranking for each query.",
            )
    return rankings


def _places(rest: Sequence[str], least: int | None, where: str) -> tuple[int, ...] | None:
    """The places that stand before the images, 0 first 1 second; None where only images stand
    there. Raises BadDataError for ties."""
    before, images = rest[::2], rest[1::2]
    if not rest or len(rest) % 2 or not all(text.isdecimal() for text in before):
        return None
    places = tuple(map(int, before))
    if all(text.isdecimal() for text in images):  # all are numbers: which are places?
        small = sum(place < least for place in places) if least is not None else 0
        if (
            least is not None
            and 0 < small < len(places)
            and min(map(int, images)) >= least
            and min(places) > 1
        ):
            raise BadDataError(
                f"{where}: some of {', '.join(before[:5])} are places and some are images",
                "A line is 'query first second ...', or with places from 0 before each, 'query 0 first 1 second ...'.",
            )
        is_told_apart = least is not None and small > 0 and min(map(int, images)) >= least
        is_counted = len(places) >= _SURE and places in (
            tuple(range(len(places))),
            tuple(range(1, len(places) + 1)),
        )
        if not is_told_apart and not is_counted:
            return None
    if len(set(places)) < len(places):
        twice = next(place for place in places if places.count(place) > 1)
        raise BadDataError(
            f"{where}: two images stand at place {twice}", "Give each image a place of its own."
        )
    return places


def _from_zero(rankings: list[Ranking]) -> list[Ranking]:
    """Places ascending and from 0; where no 0 stands anywhere and a 1 does, they are written from
    1."""
    start = int(min((min(one.places) for one in rankings if one.places), default=0) == 1)
    ordered = []
    for one in rankings:
        if one.places is None:
            ordered.append(one)
            continue
        order = sorted(range(len(one.places)), key=one.places.__getitem__)
        places = tuple(one.places[i] - start for i in order)
        is_whole = places == tuple(range(len(places)))
        found = tuple(one.images[i] for i in order)
        given = None if is_whole else places
        ordered.append(
            replace(one, images=found, places=given, from_one=bool(start and not is_whole))
        )
    return ordered


def write_rankings(path: Path, rankings: Iterable[Ranking]) -> None:
    """In Holidays' own format: `query 0 first 1 second ...`; a blank in a name is written as
    %20."""
    with path.open("w", encoding="utf-8") as file:
        for one in rankings:
            written = [
                name.replace("%", "%25").replace(" ", "%20").replace(",", "%2C")
                for name in (one.query, *one.images)
            ]
            file.write(
                " ".join([written[0], *(f"{i} {name}" for i, name in enumerate(written[1:]))])
                + "\n"
            )


def _named(text: str) -> str:
    """The name of an image as it is, blanks and all."""
    return text.replace("%20", " ").replace("%2C", ",").replace("%25", "%")


def _parts(line: str) -> list[str]:
    """What stands between blanks or commas."""
    return line.replace(",", " ").split()


def image_number(text: str, what: str, where: str) -> int:
    """The last number in the name of an image: ukbench00004; raises BadDataError where there is
    none."""
    digits = re.findall(r"\d+", Path(text).stem)
    if not digits:
        raise BadDataError(
            f"{where}: {text!r} is no image of {what}", f"Images of {what} are named by a number."
        )
    return int(digits[-1])


def holidays_image(text: str, where: str) -> int | str:
    """The number of one of Holidays' images, six digits, or the name of another one among which
    they are searched.

    Raises BadDataError for what is no name: a place that stands alone, a score, a sign.
    """
    name = Path(text).name
    number = re.fullmatch(r"(\d{6})(\.\w+)?", name)
    if number:
        return int(number[1])
    if not re.search(r"[^\W\d]", name) or re.fullmatch(r"[-+\d.]+(e[-+]?\d+)?", name):
        raise BadDataError(
            f"{where}: {text!r} is no image",
            "Holidays' images are six digits, 100001.jpg. A line is 'query first second ...', or with places from 0 before each, "
            "'query 0 first 1 second ...'.",
        )
    return name


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadDataError(
            f"{path} is not UTF-8 text: {error.reason} at byte {error.start}", "Save it as UTF-8."
        ) from None
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield number, line.strip()
