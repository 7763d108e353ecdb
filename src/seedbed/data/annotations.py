"""Annotations of images other than one label: several labels, boxes, or relevance to queries.

In: what a format read. Out: frozen records of arrays. Their rows are images of a source or a store;
they are selected together with it, and saved in one file.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np

from seedbed.base.errors import UsageError

NO_LABEL = -1  # the leaf of an image that has no single label


@dataclass(frozen=True, kw_only=True)
class Annotations(ABC):
    """Annotations of n images."""

    kind: ClassVar[str]

    @abstractmethod
    def select(self, rows: np.ndarray, num_images: int) -> Annotations:
        """Keep some images, whose rows then become 0..k-1.

        Args:
            rows: int64 [k], ascending.
            num_images: n, images before the selection.
        """

    def arrays(self) -> dict[str, np.ndarray]:
        return {f.name: np.asarray(getattr(self, f.name)) for f in fields(self)}

    def digest(self) -> str:
        """SHA-256 of the contents."""
        sha = hashlib.sha256(self.kind.encode())
        for name, array in self.arrays().items():
            sha.update(f"{name} {array.dtype.str} {array.shape}".encode())
            sha.update(np.ascontiguousarray(array).tobytes())
        return sha.hexdigest()


@final
@dataclass(frozen=True, kw_only=True)
class Marks(Annotations):
    """Several labels of an image: 1 present, -1 absent, 0 difficult, which is not scored."""

    marks: np.ndarray  # int8 [n, K]
    kind: ClassVar[str] = "marks"

    def select(self, rows: np.ndarray, num_images: int) -> Marks:
        return Marks(marks=self.marks[rows])


@final
@dataclass(frozen=True, kw_only=True)
class Boxes(Annotations):
    """Boxes with their classes.

    Corners are edges in px of the image file, from its upper left: the first pixel is (0, 0, 1, 1).
    """

    rows: np.ndarray  # int64 [b], the image of each box, ascending
    labels: np.ndarray  # int32 [b], index into classes
    corners: np.ndarray  # float64 [b, 4]: left, top, right, bottom
    difficult: np.ndarray  # bool [b]
    kind: ClassVar[str] = "boxes"

    def select(self, rows: np.ndarray, num_images: int) -> Boxes:
        selected = np.isin(self.rows, rows)
        columns = {f.name: getattr(self, f.name)[selected] for f in fields(self)}
        return Boxes(**{**columns, "rows": _new_rows(rows, num_images)[columns["rows"]]})

    def outside(self, sizes: np.ndarray) -> np.ndarray:
        """Positions of the boxes whose centre lies outside their image.

        `sizes`: int [b, 2], width and height in px of the image of each box.
        """
        centres = (self.corners[:, :2] + self.corners[:, 2:]) / 2
        return np.flatnonzero((centres < 0).any(1) | (centres > sizes).any(1))

    def boxes_of_image(self, row: int) -> np.ndarray:
        """Positions of the boxes of an image."""
        start, end = np.searchsorted(self.rows, (row, row + 1))
        return np.arange(start, end)


@final
@dataclass(frozen=True, kw_only=True)
class Relevance(Annotations):
    """Queries, the gallery that is searched, and which gallery images answer which query.

    A query may be a gallery image too.
    """

    queries: np.ndarray  # int64 [q]: rows
    gallery: np.ndarray  # int64 [g]: rows that are searched
    of_query: np.ndarray  # int64 [p]: 0..q-1, the query of each pair
    rows: np.ndarray  # int64 [p]: the image of each pair
    values: np.ndarray  # int8 [p]: 1 relevant, -1 junk, which rankings leave out
    protocol: np.ndarray  # the name of the metric, as an array of one text
    kind: ClassVar[str] = "relevance"

    def select(self, rows: np.ndarray, num_images: int) -> Relevance:
        new_rows = _new_rows(rows, num_images)
        has_query = new_rows[self.queries] >= 0
        new_queries = np.where(has_query, np.cumsum(has_query) - 1, -1)
        has_pair = (new_rows[self.rows] >= 0) & (new_queries[self.of_query] >= 0)
        gallery = new_rows[self.gallery]
        return replace(
            self,
            queries=new_rows[self.queries[has_query]],
            gallery=gallery[gallery >= 0],
            of_query=new_queries[self.of_query[has_pair]],
            rows=new_rows[self.rows[has_pair]],
            values=self.values[has_pair],
        )


_KINDS: dict[str, type[Annotations]] = {cls.kind: cls for cls in (Marks, Boxes, Relevance)}


def _new_rows(rows: np.ndarray, num_images: int) -> np.ndarray:
    """The new row of each image when `rows` are selected, -1 for the others: int64 [num_images]."""
    new_rows = np.full(num_images, -1, np.int64)
    new_rows[rows] = np.arange(len(rows))
    return new_rows


def write_annotations(path: Path, annotations: Annotations) -> None:
    """Write one .npz file of plain arrays."""
    arrays: dict[str, Any] = annotations.arrays()
    np.savez(path, **arrays)


def read_annotations(path: Path, kind: str) -> Annotations:
    """Read what `write_annotations` wrote."""
    with np.load(path, allow_pickle=False) as file:
        return _KINDS[kind](**dict(file))


_ANNOTATION_WORDS = {
    "boxes": "boxes",
    "marks": "several labels an image",
    "relevance": "queries and answers",
}


def single_label_error(name: str, kind: str) -> UsageError:
    """The error for data with annotations of a kind, where images of one label are needed."""
    return UsageError(
        f"{name} has {_ANNOTATION_WORDS[kind]}, and one label an image is needed here",
        "Name a data set with one label an image; this one can be a target: "
        "seedbed transfer BACKBONE DATA METHOD.",
    )
