"""The ground truth of Oxford Buildings and Paris (Philbin et al. 2007, 2008): for each query an
image with a box, and three lists.

In: the folder of the files `<landmark>_<n>_query.txt`, `_good.txt`, `_ok.txt` and `_junk.txt`. Out:
queries, with what the lists name. Knows nothing of images on disk.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from seedbed.base.errors import BadDataError
from seedbed.data.image_files import entries, must_exist
from seedbed.data.image_lists import Line, read_lines

TRUTH = re.compile(r"((.+)_[0-9]+)_(?:query|good|ok|junk)\.txt")
VALUES = {"good": 1, "ok": 1, "junk": -1}
PREFIX = "oxc1_"  # before the names of Oxford's queries, and of no files
ADVICE = (
    "Oxford5k is distributed at robots.ox.ac.uk/~vgg/data/oxbuildings, Paris6k at robots.ox.ac.uk/~vgg/data/parisbuildings: unpack the "
    "images and the ground-truth files of one of them below one folder, or name both: "
    "oxford('FOLDER', images='FOLDER', truth='FOLDER')."
)


@dataclass(frozen=True)
class QueryLists:
    """A query: its image as its file names it, the box (edges, px), and the lines of its lists
    good, ok and junk."""

    name: str
    landmark: str
    image: str
    place: str
    box: tuple[float, ...]
    lists: Mapping[str, list[Line]]

    def names(self, *kinds: str) -> set[str]:
        """The images of some of its lists, in one spelling."""
        return {spelt(line.text) for kind in kinds for line in self.lists[kind]}


def spelt(text: str) -> str:
    """The name that lists have for an image, of its path or of Oxford's name of a query."""
    return composed(re.sub(r"(?i)\.(jpe?g|png)$", "", text.rpartition("/")[2])).removeprefix(PREFIX)


def composed(name: str) -> str:
    """One spelling of an image's name: some systems write accents as characters of their own."""
    return unicodedata.normalize("NFC", name)


def read_queries(truth: Path) -> list[QueryLists]:
    """The queries of a folder, by name; raises BadDataError for a file that is missing, and a query
    that nothing answers."""
    return [_query(truth, name, landmark) for name, landmark in _names(must_exist(truth))]


def _query(truth: Path, name: str, landmark: str) -> QueryLists:
    first, *others = read_lines(truth / f"{name}_query.txt", ADVICE)
    if others:
        raise BadDataError(f"{others[0].place}: a query is one line, and this is another", ADVICE)
    image, box = _image_and_box(first)
    lists = {kind: _lines(truth / f"{name}_{kind}.txt") for kind in VALUES}
    if not any(lists[kind] for kind, value in VALUES.items() if value > 0):
        raise BadDataError(
            f"query {name} has no answer: {truth / name}_good.txt and {name}_ok.txt are empty",
            f"A query without a right image has no average precision. {ADVICE}",
        )
    return QueryLists(name, landmark, image, first.place, box, lists)


def _names(truth: Path) -> list[tuple[str, str]]:
    """Names and landmarks of the queries, sorted; of each the four files are there."""
    named = [match for entry in entries(truth) if (match := TRUTH.fullmatch(entry.name))]
    there = {match[0] for match in named}
    landmarks = {match[1]: match[2] for match in named}
    if not landmarks:
        raise BadDataError(
            f"{truth} has no ground truth: no file in it is called as all_souls_1_query.txt is",
            ADVICE,
        )
    for name in sorted(landmarks):
        files = [f"{name}_{kind}.txt" for kind in ("query", *VALUES)]
        if missing := [file for file in files if file not in there]:
            raise BadDataError(
                f"{truth} has no {missing[0]}, and has {next(file for file in files if file in there)}",
                f"A query has four files: {', '.join(files)}; junk may be empty. {ADVICE}",
            )
    return sorted(landmarks.items())


def _image_and_box(line: Line) -> tuple[str, tuple[float, ...]]:
    image, *texts = line.text.rsplit(maxsplit=4)
    try:
        box = tuple(float(text) for text in texts)
    except ValueError:
        box = ()
    if (
        len(box) != 4
        or not all(map(math.isfinite, box))
        or not (box[0] < box[2] and box[1] < box[3])
    ):
        raise BadDataError(
            f"{line.place}: {line.text!r} is no query",
            f"Expected an image and left, top, right and bottom of a box in px: oxc1_all_souls_000013 136.5 34.1 648.5 955.7. {ADVICE}",
        )
    return image, box


def _lines(path: Path) -> list[Line]:
    """The lines of a list, which may be empty."""
    try:
        is_empty = not path.read_bytes().removeprefix(b"\xef\xbb\xbf").strip()
    except OSError:  # read_lines says what is wrong
        is_empty = False
    return [] if is_empty else read_lines(path, ADVICE)
