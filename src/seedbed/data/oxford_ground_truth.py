"""Read the ground truth of Oxford Buildings and Paris (Philbin et al. 2007, 2008).

In: the folder of the files `<landmark>_<n>_query.txt`, `_good.txt`, `_ok.txt` and `_junk.txt`.
Out: queries. Each has an image with a box, and three lists of images.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from seedbed.base.errors import BadDataError
from seedbed.data.image_files import existing_folder, visible_entries
from seedbed.data.image_lists import Line, read_lines

TRUTH = re.compile(r"((.+)_[0-9]+)_(?:query|good|ok|junk)\.txt")
VALUES = {"good": 1, "ok": 1, "junk": -1}
PREFIX = "oxc1_"  # begins the names of Oxford's queries, but of no image file
ADVICE = (
    "Oxford5k is distributed at robots.ox.ac.uk/~vgg/data/oxbuildings, Paris6k at "
    "robots.ox.ac.uk/~vgg/data/parisbuildings: unpack the images and the ground-truth files of one "
    "of them below one folder, or name both folders: "
    "oxford('FOLDER', images='FOLDER', truth='FOLDER')."
)


@dataclass(frozen=True)
class QueryLists:
    """A query: the image that its file names, the box (edges, px), and the lines of its lists good,
    ok and junk."""

    name: str
    landmark: str
    image: str
    place: str
    box: tuple[float, ...]
    lists: Mapping[str, list[Line]]

    def names(self, *kinds: str) -> set[str]:
        """The images of some of its lists, as `list_name` writes them."""
        return {list_name(line.text) for kind in kinds for line in self.lists[kind]}


def list_name(text: str) -> str:
    """The name of an image in the lists, from its path or from Oxford's name of a query."""
    name = re.sub(r"(?i)\.(jpe?g|png)$", "", text.rpartition("/")[2])
    return normalise_unicode(name).removeprefix(PREFIX)


def normalise_unicode(name: str) -> str:
    """Write accented characters in one way: file systems store them composed or decomposed."""
    return unicodedata.normalize("NFC", name)


def read_queries(truth: Path) -> list[QueryLists]:
    """Read the queries of a folder, sorted by name.

    Raises BadDataError for a missing file, and for a query without a relevant image.
    """
    queries = _find_queries(existing_folder(truth))
    return [_read_query(truth, name, landmark) for name, landmark in queries]


def _read_query(truth: Path, name: str, landmark: str) -> QueryLists:
    first, *others = read_lines(truth / f"{name}_query.txt", ADVICE)
    if others:
        raise BadDataError(f"{others[0].place}: a query must be one line", ADVICE)
    image, box = _parse_query(first)
    lists = {kind: _read_list(truth / f"{name}_{kind}.txt") for kind in VALUES}
    if not any(lists[kind] for kind, value in VALUES.items() if value > 0):
        raise BadDataError(
            f"query {name} has no answer: {truth / name}_good.txt and {name}_ok.txt are empty",
            f"A query without a relevant image has no average precision. {ADVICE}",
        )
    return QueryLists(name, landmark, image, first.place, box, lists)


def _find_queries(truth: Path) -> list[tuple[str, str]]:
    """Names and landmarks of the queries, sorted; each must have its four files."""
    matches = [match for entry in visible_entries(truth) if (match := TRUTH.fullmatch(entry.name))]
    present = {match[0] for match in matches}
    landmarks = {match[1]: match[2] for match in matches}
    if not landmarks:
        raise BadDataError(
            f"{truth} has no ground truth: none of its files has a name such as "
            "all_souls_1_query.txt",
            ADVICE,
        )
    for name in sorted(landmarks):
        files = [f"{name}_{kind}.txt" for kind in ("query", *VALUES)]
        if missing := [file for file in files if file not in present]:
            first = next(file for file in files if file in present)
            raise BadDataError(
                f"{truth} has no {missing[0]}, and has {first}",
                f"A query has four files: {', '.join(files)}; junk may be empty. {ADVICE}",
            )
    return sorted(landmarks.items())


def _parse_query(line: Line) -> tuple[str, tuple[float, ...]]:
    """The image and the box of a query's line."""
    image, *texts = line.text.rsplit(maxsplit=4)
    box: list[float] = []
    with suppress(ValueError):
        box = [float(text) for text in texts]
    is_finite = len(box) == 4 and all(map(math.isfinite, box))
    if not (is_finite and box[0] < box[2] and box[1] < box[3]):
        raise BadDataError(
            f"{line.place}: {line.text!r} is not a query",
            "Expected an image and left, top, right and bottom of a box in px: "
            f"oxc1_all_souls_000013 136.5 34.1 648.5 955.7. {ADVICE}",
        )
    return image, tuple(box)


def _read_list(path: Path) -> list[Line]:
    """The lines of a list, which may be empty."""
    try:
        is_empty = not path.read_bytes().removeprefix(b"\xef\xbb\xbf").strip()
    except OSError:  # read_lines raises the error
        is_empty = False
    return [] if is_empty else read_lines(path, ADVICE)
