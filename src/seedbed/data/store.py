"""A packed store: decoded once, memory-mapped, every split in one folder.

In: a folder that `pack` wrote. Out: pixels and columns as arrays. Knows nothing of recipes.

    <store>/                    layout version 2, little-endian
      pixels.npy                uint8 [n, size_px, size_px, 3]; or, in an encoded store,
      encoded.bin               the files' own bytes, one after another
      rows.parquet              id, id_hash, leaf, split, width_px, height_px, checksum, group: one
                                row per image, sorted by id; in an encoded store offset, num_bytes
                                too; split_found where the source has no training images
      unreadable.csv            id, reason (only if there are any)
      annotations.npz           several labels, boxes or answers to queries, where images have no
                                single label
      store.json                written last: version, decoder, resize rule, classes, names,
                                parents, counts, digest
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from seedbed.base.errors import BadDataError, UsageError
from seedbed.base.paths import expand_user
from seedbed.data.annotations import NO_LABEL, Annotations, Boxes, Marks, read_annotations
from seedbed.data.hierarchy import Hierarchy
from seedbed.data.hierarchy_files import open_hierarchy, placed
from seedbed.data.source import SPLITS, TEST, VAL

VERSION = 2
STORE_JSON, PIXELS, ROWS, UNREADABLE = "store.json", "pixels.npy", "rows.parquet", "unreadable.csv"
_ANNOTATED = {
    "boxes": "boxes",
    "marks": "several labels an image",
    "relevance": "queries and what answers them",
}
ENCODED, ANNOTATIONS = "encoded.bin", "annotations.npz"


@dataclass(frozen=True)
class Store:
    """A packed data set; open one with `Store.open(path)`, make one with `pack`."""

    path: Path
    # another hierarchy than the one that it was packed with, in words
    hierarchy_text: str | None = None

    @staticmethod
    def open(path: str | Path) -> Store:
        """The store at `path`; raises BadDataError when there is none, or one of another
        version."""
        store = Store(expand_user(path))
        # unlike Path.exists, false for a text too long to be a path
        if not os.path.exists(store.path):
            raise BadDataError(
                f"there is no {path}", "Check the path, or make a store: seedbed pack SOURCE STORE."
            )
        if not Store.is_at(store.path):
            raise BadDataError(f"{path} is not a store", "Make one: seedbed pack SOURCE STORE.")
        if store.card.get("version") != VERSION:
            raise BadDataError(
                f"{path} has store layout {store.card.get('version')}, and this seedbed reads layout {VERSION}",
                "Pack the source again.",
            )
        return store

    @staticmethod
    def is_at(path: str | Path) -> bool:
        """Whether `path` is a finished store."""
        return os.path.isfile(expand_user(path) / STORE_JSON)  # noqa: PTH113  false, not an error, for a text too long to be a path

    @cached_property
    def card(self) -> dict[str, Any]:
        """What `store.json` says."""
        return json.loads((self.path / STORE_JSON).read_text(encoding="utf-8"))

    @cached_property
    def pixels(self) -> np.ndarray:
        """uint8 [n, size_px, size_px, 3], memory-mapped and read-only: it may be larger than
        memory."""
        return np.load(self.path / PIXELS, mmap_mode="r")

    @property
    def is_encoded(self) -> bool:
        """Whether the images lie there as files do, to be decoded when they are needed."""
        return self.card["kind"] == "encoded"

    def encoded(self, row: int) -> bytes:
        """The bytes of an image of an encoded store."""
        start = int(self._offsets[row])
        return self._bytes[start : start + int(self._num_bytes[row])].tobytes()

    @cached_property
    def _bytes(self) -> np.ndarray:
        return np.memmap(self.path / ENCODED, np.uint8, "r")

    @cached_property
    def _offsets(self) -> np.ndarray:
        return self._column("offset").to_numpy()

    @cached_property
    def _num_bytes(self) -> np.ndarray:
        return self._column("num_bytes").to_numpy()

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Leaf labels, sorted."""
        return tuple(self.card["classes"])

    @cached_property
    def hierarchy(self) -> Hierarchy | None:
        """The one that it was asked to have, else the one that it was packed with."""
        if self.hierarchy_text:
            return open_hierarchy(self.hierarchy_text, self.classes)
        parents = self.card["parents"]
        return (
            Hierarchy({k: tuple(v) for k, v in parents.items()}, names=self.names)
            if parents
            else None
        )

    def with_hierarchy(self, text: str | None, folder: Path | None = None) -> Store:
        """The same store under another hierarchy: "wordnet", or a file, its path taken from
        `folder`."""
        if text is None:
            return self
        found = Store(self.path, hierarchy_text=placed(text, folder))
        _ = found.hierarchy  # a wrong one is an error now
        return found

    @property
    def names(self) -> dict[str, str]:
        return self.card["names"]

    @property
    def name(self) -> str:
        return self.card["source"]

    @property
    def size_px(self) -> int:
        return self.card["size_px"]

    @property
    def fit(self) -> Any:
        """How images that are no squares were fitted: crop, squash or pad."""
        return self.card["fit"]

    @property
    def meaning(self) -> str:
        """What its pixels are: side, fit, and the revision of the decoder that made them."""
        return f"{self.size_px} {self.fit} {self.card['decoder_revision']}"

    @property
    def num_images(self) -> int:
        return self.card["num_images"]

    @property
    def digest(self) -> str:
        """SHA-256 of the contents: ids, bytes as found, labels, splits, size and decoder
        revision."""
        return self.card["digest"]

    @property
    def unreadable(self) -> Path | None:
        """The list of the images that were left out, if any were."""
        return self.path / UNREADABLE if self.card["num_unreadable"] else None

    @property
    def remarks(self) -> list[str]:
        """What a reader of results must know of the data: images left out, what is doubtful, and
        splits that were derived."""
        num = self.card["num_unreadable"]
        lost = (
            [
                f"{num:,} unreadable image{'s' if num > 1 else ''} left out, listed in {self.unreadable}"
            ]
            if num
            else []
        )
        return [
            *lost,
            *self.doubts,
            *(f"{name} images are {how}" for name, how in self.card["derived_splits"].items()),
        ]

    @property
    def doubts(self) -> list[str]:
        """What its source said of itself, classes that are one but for their capitals, boxes
        outside of their images."""
        first: dict[str, str] = {}
        alike = [(first[c.lower()], c) for c in self.classes if first.setdefault(c.lower(), c) != c]
        words = [f"classes {one!r} and {other!r} differ in capitals alone" for one, other in alike]
        return [
            *self.card.get("notes", ()),
            *words,
            *([self.box_faults] if self.box_faults else []),
        ]

    @cached_property
    def box_faults(self) -> str:
        """How many boxes lie outside of their images, and the first as it was written; empty where
        none does."""
        found = self.annotations
        if not isinstance(found, Boxes) or not len(
            outside := found.outside(self.sizes(found.rows))
        ):
            return ""
        first = int(outside[0])
        row = int(found.rows[first])
        width, height = self.sizes(np.array([row]))[0]
        left, top, right, bottom = found.corners[first]
        return (
            f"{len(outside):,} box{'' if len(outside) == 1 else 'es'} outside of the image, the first with xmin {left + 1:g}, ymin "
            f"{top + 1:g}, xmax {right:g}, ymax {bottom:g} in {self.ids[row]}, which is {width} x {height} px"
        )

    @property
    def empty_classes(self) -> list[str]:
        """Class folders of the source that held no images; they are not among `classes`."""
        return self.card.get("empty_classes", [])

    def _column(self, name: str) -> Any:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            return pq.read_table(self.path / ROWS, columns=[name])[name]
        except (OSError, pa.ArrowException) as error:
            raise BadDataError(
                f"the store {self.path} is damaged: {ROWS}: {str(error).splitlines()[0]}",
                "Remove it, and pack its source again.",
            ) from None

    @property
    def annotated(self) -> str | None:
        """What stands beside or instead of one label: marks, boxes, relevance, or nothing."""
        return self.card.get("annotations")

    @cached_property
    def annotations(self) -> Annotations | None:
        """Several labels, boxes or answers to queries, whose rows are this store's."""
        if self.annotated is None:
            return None
        try:
            return read_annotations(self.path / ANNOTATIONS, self.annotated)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BadDataError(
                f"the store {self.path} is damaged: {ANNOTATIONS}: {error}",
                "Remove it, and pack its source again.",
            ) from None

    def class_sizes(self, split: int | None = None) -> np.ndarray:
        """Images of each class, in all or in one split: int64 [num_classes]; of several labels
        those that have it, of boxes those that show one; zeros where images have no classes but
        queries and answers."""
        among = np.ones(self.num_images, bool) if split is None else self.splits == split
        found = self.annotations
        if isinstance(found, Marks):
            return (found.marks[among] > 0).sum(0)
        if isinstance(found, Boxes):
            pairs = np.unique(
                np.stack([found.rows, found.labels], axis=1)[among[found.rows]], axis=0
            )
            return np.bincount(pairs[:, 1], minlength=len(self.classes))
        leaves = self.leaves[among]
        return np.bincount(leaves[leaves >= 0], minlength=len(self.classes))

    def must_have_one_label(self) -> None:
        """Raise UsageError where images have no single label: such a store is no source of classes,
        but a target."""
        if self.annotated is not None:
            raise UsageError(
                f"{self.name} has {_ANNOTATED[self.annotated]}, and one label an image is needed here",
                "Name a data set with one label an image; this one can be a target: seedbed transfer BACKBONE DATA METHOD.",
            )

    def sizes(self, rows: np.ndarray) -> np.ndarray:
        """Width and height of images as found, px: int32 [k, 2]."""
        return np.stack(
            [self._column(name).to_numpy()[rows] for name in ("width_px", "height_px")], axis=1
        )

    @cached_property
    def leaves(self) -> np.ndarray:
        """int32 [n], index into `classes`; -1 of images without a single label."""
        return _codes(self._column("leaf"), self.classes).astype(np.int32)

    @cached_property
    def splits(self) -> np.ndarray:
        """uint8 [n], index into SPLITS: train, val, test."""
        return _codes(self._column("split"), SPLITS).astype(np.uint8)

    @property
    def only_held_out(self) -> bool:
        """Whether the source has validation or test images alone; training images are then split
        off them."""
        return bool(self.card.get("only_held_out"))

    @cached_property
    def held_out_rows(self) -> np.ndarray:
        """int64 [m]: of a store that is `only_held_out`, all test images as the source has them, or
        its validation images where it has no test images."""
        splits_found = _codes(self._column("split_found"), SPLITS)
        has_test = (splits_found == TEST).any()
        return np.flatnonzero(splits_found == (TEST if has_test else VAL))

    @cached_property
    def hashes(self) -> np.ndarray:
        """uint64 [n], of the ids."""
        return self._column("id_hash").to_numpy()

    @cached_property
    def checksums(self) -> np.ndarray:
        """uint64 [n], of the bytes as found."""
        return self._column("checksum").to_numpy()

    @cached_property
    def groups(self) -> np.ndarray:
        """uint64 [n]: one hash for all near duplicates of a class, which splits keep on one
        side."""
        return self._column("group").to_numpy()

    @cached_property
    def ids(self) -> np.ndarray:
        """str objects [n], sorted."""
        return self._column("id").to_numpy()


def _codes(column: Any, values: tuple[str, ...]) -> np.ndarray:
    """Positions in `values` of a dictionary-encoded column's entries: int64 [n]."""
    column = column.combine_chunks()
    index = {value: i for i, value in enumerate(values)}
    table = np.array([index[v] for v in column.dictionary.to_pylist()], dtype=np.int64)
    return np.append(table, NO_LABEL)[column.indices.fill_null(len(table)).to_numpy()]


def digest_of(
    ids: np.ndarray,
    checksums: np.ndarray,
    leaves: np.ndarray,
    splits: np.ndarray,
    meaning: dict[str, Any],
) -> str:
    """SHA-256 over ids, contents, labels and splits in row order, and what the pixels mean."""
    digest = hashlib.sha256(json.dumps(meaning, sort_keys=True).encode())
    digest.update("\n".join(ids).encode("utf-8", "surrogateescape"))
    for array, kind in ((checksums, "<u8"), (leaves, "<i4"), (splits, "u1")):
        digest.update(np.ascontiguousarray(array, dtype=kind).tobytes())
    return digest.hexdigest()
