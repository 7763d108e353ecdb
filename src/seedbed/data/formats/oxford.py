"""Oxford Buildings and Paris (Philbin et al. 2007, 2008) as distributed: photographs of landmarks,
and which show the one in a box.

In: a folder with images anywhere below it (`oxbuild_images/`, `paris/<landmark>/`), and in one
folder the ground truth: for each query `<landmark>_<n>_query.txt`, an image and a box, and
    `_good.txt`, `_ok.txt` and `_junk.txt`, names of images without suffix. Out: a
Source, all test: each query is the part of its image in the box, and all images are searched, the
query's own too. Good and ok answer it; junk is left out of rankings. An image in no list is a wrong
answer.

All images are read as the files lie there, without their orientation tag, since that is what the
boxes are px of.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from seedbed.base.errors import BadDataError
from seedbed.data.annotations import NO_LABEL, Relevance
from seedbed.data.crops import CropPixels
from seedbed.data.formats import Format
from seedbed.data.image_files import IMAGE_SUFFIXES, Found, entries, list_images, must_exist
from seedbed.data.oxford_ground_truth import (
    ADVICE,
    PREFIX,
    TRUTH,
    VALUES,
    QueryLists,
    composed,
    read_queries,
)
from seedbed.data.source import TEST, Source, listing_fingerprint

_QUERY = re.compile(r"[^.].*_[0-9]+_query\.txt")
_WHOLE = (math.nan,) * 4


@dataclass(frozen=True)
class _Query:
    """A query: the row's id, its landmark, its image's file, the box, and what other files are to
    it."""

    id: str
    landmark: str
    file: str
    box: tuple[float, ...]
    answers: Mapping[str, int]  # file -> 1 or -1


@dataclass(frozen=True)
class Oxford(Format):
    """Oxford5k or Paris6k as distributed: queries are boxes in images of landmarks, answered by the
    lists good and ok."""

    path: str
    images: str | None = None
    truth: str | None = None
    crop_queries: bool = True
    paths: ClassVar[tuple[str, ...]] = ("path", "images", "truth")
    priority: ClassVar[int] = 20

    @staticmethod
    def recognises(path: Path) -> bool:
        """Where the ground truth lies at the top or in a folder directly below, which holds no
        images then."""
        try:
            below = [entry for entry in entries(path) if entry.is_dir()]
        except OSError:  # no folder, or one that is not readable
            return False
        return _has_truth(path, may_hold_images=True) or any(
            _has_truth(one, may_hold_images=False) for one in below
        )

    def read(self) -> Source:
        root = must_exist(self.path)
        image_root = root if self.images is None else must_exist(self.images)
        truth = _truth_folder(root) if self.truth is None else must_exist(self.truth)
        found = list_images(image_root)
        gallery = _Gallery.of(image_root, found)
        queries = [_query(one, gallery) for one in read_queries(truth)]
        if not self.crop_queries:
            queries = [replace(query, box=_WHOLE) for query in queries]
        return self._source(image_root, found, queries)

    def _source(self, root: Path, found: Sequence[Found], queries: Sequence[_Query]) -> Source:
        parts = [(one.path, one.path, _WHOLE) for one in found] + [
            (query.id, query.file, query.box) for query in queries
        ]
        ids, files, boxes = zip(*sorted(parts, key=lambda part: part[0]), strict=True)
        row = {one: i for i, one in enumerate(ids)}
        answers = _relevance(row, [one.path for one in found], queries)
        classes = tuple(sorted({query.landmark for query in queries}))
        told = [f"{query.id}\t{query.file}\t{query.box}" for query in queries]
        return Source(
            name=self._name(),
            ids=np.array(ids, object),
            leaves=np.full(len(ids), NO_LABEL, np.int32),
            splits=np.full(len(ids), TEST, np.uint8),
            classes=classes,
            pixels=CropPixels(str(root.resolve()), np.array(files, object), np.array(boxes)),
            listing=listing_fingerprint(
                ["oxford", answers.digest(), *classes, *map(str, found), *told]
            ),
            names={landmark: landmark.replace("_", " ") for landmark in classes if "_" in landmark},
            annotations=answers,
        )

    def _name(self) -> str:
        given = {"images": self.images, "truth": self.truth}
        parts = [f"{name}={value!r}" for name, value in given.items() if value is not None]
        parts += [] if self.crop_queries else ["crop_queries=False"]
        return f"oxford({', '.join([repr(self.path), *parts])})" if parts else str(self.path)


def _has_truth(folder: os.PathLike[str], *, may_hold_images: bool) -> bool:
    """Whether a query and its good images are listed there; a folder of images is left at the first
    of them."""
    there: set[str] = set()
    try:
        for entry in entries(folder):
            if not may_hold_images and os.path.splitext(entry.name)[1].lower() in IMAGE_SUFFIXES:
                return False
            if TRUTH.fullmatch(entry.name):
                there.add(entry.name)
    except OSError:
        return False
    return any(
        name.replace("_query.txt", "_good.txt") in there for name in there if _QUERY.fullmatch(name)
    )


def _truth_folder(root: Path) -> Path:
    """The one folder at or below `root` that holds ground truth."""
    seen: set[str] = set()
    holders = []
    for folder, below, files in os.walk(root, followlinks=True):
        below[:] = sorted(one for one in below if not one.startswith((".", "__MACOSX")))
        if (real := os.path.realpath(folder)) in seen:  # a link to a folder above
            below.clear()
            continue
        seen.add(real)
        if any(_QUERY.fullmatch(name) for name in files):
            holders.append(Path(folder))
    if not holders:
        raise BadDataError(
            f"{root} has no ground truth: no file below it is called as all_souls_1_query.txt is",
            ADVICE,
        )
    if len(holders) > 1:
        raise BadDataError(
            f"{root} has ground truth in {len(holders)} folders: {', '.join(map(str, holders))}",
            f"Name the one that is meant: oxford('FOLDER', images='FOLDER', truth='FOLDER'). {ADVICE}",
        )
    return holders[0]


@dataclass(frozen=True)
class _Gallery:
    """The images that are searched, by the names that lists have for them."""

    root: Path
    files: Mapping[str, str]  # name without suffix -> file

    @staticmethod
    def of(root: Path, found: Sequence[Found]) -> _Gallery:
        if not found:
            raise BadDataError(f"there are no images below {root}", ADVICE)
        files: dict[str, str] = {}
        for one in found:
            name = composed(Path(one.path).stem)
            if name in files:
                raise BadDataError(
                    f"{root} has two images of one name, {files[name]!r} and {one.path!r}",
                    "Lists name images without their folders: take one away, or name the folder of the images: "
                    "oxford('FOLDER', images='FOLDER').",
                )
            files[name] = one.path
        return _Gallery(root, files)

    def file(self, name: str, place: str, *, prefix: str = "") -> str:
        """The file of a listed image, whose name may have a prefix."""
        spelt = composed(name)
        found = self.files.get(spelt) or self.files.get(spelt.removeprefix(prefix))
        if found is None:
            raise BadDataError(
                f"{place} names {name!r}, and there is no such image below {self.root}",
                f"Expected a file {name.removeprefix(prefix)}.jpg; all that are listed must be there, those too that Paris has as damaged "
                f"files, which packing reports. Unpack the images again. {ADVICE}",
            )
        return found


def _query(found: QueryLists, gallery: _Gallery) -> _Query:
    answers: dict[str, int] = {}
    places: dict[str, str] = {}
    for kind, value in VALUES.items():
        for line in found.lists[kind]:
            file = gallery.file(line.text, line.place)
            if answers.setdefault(file, value) != value:
                raise BadDataError(
                    f"{line.place}: {line.text!r} is junk, and an answer by {places[file]}", ADVICE
                )
            places.setdefault(file, line.place)
    file = gallery.file(found.image, found.place, prefix=PREFIX)
    return _Query(f"queries/{found.name}", found.landmark, file, found.box, answers)


def _relevance(
    row: Mapping[str, int], files: Sequence[str], queries: Sequence[_Query]
) -> Relevance:
    pairs = sorted(
        (i, row[file], value)
        for i, query in enumerate(queries)
        for file, value in query.answers.items()
    )
    return Relevance(
        queries=np.array([row[query.id] for query in queries], np.int64),
        gallery=np.array([row[file] for file in files], np.int64),
        of_query=np.array([i for i, _, _ in pairs], np.int64),
        rows=np.array([one for _, one, _ in pairs], np.int64),
        values=np.array([value for _, _, value in pairs], np.int8),
        protocol=np.array("oxford"),
    )
