"""A packed store: images decoded once, memory-mapped, all splits in one folder.

In: a folder that `pack` wrote. Out: pixels and columns as arrays.

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
from typing import Any, cast

import numpy as np

from seedbed.base.errors import BadDataError
from seedbed.base.paths import expand_user
from seedbed.data.annotations import (
    NO_LABEL,
    Annotations,
    Boxes,
    Marks,
    read_annotations,
    single_label_error,
)
from seedbed.data.bit_depth import describe_white
from seedbed.data.decode import Fit, decode
from seedbed.data.hierarchy import Hierarchy
from seedbed.data.hierarchy_files import open_hierarchy, with_absolute_path
from seedbed.data.skipped_files import SkippedFiles, from_card
from seedbed.data.source import SPLITS, TEST, VAL

VERSION = 2
STORE_JSON, PIXELS, ROWS, UNREADABLE = "store.json", "pixels.npy", "rows.parquet", "unreadable.csv"
ENCODED, ANNOTATIONS = "encoded.bin", "annotations.npz"

# Without these, a store cannot be opened.
_CARD_KEYS = {"version", "classes", "num_images", "digest"}


@dataclass(frozen=True)
class Store:
    """A packed data set; open one with `Store.open(path)`, make one with `pack`."""

    path: Path
    # another hierarchy than the one of the source, as `open_hierarchy` takes it
    hierarchy_text: str | None = None

    @staticmethod
    def open(path: str | Path) -> Store:
        """Open the store at `path`; raises BadDataError if there is none, or one of another
        version."""
        store = Store(expand_user(path))
        # Path.exists raises for a text that is too long for a path
        if not os.path.exists(store.path):
            raise BadDataError(
                f"there is no {path}", "Check the path, or make a store: seedbed pack SOURCE STORE."
            )
        if not Store.is_at(store.path):
            raise BadDataError(f"{path} is not a store", "Make one: seedbed pack SOURCE STORE.")
        if store.card.get("version") != VERSION:
            raise BadDataError(
                f"{path} has store layout {store.card.get('version')}, and this seedbed reads "
                f"layout {VERSION}",
                "Pack the source again.",
            )
        return store

    @staticmethod
    def is_at(path: str | Path) -> bool:
        """Whether there is a complete store at `path`."""
        # Path.is_file raises for a text that is too long for a path
        return os.path.isfile(expand_user(path) / STORE_JSON)  # noqa: PTH113

    @cached_property
    def card(self) -> dict[str, Any]:
        """The contents of `store.json`."""
        path = self.path / STORE_JSON
        try:
            card = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise _damaged_error(self.path, f"{STORE_JSON}: {error}") from None
        if not isinstance(card, dict) or not card.keys() >= _CARD_KEYS:
            raise _damaged_error(self.path, f"{STORE_JSON} is not complete")
        return card

    @cached_property
    def pixels(self) -> np.ndarray:
        """uint8 [n, size_px, size_px, 3], memory-mapped and read-only; may be larger than
        memory."""
        try:
            return np.load(self.path / PIXELS, mmap_mode="r")
        except (OSError, ValueError) as error:
            raise _damaged_error(self.path, f"{PIXELS}: {error}") from None

    @property
    def is_encoded(self) -> bool:
        """Whether the store has the bytes of the files, which are decoded when they are needed."""
        return self.card["kind"] == "encoded"

    def encoded(self, row: int) -> bytes:
        """The bytes of an image of an encoded store."""
        start = int(self._offsets[row])
        return self._bytes[start : start + int(self._num_bytes[row])].tobytes()

    def decoded(self, row: int, size_px: int | None = None) -> np.ndarray:
        """An image of an encoded store: uint8 [size_px, size_px, 3], by default of the store's
        size; raises ValueError where it cannot be decoded."""
        fit = cast(Fit, self.fit)
        return decode(self.encoded(row), size_px or self.size_px, fit, self.white)[0]

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
        """The hierarchy of `with_hierarchy`, else that of the source."""
        if self.hierarchy_text:
            return open_hierarchy(self.hierarchy_text, self.classes)
        parents = self.card["parents"]
        if not parents:
            return None
        return Hierarchy({k: tuple(v) for k, v in parents.items()}, names=self.names)

    def with_hierarchy(self, text: str | None, folder: Path | None = None) -> Store:
        """The same store with another hierarchy: "wordnet" or a file, relative to `folder`; None
        changes nothing."""
        if text is None:
            return self
        store = Store(self.path, hierarchy_text=with_absolute_path(text, folder))
        _ = store.hierarchy  # raises for a hierarchy that does not fit
        return store

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
        """How images that are not square were fitted: one of `decode.FITS`."""
        return self.card["fit"]

    @property
    def meaning(self) -> str:
        """What the pixels are: size, fit, and the revision of the decoder."""
        return f"{self.size_px} {self.fit} {self.card['decoder_revision']}"

    @property
    def num_images(self) -> int:
        return self.card["num_images"]

    @property
    def digest(self) -> str:
        """SHA-256 of ids, files, labels, splits, size and decoder revision."""
        return self.card["digest"]

    @property
    def unreadable(self) -> Path | None:
        """The file that lists the unreadable images, if there are any."""
        return self.path / UNREADABLE if self.card["num_unreadable"] else None

    @property
    def notes(self) -> list[str]:
        """What a reader of results must know: images left out, doubtful classes and boxes, derived
        splits."""
        num, notes = self.card["num_unreadable"], self.source_notes
        if num:
            plural = "s" if num > 1 else ""
            notes.insert(
                0, f"{num:,} unreadable image{plural} left out, listed in {self.unreadable}"
            )
        derived = self.card["derived_splits"]
        return notes + [f"{name} images are {how}" for name, how in derived.items()]

    @property
    def source_notes(self) -> list[str]:
        """Notes on the source, classes that differ only in capitals, boxes outside their images."""
        first: dict[str, str] = {}
        pairs = [(first[c.lower()], c) for c in self.classes if first.setdefault(c.lower(), c) != c]
        capitals = [
            f"classes {one!r} and {other!r} differ only in capitals" for one, other in pairs
        ]
        boxes = [self.box_faults] if self.box_faults else []
        depth = [] if self.white is None else [describe_white(self.white)]
        return [*self.card.get("notes", ()), *map(str, self.skipped), *depth, *capitals, *boxes]

    @property
    def white(self) -> float | None:
        """The value that became 255 in images of more than 8 bits; None where that is 65,535."""
        return self.card.get("white")

    @property
    def skipped(self) -> list[SkippedFiles]:
        """Files of the source that were not read."""
        return from_card(self.card.get("skipped", ()))

    @cached_property
    def box_faults(self) -> str:
        """How many boxes are outside their images, and the first of them; empty if there are
        none."""
        boxes = self.annotations
        if not isinstance(boxes, Boxes):
            return ""
        outside = boxes.outside(self.sizes(boxes.rows))
        if not len(outside):
            return ""
        first, num = int(outside[0]), len(outside)
        row = int(boxes.rows[first])
        width, height = self.sizes(np.array([row]))[0]
        left, top, right, bottom = boxes.corners[first]
        return (
            f"{num:,} box{'' if num == 1 else 'es'} outside of the image, the first with "
            f"xmin {left + 1:g}, ymin {top + 1:g}, xmax {right:g}, ymax {bottom:g} in "
            f"{self.ids[row]}, which is {width} x {height} px"
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
            raise _damaged_error(self.path, f"{ROWS}: {str(error).splitlines()[0]}") from None

    @property
    def annotation_kind(self) -> str | None:
        """The kind of annotation that images have: marks, boxes or relevance; None for one
        label."""
        return self.card.get("annotations")

    @cached_property
    def annotations(self) -> Annotations | None:
        """Several labels, boxes or relevance to queries; their rows are rows of this store."""
        if self.annotation_kind is None:
            return None
        try:
            return read_annotations(self.path / ANNOTATIONS, self.annotation_kind)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise _damaged_error(self.path, f"{ANNOTATIONS}: {error}") from None

    def class_sizes(self, split: int | None = None) -> np.ndarray:
        """The number of images of each class, in all splits or in one: int64 [num_classes].

        With several labels or boxes: images that have the label, or a box of the class. Zeros for
        queries and answers, which have no classes.
        """
        selected = np.ones(self.num_images, bool) if split is None else self.splits == split
        annotations = self.annotations
        if isinstance(annotations, Marks):
            return (annotations.marks[selected] > 0).sum(0)
        if isinstance(annotations, Boxes):
            pairs = np.stack([annotations.rows, annotations.labels], axis=1)
            pairs = np.unique(pairs[selected[annotations.rows]], axis=0)
            return np.bincount(pairs[:, 1], minlength=len(self.classes))
        leaves = self.leaves[selected]
        return np.bincount(leaves[leaves >= 0], minlength=len(self.classes))

    def require_single_label(self) -> None:
        """Raise UsageError if images do not have a single label: the store can then only be a
        target."""
        if self.annotation_kind is not None:
            raise single_label_error(self.name, self.annotation_kind)

    def sizes(self, rows: np.ndarray) -> np.ndarray:
        """Width and height of the image files, px: int32 [k, 2]."""
        return np.stack(
            [self._column(name).to_numpy()[rows] for name in ("width_px", "height_px")], axis=1
        )

    @cached_property
    def leaves(self) -> np.ndarray:
        """int32 [n], index into `classes`; -1 for images without a single label."""
        return _codes(self._column("leaf"), self.classes).astype(np.int32)

    @cached_property
    def splits(self) -> np.ndarray:
        """uint8 [n], index into SPLITS: train, val, test."""
        return _codes(self._column("split"), SPLITS).astype(np.uint8)

    @property
    def only_held_out(self) -> bool:
        """Whether the source has only validation or test images, of which training images are then
        split off."""
        return bool(self.card.get("only_held_out"))

    @cached_property
    def held_out_rows(self) -> np.ndarray:
        """The test images of a source that is `only_held_out`, or its validation images if there
        are no test images: int64 [m]."""
        source_splits = _codes(self._column("split_found"), SPLITS)
        has_test = (source_splits == TEST).any()
        return np.flatnonzero(source_splits == (TEST if has_test else VAL))

    @cached_property
    def hashes(self) -> np.ndarray:
        """Hashes of the ids: uint64 [n]."""
        return self._column("id_hash").to_numpy()

    @cached_property
    def checksums(self) -> np.ndarray:
        """Hashes of the files: uint64 [n]."""
        return self._column("checksum").to_numpy()

    @cached_property
    def groups(self) -> np.ndarray:
        """One hash for all near duplicates of a class, to be kept on one side by splits: uint64
        [n]."""
        return self._column("group").to_numpy()

    @cached_property
    def ids(self) -> np.ndarray:
        """str objects [n], sorted."""
        return self._column("id").to_numpy()


def _damaged_error(path: Path, reason: str) -> BadDataError:
    return BadDataError(
        f"the store {path} is damaged: {reason}", "Remove it, and pack its source again."
    )


def _codes(column: Any, values: tuple[str, ...]) -> np.ndarray:
    """Positions of a dictionary-encoded column's entries in `values`: int64 [n]."""
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
    """SHA-256 of ids, contents, labels and splits in row order, and of the pixels' meaning."""
    digest = hashlib.sha256(json.dumps(meaning, sort_keys=True).encode())
    digest.update("\n".join(ids).encode("utf-8", "surrogateescape"))
    for array, kind in ((checksums, "<u8"), (leaves, "<i4"), (splits, "u1")):
        digest.update(np.ascontiguousarray(array, dtype=kind).tobytes())
    return digest.hexdigest()
