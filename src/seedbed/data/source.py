"""A source: labelled images as they lie on disk, or as a program draws them.

In: what a format found (ids, leaf labels, splits) and a reader of pixels. Out: one frozen record
that packing consumes. Knows nothing of stores, recipes or tasks. A target is a source too.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from seedbed.base.errors import BadDataError
from seedbed.data.annotations import Annotations, single_label_error
from seedbed.data.hierarchy import Hierarchy
from seedbed.data.skipped_files import SkippedFiles

SPLITS = ("train", "val", "test")
TRAIN, VAL, TEST = range(3)


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A batch of k images as read: rows that failed have zero pixels and a reason."""

    pixels: np.ndarray  # uint8 [k, size_px, size_px, 3]
    widths: np.ndarray  # int32 [k], as found, px
    heights: np.ndarray  # int32 [k], as found, px
    checksums: np.ndarray  # uint64 [k], of the bytes as found
    failures: Mapping[int, str] = field(default_factory=dict)  # position in the batch -> reason
    # position -> largest value of an image of more than 8 bits
    peaks: Mapping[int, float] = field(default_factory=dict)


class Pixels(ABC):
    """How the images of a source are read; by several threads at once."""

    # Whether one thread is enough (a generator, an array in memory): more cost more than they
    # bring.
    light: bool = False

    @abstractmethod
    def load(self, rows: np.ndarray, size_px: int, fit: str = "crop") -> Loaded:
        """The images of these rows as squares of `size_px`, fitted by a rule of `decode.FITS`;
        never raises for one bad image."""

    def with_white(self, white: float) -> Pixels:
        """The same reader, in which this value of an image of more than 8 bits becomes 255."""
        return self


@dataclass(frozen=True, kw_only=True)
class Source:
    """Labelled images: n records with id, leaf label and split.

    `leaves` indexes `classes`, `splits` indexes `SPLITS`. Ids are unique, sorted, POSIX paths
    relative to the root. `names` maps a class id to words. `listing` fingerprints what was found
    without reading it (names, sizes, times): a changed listing means that the source must be packed
    again.
    """

    name: str
    ids: np.ndarray  # str objects [n]
    leaves: np.ndarray  # int32 [n]
    splits: np.ndarray  # uint8 [n]
    classes: tuple[str, ...]
    pixels: Pixels
    listing: str
    names: Mapping[str, str] = field(default_factory=dict)
    hierarchy: Hierarchy | None = None
    # int32 [n], of which of several sources each row is, whose splits are their own
    parts: np.ndarray | None = None
    # int [n], where several images are cut out of one file: which; all fall into one split
    files: np.ndarray | None = None
    part_names: tuple[str, ...] = ()
    annotations: Annotations | None = None  # beside one label: `leaves` are then all -1
    notes: tuple[str, ...] = ()  # what a reader of results must know: images that were left out
    empty_classes: tuple[str, ...] = ()  # class folders without images; not among `classes`
    skipped: tuple[SkippedFiles, ...] = ()  # files that were not read

    def __post_init__(self) -> None:
        if len(self.ids) == 0:
            raise BadDataError(
                f"no images in {self.name}",
                "Expected images in folders by class, for example cats/1.jpg.",
            )
        assert len(self.ids) == len(self.leaves) == len(self.splits)

    def with_hierarchy(self, hierarchy: Hierarchy) -> Source:
        """The same images under another hierarchy, and its words for classes that have none."""
        return replace(self, hierarchy=hierarchy, names={**hierarchy.names, **self.names})

    def require_single_label(self) -> None:
        """Raise UsageError if images do not have a single label: the data can then only be a
        target."""
        if self.annotations is not None:
            raise single_label_error(self.name, self.annotations.kind)

    @property
    def num_images(self) -> int:
        return len(self.ids)

    @property
    def only_held_out(self) -> bool:
        """Whether images of one label each are all validation or test images, none to train on."""
        one_label = self.annotations is None and self.parts is None
        return one_label and not (self.splits == TRAIN).any()

    @cached_property
    def class_sizes(self) -> np.ndarray:
        """Images of each class over all splits: int64 [num_classes]."""
        return np.bincount(self.leaves[self.leaves >= 0], minlength=len(self.classes))

    def named(self, label: str) -> str:
        """The words for a class id, or the id itself."""
        return self.names.get(label, label)


SPLIT_NAMES = {
    "train": TRAIN,
    "training": TRAIN,
    "val": VAL,
    "valid": VAL,
    "validation": VAL,
    "test": TEST,
    "testing": TEST,
}


def split_named(name: str, where: str) -> int:
    """The split that a word means; raises BadDataError for another word."""
    if name.strip().lower() not in SPLIT_NAMES:
        raise BadDataError(f"{where}: {name!r} is no split", f"Valid: {', '.join(SPLIT_NAMES)}.")
    return SPLIT_NAMES[name.strip().lower()]


def find_split(name: str) -> int | None:
    """The split that a word of a name means: `train-00000-of-00002`, `cifar10-test`; of several
    the last one. None where none does."""
    words = re.split(r"[^a-z]+", name.lower())
    splits = [SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES]
    return splits[-1] if splits else None


def split_of_file(path: str) -> int | None:
    """The split of a file of many images, by its name, else by the nearest folder of its path that
    names one: `test/part0/0000.parquet`; None where none does."""
    folders, _, name = path.rpartition("/")
    parts = [name.partition(".")[0], *reversed(folders.split("/"))]
    return next((split for part in parts if (split := find_split(part)) is not None), None)


def split_of_folder(name: str) -> int | None:
    """The split that a folder's name means, also with a year or a word for a set: `val`,
    `train2017`, `test_set`; None for any other."""
    word = re.sub(r"[-_ ]?((19|20)\d\d|set|data|images?|imgs?)$", "", name.strip().lower())
    return SPLIT_NAMES.get(word)


def split_of_path(path: str) -> int | None:
    """The split that the first such folder of a file's path means: `images/train2017/1.jpg`; None
    if no folder does."""
    splits = map(split_of_folder, path.split("/")[:-1])
    return next((split for split in splits if split is not None), None)


def listing_fingerprint(parts: list[str]) -> str:
    """SHA-256 over what was found, in order."""
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogateescape")).hexdigest()


def from_records(name: str, records: list[tuple[str, str, int]], **others: object) -> Source:
    """A source from (id, leaf label, split) records in any order; `others` are the remaining fields
    of Source.

    Classes are the labels, sorted; the pixel reader must be one that reads rows in the order of
    sorted ids.
    """
    if not records:
        raise BadDataError(
            f"no images in {name}", "Expected images in folders by class, for example cats/1.jpg."
        )
    records = sorted(records)
    if twice := next((a[0] for a, b in itertools.pairwise(records) if a[0] == b[0]), None):
        raise BadDataError(
            f"{name} has two images of one id, {twice!r}", "Rename one: an id stands for one image."
        )
    classes = tuple(sorted({label for _, label, _ in records}))
    index = {label: i for i, label in enumerate(classes)}
    return Source(
        name=name,
        ids=np.array([i for i, _, _ in records], dtype=object),
        leaves=np.fromiter(
            (index[label] for _, label, _ in records), dtype=np.int32, count=len(records)
        ),
        splits=np.fromiter((split for _, _, split in records), dtype=np.uint8, count=len(records)),
        classes=classes,
        **others,  # pyright: ignore[reportArgumentType]
    )
