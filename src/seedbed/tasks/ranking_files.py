"""Rankings in text files: for each query the images of a gallery, best first.

In: a file with a line for each query, or a folder with a file for each. Out: rankings; and the same
files written.

A line is `query first second ...`, or as in Holidays' own format `query 0 first 1 second ...`, with
the rank before each image; ranks may be left out. A space in a name is written as %20.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from seedbed.base.errors import BadDataError
from seedbed.base.paths import expand_user
from seedbed.tasks.text_lines import numbered_lines

RANKING = "ranking.dat"  # all queries, in a folder of results
_MIN_COUNT = 4  # so many consecutive numbers between other numbers are ranks
_FORMATS = (
    "A line is 'query first second ...', or with ranks from 0 before each, "
    "'query 0 first 1 second ...'."
)


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """The images that were ranked for one query, best first."""

    query: str
    images: tuple[str, ...]
    ranks: tuple[int, ...] | None = None  # of `images`, from 0, where some are left out
    from_one: bool = False  # whether ranks are left out and were written from 1
    where: str = field(default="", compare=False)  # file and line


def read_rankings(
    path: str | Path, name_of: Callable[[str], str] = str, least: int | None = None
) -> list[Ranking]:
    """The rankings of a file, of a folder with a file for each query, or of a folder that holds
    `ranking.dat`.

    Args:
        name_of: text -> name of the image.
        least: where images are named by numbers alone, the smallest such number; smaller ones are
            ranks.
    """
    root = expand_user(path)
    if whole := sorted((*root.glob(RANKING), *root.glob("ranking_first_*.dat"))):
        root = whole[0]
    if root.is_dir():
        rankings = _read_folder(root, name_of)
    elif root.is_file():
        rankings = [
            _read_line(line, f"{path}, line {number}", name_of, least)
            for number, line in numbered_lines(root)
        ]
        if not rankings:
            raise BadDataError(f"{path} is empty", "Expected a line for each query.")
    else:
        raise BadDataError(
            f"there is no ranking {path}",
            "Name a file with a line for each query, or a folder with a file for each.",
        )
    _check_unique(path, rankings)
    return _count_from_zero(rankings)


def _read_folder(root: Path, name_of: Callable[[str], str]) -> list[Ranking]:
    """A ranking for each file `<query>.txt`, one image per line."""
    files = sorted(p for p in root.iterdir() if p.suffix in (".txt", ".dat") and p.is_file())
    if not files:
        raise BadDataError(
            f"{root} holds no ranking", "Expected a file <query>.txt per query, one image per line."
        )
    rankings = []
    for file in files:
        parts = [part for _, line in numbered_lines(file) for part in _split(line)]
        if not parts:
            raise BadDataError(f"{file} is empty", "Write one image per line, best first.")
        images = tuple(name_of(_unescape(part)) for part in parts)
        rankings.append(Ranking(query=name_of(file.stem), images=images, where=str(file)))
    return rankings


def _read_line(line: str, where: str, name_of: Callable[[str], str], least: int | None) -> Ranking:
    query, *rest = _split(line)
    ranks = _read_ranks(rest, least, where)
    if ranks is not None:
        rest = rest[1::2]
    if not rest:
        raise BadDataError(
            f"{where}: the query {query!r} has no ranking",
            "Write the ranked images behind it, best first.",
        )
    return Ranking(
        query=name_of(_unescape(query.rstrip(":"))),
        images=tuple(name_of(_unescape(part)) for part in rest),
        ranks=ranks,
        where=where,
    )


def _check_unique(path: str | Path, rankings: Sequence[Ranking]) -> None:
    first: dict[str, Ranking] = {}
    for ranking in rankings:
        if (other := first.setdefault(ranking.query, ranking)) is not ranking:
            raise BadDataError(
                f"{path} ranks the query {ranking.query!r} twice: {other.where}, {ranking.where}",
                "Keep one ranking for each query.",
            )


def _read_ranks(rest: Sequence[str], least: int | None, where: str) -> tuple[int, ...] | None:
    """The ranks before the images of a line; None if the line has images alone."""
    before, images = rest[::2], rest[1::2]
    if not rest or len(rest) % 2 or not all(text.isdecimal() for text in before):
        return None
    ranks = tuple(map(int, before))
    if all(text.isdecimal() for text in images) and not _are_ranks(
        ranks, [int(text) for text in images], least, where
    ):
        return None
    if len(set(ranks)) < len(ranks):
        repeated = next(rank for rank in ranks if ranks.count(rank) > 1)
        raise BadDataError(
            f"{where}: two images have rank {repeated}", "Give each image a rank of its own."
        )
    return ranks


def _are_ranks(ranks: Sequence[int], images: list[int], least: int | None, where: str) -> bool:
    """Whether every second number of a line of numbers is a rank: by the size of the numbers, or
    because they count 0, 1, 2, ... or 1, 2, 3, ..."""
    if least is not None:
        num_small = sum(rank < least for rank in ranks)
        if num_small and min(images) >= least:
            if num_small < len(ranks) and min(ranks) > 1:
                raise BadDataError(
                    f"{where}: of {', '.join(map(str, ranks[:5]))} some are ranks and some are "
                    "images",
                    _FORMATS,
                )
            return True
    num = len(ranks)
    return num >= _MIN_COUNT and tuple(ranks) in (tuple(range(num)), tuple(range(1, num + 1)))


def _count_from_zero(rankings: Sequence[Ranking]) -> list[Ranking]:
    """The rankings with ascending ranks from 0; they were written from 1 if the file has a rank 1
    and no rank 0."""
    lowest = min((min(r.ranks) for r in rankings if r.ranks), default=0)
    start = int(lowest == 1)
    return [_sort_ranks(ranking, start) for ranking in rankings]


def _sort_ranks(ranking: Ranking, start: int) -> Ranking:
    if ranking.ranks is None:
        return ranking
    order = sorted(range(len(ranking.ranks)), key=ranking.ranks.__getitem__)
    ranks = tuple(ranking.ranks[i] - start for i in order)
    is_whole = ranks == tuple(range(len(ranks)))
    return replace(
        ranking,
        images=tuple(ranking.images[i] for i in order),
        ranks=None if is_whole else ranks,
        from_one=bool(start and not is_whole),
    )


def write_rankings(path: Path, rankings: Iterable[Ranking]) -> None:
    """Write Holidays' own format: `query 0 first 1 second ...`."""
    with path.open("w", encoding="utf-8") as file:
        for ranking in rankings:
            query, *images = (_escape(name) for name in (ranking.query, *ranking.images))
            file.write(" ".join([query, *(f"{i} {name}" for i, name in enumerate(images))]) + "\n")


def _escape(name: str) -> str:
    return name.replace("%", "%25").replace(" ", "%20").replace(",", "%2C")


def _unescape(text: str) -> str:
    return text.replace("%20", " ").replace("%2C", ",").replace("%25", "%")


def _split(line: str) -> list[str]:
    """The parts of a line between spaces or commas."""
    return line.replace(",", " ").split()


def image_number(text: str, what: str, where: str) -> int:
    """The last number in the name of an image: 4 of ukbench00004; raises BadDataError if there is
    none."""
    digits = re.findall(r"\d+", Path(text).stem)
    if not digits:
        raise BadDataError(
            f"{where}: {text!r} is no image of {what}",
            f"The name of an image of {what} has a number.",
        )
    return int(digits[-1])


def holidays_image(text: str, where: str) -> int | str:
    """The number of an image of Holidays, six digits, or the name of another image of the gallery.

    Raises BadDataError for text that is not a name: a rank without an image, a score, a sign.
    """
    name = Path(text).name
    number = re.fullmatch(r"(\d{6})(\.\w+)?", name)
    if number:
        return int(number[1])
    if not re.search(r"[^\W\d]", name) or re.fullmatch(r"[-+\d.]+(e[-+]?\d+)?", name):
        raise BadDataError(
            f"{where}: {text!r} is no image",
            f"An image of Holidays has six digits: 100001.jpg. {_FORMATS}",
        )
    return name
