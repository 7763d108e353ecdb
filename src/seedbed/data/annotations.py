"""What is known of images beside one label each: several labels, boxes, or which images answer a
query.

In: what a format read. Out: frozen records of arrays whose rows are the images of a source or a
store, which are thinned with it and kept in one file. Knows nothing of files, tasks or networks.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np

NO_LABEL = -1  # the leaf of an image that has no single label


@dataclass(frozen=True, kw_only=True)
class Annotations(ABC):
    """Annotations of n images."""

    kind: ClassVar[str]

    @abstractmethod
    def of(self, kept: np.ndarray, num_images: int) -> Annotations:
        """Of these images alone, ascending rows int64 [k], whose rows are then 0..k-1."""

    def arrays(self) -> dict[str, np.ndarray]:
        return {f.name: np.asarray(getattr(self, f.name)) for f in fields(self)}

    def digest(self) -> str:
        """SHA-256 of the contents."""
        found = hashlib.sha256(self.kind.encode())
        for name, array in self.arrays().items():
            found.update(f"{name} {array.dtype.str} {array.shape}".encode())
            found.update(np.ascontiguousarray(array).tobytes())
        return found.hexdigest()


@final
@dataclass(frozen=True, kw_only=True)
class Marks(Annotations):
    """Several labels of an image: 1 has it, -1 has it not, 0 is difficult and counts neither
    way."""

    marks: np.ndarray  # int8 [n, K]
    kind: ClassVar[str] = "marks"

    def of(self, kept: np.ndarray, num_images: int) -> Marks:
        return Marks(marks=self.marks[kept])


@final
@dataclass(frozen=True, kw_only=True)
class Boxes(Annotations):
    """Boxes by class. Corners are edges in px of the image as found, from its upper left: (0, 0, 1,
    1) is the first pixel."""

    rows: np.ndarray  # int64 [b], of which image, ascending
    labels: np.ndarray  # int32 [b], index into classes
    corners: np.ndarray  # float64 [b, 4]: left, top, right, bottom
    difficult: np.ndarray  # bool [b]
    kind: ClassVar[str] = "boxes"

    def of(self, kept: np.ndarray, num_images: int) -> Boxes:
        here = np.isin(self.rows, kept)
        thinned = {f.name: getattr(self, f.name)[here] for f in fields(self)}
        return Boxes(**{**thinned, "rows": _places(kept, num_images)[self.rows[here]]})

    def outside(self, sizes: np.ndarray) -> np.ndarray:
        """Positions of the boxes whose middle lies outside of their image; sizes int [b, 2]: width
        and height of each one's image, px."""
        middles = (self.corners[:, :2] + self.corners[:, 2:]) / 2
        return np.flatnonzero((middles < 0).any(1) | (middles > sizes).any(1))

    def of_image(self, row: int) -> np.ndarray:
        """Positions of the boxes of an image."""
        start, end = np.searchsorted(self.rows, (row, row + 1))
        return np.arange(start, end)


@final
@dataclass(frozen=True, kw_only=True)
class Relevance(Annotations):
    """Which images answer which query. Queries and answers are images of the source; a query may be
    one of those that are searched."""

    queries: np.ndarray  # int64 [q]: rows
    gallery: np.ndarray  # int64 [g]: rows that are searched
    of_query: np.ndarray  # int64 [p]: 0..q-1, of each pair
    rows: np.ndarray  # int64 [p]: the image of each pair
    values: np.ndarray  # int8 [p]: 1 is right, -1 is junk, which is left out of rankings
    protocol: np.ndarray  # the name of the metric, as an array of one text
    kind: ClassVar[str] = "relevance"

    def of(self, kept: np.ndarray, num_images: int) -> Relevance:
        place = _places(kept, num_images)
        stays = place[self.queries] >= 0
        number = np.where(stays, np.cumsum(stays) - 1, -1)
        pair = (place[self.rows] >= 0) & (number[self.of_query] >= 0)
        searched = place[self.gallery]
        return replace(
            self,
            queries=place[self.queries[stays]],
            gallery=searched[searched >= 0],
            of_query=number[self.of_query[pair]],
            rows=place[self.rows[pair]],
            values=self.values[pair],
        )


_KINDS: dict[str, type[Annotations]] = {cls.kind: cls for cls in (Marks, Boxes, Relevance)}


def _places(kept: np.ndarray, num_images: int) -> np.ndarray:
    """The new row of each old one, -1 where it is gone."""
    place = np.full(num_images, -1, np.int64)
    place[kept] = np.arange(len(kept))
    return place


def write_annotations(path: Path, annotations: Annotations) -> None:
    """One .npz file of plain arrays."""
    arrays: dict[str, Any] = annotations.arrays()
    np.savez(path, **arrays)


def read_annotations(path: Path, kind: str) -> Annotations:
    with np.load(path, allow_pickle=False) as file:
        return _KINDS[kind](**dict(file))
