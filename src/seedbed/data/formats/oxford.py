"""oxford(): Oxford Buildings and Paris (Philbin et al. 2007, 2008), photographs of landmarks.

In: a folder with images anywhere below it (`oxbuild_images/`, `paris/<landmark>/`), and the ground
truth in one folder: for each query `<landmark>_<n>_query.txt`, an image and a box, and the lists
`_good.txt`, `_ok.txt` and `_junk.txt`, names of images without suffix.
Out: a Source of test images. Each query is the part of its image in the box. All images are
searched, the image of the query too. Good and ok images are relevant; rankings leave junk out; all
other images are not relevant.

All images are read without their orientation tag, since the boxes are in px of the file without it.
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
from seedbed.data.image_files import (
    ImageFile,
    existing_folder,
    list_images,
    visible_entries,
)
from seedbed.data.image_suffixes import has_image_suffix
from seedbed.data.oxford_ground_truth import (
    ADVICE,
    PREFIX,
    TRUTH,
    VALUES,
    QueryLists,
    normalise_unicode,
    read_queries,
)
from seedbed.data.source import TEST, Source, listing_fingerprint

_QUERY = re.compile(r"[^.].*_[0-9]+_query\.txt")
_WHOLE = (math.nan,) * 4


@dataclass(frozen=True)
class _Query:
    """A query: the row's id, its landmark, the file of its image, the box, and the relevance of
    other files."""

    id: str
    landmark: str
    file: str
    box: tuple[float, ...]
    answers: Mapping[str, int]  # file -> 1 relevant, -1 junk


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
        """Whether the ground truth is in the folder, or in a folder without images right below."""
        try:
            below = [entry for entry in visible_entries(path) if entry.is_dir()]
        except OSError:  # not a folder, or not readable
            return False
        return _has_truth(path, may_have_images=True) or any(
            _has_truth(folder, may_have_images=False) for folder in below
        )

    def read(self) -> Source:
        root = existing_folder(self.path)
        image_root = root if self.images is None else existing_folder(self.images)
        truth = _find_truth(root) if self.truth is None else existing_folder(self.truth)
        files = list_images(image_root)
        gallery = _Gallery.index(image_root, files)
        queries = [_resolve_query(lists, gallery) for lists in read_queries(truth)]
        if not self.crop_queries:
            queries = [replace(query, box=_WHOLE) for query in queries]
        return self._make_source(image_root, files, queries)

    def _make_source(
        self, root: Path, gallery: Sequence[ImageFile], queries: Sequence[_Query]
    ) -> Source:
        parts = [(file.path, file.path, _WHOLE) for file in gallery]
        parts += [(query.id, query.file, query.box) for query in queries]
        ids, paths, boxes = zip(*sorted(parts, key=lambda part: part[0]), strict=True)
        rows = {id_: row for row, id_ in enumerate(ids)}
        relevance = _relevance(rows, [file.path for file in gallery], queries)
        classes = tuple(sorted({query.landmark for query in queries}))
        query_lines = [f"{query.id}\t{query.file}\t{query.box}" for query in queries]
        return Source(
            name=self._name(),
            ids=np.array(ids, object),
            leaves=np.full(len(ids), NO_LABEL, np.int32),
            splits=np.full(len(ids), TEST, np.uint8),
            classes=classes,
            pixels=CropPixels(str(root.resolve()), np.array(paths, object), np.array(boxes)),
            listing=listing_fingerprint(
                ["oxford", relevance.digest(), *classes, *map(str, gallery), *query_lines]
            ),
            names={landmark: landmark.replace("_", " ") for landmark in classes if "_" in landmark},
            annotations=relevance,
        )

    def _name(self) -> str:
        folders = {"images": self.images, "truth": self.truth}
        parts = [f"{name}={value!r}" for name, value in folders.items() if value is not None]
        parts += [] if self.crop_queries else ["crop_queries=False"]
        return f"oxford({', '.join([repr(self.path), *parts])})" if parts else str(self.path)


def _has_truth(folder: os.PathLike[str], *, may_have_images: bool) -> bool:
    """Whether a folder has a query with its list of good images, and no images unless it may."""
    present: set[str] = set()
    try:
        for entry in visible_entries(folder):
            if not may_have_images and has_image_suffix(entry.name):
                return False
            if TRUTH.fullmatch(entry.name):
                present.add(entry.name)
    except OSError:
        return False
    queries = [name for name in present if _QUERY.fullmatch(name)]
    return any(name.replace("_query.txt", "_good.txt") in present for name in queries)


def _find_truth(root: Path) -> Path:
    """The only folder at or below `root` that has ground truth."""
    seen: set[str] = set()
    folders = []
    for folder, below, files in os.walk(root, followlinks=True):
        below[:] = sorted(name for name in below if not name.startswith((".", "__MACOSX")))
        if (real := os.path.realpath(folder)) in seen:  # a link to a folder above
            below.clear()
            continue
        seen.add(real)
        if any(_QUERY.fullmatch(name) for name in files):
            folders.append(Path(folder))
    if not folders:
        raise BadDataError(
            f"{root} has no ground truth: no file below it has a name such as "
            "all_souls_1_query.txt",
            ADVICE,
        )
    if len(folders) > 1:
        raise BadDataError(
            f"{root} has ground truth in {len(folders)} folders: {', '.join(map(str, folders))}",
            f"Name one of them: oxford('FOLDER', images='FOLDER', truth='FOLDER'). {ADVICE}",
        )
    return folders[0]


@dataclass(frozen=True)
class _Gallery:
    """The images that are searched, by their names in the lists."""

    root: Path
    files: Mapping[str, str]  # name without suffix -> file

    @staticmethod
    def index(root: Path, images: Sequence[ImageFile]) -> _Gallery:
        """Index images by name; raises BadDataError for two images of one name."""
        if not images:
            raise BadDataError(f"there are no images below {root}", ADVICE)
        files: dict[str, str] = {}
        for image in images:
            name = normalise_unicode(Path(image.path).stem)
            if name in files:
                raise BadDataError(
                    f"{root} has two images of one name, {files[name]!r} and {image.path!r}",
                    "Lists name images without their folders: remove one of the images, or name "
                    "the folder of the images: oxford('FOLDER', images='FOLDER').",
                )
            files[name] = image.path
        return _Gallery(root, files)

    def file(self, name: str, place: str, *, prefix: str = "") -> str:
        """The file of a listed image, whose name may have a prefix."""
        normalised = normalise_unicode(name)
        file = self.files.get(normalised) or self.files.get(normalised.removeprefix(prefix))
        if file is None:
            raise BadDataError(
                f"{place} names {name!r}, and there is no such image below {self.root}",
                f"Expected a file {name.removeprefix(prefix)}.jpg. All listed images must exist, "
                "the damaged files of Paris too; packing reports those. Unpack the images again. "
                f"{ADVICE}",
            )
        return file


def _resolve_query(lists: QueryLists, gallery: _Gallery) -> _Query:
    """Replace the names in a query's lists by files."""
    answers: dict[str, int] = {}
    places: dict[str, str] = {}
    for kind, value in VALUES.items():
        for line in lists.lists[kind]:
            file = gallery.file(line.text, line.place)
            if answers.setdefault(file, value) != value:
                raise BadDataError(
                    f"{line.place}: {line.text!r} is junk, and an answer by {places[file]}", ADVICE
                )
            places.setdefault(file, line.place)
    file = gallery.file(lists.image, lists.place, prefix=PREFIX)
    return _Query(f"queries/{lists.name}", lists.landmark, file, lists.box, answers)


def _relevance(
    rows: Mapping[str, int], gallery: Sequence[str], queries: Sequence[_Query]
) -> Relevance:
    pairs = sorted(
        (i, rows[file], value)
        for i, query in enumerate(queries)
        for file, value in query.answers.items()
    )
    return Relevance(
        queries=np.array([rows[query.id] for query in queries], np.int64),
        gallery=np.array([rows[file] for file in gallery], np.int64),
        of_query=np.array([i for i, _, _ in pairs], np.int64),
        rows=np.array([row for _, row, _ in pairs], np.int64),
        values=np.array([value for _, _, value in pairs], np.int8),
        protocol=np.array("oxford"),
    )
