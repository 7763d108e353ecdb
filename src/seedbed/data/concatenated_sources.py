"""Several sources as one: labels become `name/label`, ids `name/id`; recipes tell them apart by
`only(source='name')`.

In: sources by name. Out: one Source. Each keeps its own splits and its own hierarchy; a store may
stand for a source at its own size. Knows nothing of studies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from seedbed.base.errors import BadDataError, UsageError
from seedbed.data.annotations import NO_LABEL, Boxes, Relevance
from seedbed.data.hierarchy import ROOT, Hierarchy
from seedbed.data.image_files import EncodedPixels
from seedbed.data.source import TRAIN, Loaded, Pixels, Source, listing_fingerprint
from seedbed.data.store import Store


@dataclass(frozen=True)
class _Joined(Pixels):
    """Asks the reader of each row's own source."""

    readers: tuple[Pixels, ...]
    which: np.ndarray  # int32 [n], index into readers
    rows: np.ndarray  # int64 [n], row of that source

    @property
    def light(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return all(reader.light for reader in self.readers)

    def load(self, rows: np.ndarray, size_px: int, fit: str = "crop") -> Loaded:
        k = len(rows)
        pixels, checksums = np.zeros((k, size_px, size_px, 3), np.uint8), np.zeros(k, np.uint64)
        widths, heights = np.zeros(k, np.int32), np.zeros(k, np.int32)
        failures, peaks = {}, {}
        for i, reader in enumerate(self.readers):
            here = np.flatnonzero(self.which[rows] == i)
            if not len(here):
                continue
            loaded = reader.load(self.rows[rows[here]], size_px, fit)
            pixels[here], checksums[here] = loaded.pixels, loaded.checksums
            widths[here], heights[here] = loaded.widths, loaded.heights
            failures |= {int(here[j]): reason for j, reason in loaded.failures.items()}
            peaks |= {int(here[j]): value for j, value in loaded.peaks.items()}
        return Loaded(
            pixels=pixels,
            widths=widths,
            heights=heights,
            checksums=checksums,
            failures=failures,
            peaks=peaks,
        )

    def with_white(self, white: float) -> _Joined:
        return replace(self, readers=tuple(reader.with_white(white) for reader in self.readers))


@dataclass(frozen=True)
class _JoinedFiles(EncodedPixels):
    """The same of sources that are all read from files, so that worker processes may decode."""

    readers: tuple[EncodedPixels, ...]
    which: np.ndarray
    rows: np.ndarray

    def read(self, row: int) -> bytes:
        return self.readers[self.which[row]].read(int(self.rows[row]))

    def part(self, rows: np.ndarray) -> _JoinedFiles:
        which = self.which[rows]
        order = np.argsort(which, kind="stable")
        place = np.empty(len(rows), np.int64)
        readers, start = [], 0
        for i, reader in enumerate(self.readers):
            own_rows = order[start : start + int((which == i).sum())]
            readers.append(reader.part(self.rows[rows[own_rows]]))
            place[own_rows] = np.arange(len(own_rows))
            start += len(own_rows)
        return _JoinedFiles(tuple(readers), which, place)


def join(sources: Mapping[str, Source]) -> Source:
    """One source of several, each under its name."""
    names, parts = list(sources), list(sources.values())
    ids = np.concatenate([_prefixed(name, part.ids) for name, part in sources.items()])
    order = np.argsort(ids)
    which = np.repeat(np.arange(len(parts), dtype=np.int32), [p.num_images for p in parts])[order]
    rows = np.concatenate([np.arange(p.num_images) for p in parts])[order]
    labels = [f"{name}/{label}" for name, part in sources.items() for label in part.classes]
    classes = tuple(sorted(labels))
    place = {label: i for i, label in enumerate(classes)}
    firsts = np.cumsum([0, *(len(p.classes) for p in parts)])
    leaves = np.concatenate(
        [
            np.where(p.leaves < 0, NO_LABEL, first + p.leaves)
            for first, p in zip(firsts, parts, strict=False)
        ]
    )
    return Source(
        name=" + ".join(f"{name}: {part.name}" for name, part in sources.items()),
        ids=ids[order],
        leaves=np.append(np.array([place[label] for label in labels], np.int32), NO_LABEL)[leaves][
            order
        ],
        splits=np.concatenate([p.splits for p in parts])[order],
        classes=classes,
        pixels=_reader([p.pixels for p in parts], which, rows),
        listing=listing_fingerprint(
            [f"{n} {p.listing} {_hierarchy_text(p.hierarchy)}" for n, p in sources.items()]
        ),
        names={
            f"{name}/{label}": words
            for name, part in sources.items()
            for label, words in part.names.items()
        },
        hierarchy=_hierarchy(sources),
        parts=which,
        part_names=tuple(names),
        annotations=_annotations(sources, [place[label] for label in labels], firsts, order),
        notes=tuple(f"{name}: {note}" for name, part in sources.items() for note in part.notes),
        empty_classes=tuple(
            sorted(f"{name}/{label}" for name, p in sources.items() for label in p.empty_classes)
        ),
        skipped=tuple(
            replace(row, example=f"{name}/{row.example}")
            for name, part in sources.items()
            for row in part.skipped
        ),
    )


def for_retrieval(learnt_on: Source, target: Source) -> Source:
    """The images of a set of queries and answers, and others beside as training images, whose
    labels are not looked at."""
    if not isinstance(target.annotations, Relevance):
        raise UsageError(
            f"{target.name} is no set of queries and answers",
            "learn_on goes with these; a labelled data set has training images of its own.",
        )
    plain = {
        "learn_on": replace(learnt_on, annotations=None),
        "target": replace(target, annotations=None),
    }
    joined = join(plain)
    is_target = joined.parts == 1
    row = np.flatnonzero(is_target)  # ids are sorted within each part, as they were before
    relevance = target.annotations
    placed = replace(
        relevance,
        queries=row[relevance.queries],
        gallery=row[relevance.gallery],
        rows=row[relevance.rows],
    )
    splits = np.where(is_target, joined.splits, TRAIN).astype(np.uint8)
    listing = listing_fingerprint([joined.listing, placed.digest()])
    leaves = np.full_like(joined.leaves, NO_LABEL)
    return replace(joined, leaves=leaves, splits=splits, annotations=placed, listing=listing)


def _annotations(
    sources: Mapping[str, Source], place: Sequence[int], firsts: np.ndarray, order: np.ndarray
) -> Boxes | None:
    """The boxes of all, under the joined labels; other annotations cannot be joined."""
    annotations = {name: part.annotations for name, part in sources.items()}
    if not any(annotations.values()):
        return None
    for name, one in annotations.items():
        if not isinstance(one, Boxes):
            has = (
                {"marks": "several labels an image", "relevance": "queries and answers"}[one.kind]
                if one
                else "one label an image"
            )
            raise UsageError(
                f"{name} has {has}, and data sets are joined that have one label an image all, or"
                " boxes all",
                "Name two of one kind.",
            )
    boxes = [one for one in annotations.values() if isinstance(one, Boxes)]
    new_row = np.empty(len(order), np.int64)
    new_row[order] = np.arange(len(order))
    starts = np.cumsum([0, *(part.num_images for part in sources.values())])
    rows = np.concatenate(
        [new_row[start + one.rows] for start, one in zip(starts, boxes, strict=False)]
    )
    labels = np.concatenate([first + one.labels for first, one in zip(firsts, boxes, strict=False)])
    by_row = np.argsort(rows, kind="stable")
    return Boxes(
        rows=rows[by_row],
        labels=np.array(place, np.int32)[labels][by_row],
        corners=np.concatenate([one.corners for one in boxes])[by_row],
        difficult=np.concatenate([one.difficult for one in boxes])[by_row],
    )


def _prefixed(name: str, ids: np.ndarray) -> np.ndarray:
    return np.array([f"{name}/{i}" for i in ids], dtype=object)


def _reader(readers: Sequence[Pixels], which: np.ndarray, rows: np.ndarray) -> Pixels:
    files = tuple(reader for reader in readers if isinstance(reader, EncodedPixels))
    return (
        _JoinedFiles(files, which, rows)
        if len(files) == len(readers)
        else _Joined(tuple(readers), which, rows)
    )


def _hierarchy_text(hierarchy: Hierarchy | None) -> str:
    """A hierarchy as text of the listing: another one means another store."""
    return repr(sorted(hierarchy.parents.items())) if hierarchy else ""


def _hierarchy(sources: Mapping[str, Source]) -> Hierarchy | None:
    """Each label under the node that it is in its own source's hierarchy; without any, right under
    the root."""
    if not any(part.hierarchy for part in sources.values()):
        return None
    parents: dict[str, tuple[str, ...]] = {}
    words: dict[str, str] = {}
    for name, part in sources.items():
        tree = part.hierarchy
        parents |= {f"{name}/{label}": (label if tree else ROOT,) for label in part.classes}
        if tree:
            for node, above in tree.parents.items():
                if parents.setdefault(node, above) != above:
                    raise BadDataError(
                        f"sources share the node {node!r} under different parents: {name} has it"
                        f" under {' and '.join(above)}, another under"
                        f" {' and '.join(parents[node])}",
                        'Give all one hierarchy, such as "wordnet", or name the node differently in'
                        " one of them.",
                    )
            words |= dict(tree.names)
    return Hierarchy(parents, names=words)


@dataclass(frozen=True)
class _StorePixels(Pixels):
    """Reads the images of a store, which are of one size already."""

    path: Path
    light = True

    @cached_property
    def _store(self) -> Store:
        return Store.open(self.path)

    def load(self, rows: np.ndarray, size_px: int, fit: str = "crop") -> Loaded:
        store = self._store
        sides = np.full(len(rows), store.size_px, np.int32)
        return Loaded(
            pixels=np.asarray(store.pixels[rows]),
            widths=sides,
            heights=sides,
            checksums=store.checksums[rows],
            failures={},
        )


def source_of(store: Store, size_px: int) -> Source:
    """A packed store as a source, to be joined with others at its own size; raises UsageError at
    another size."""
    if store.is_encoded or store.size_px != size_px:
        kind = "of encoded files" if store.is_encoded else f"packed at {store.size_px} px"
        raise UsageError(
            f"{store.path} is a store {kind}, and the sources are joined at {size_px} px",
            (
                "Name the images instead of the store."
                if store.is_encoded
                else f"Pack it at {size_px} px, or name the images instead."
            ),
        )
    return Source(
        name=store.name,
        ids=store.ids,
        leaves=store.leaves,
        splits=store.splits,
        classes=store.classes,
        pixels=_StorePixels(store.path),
        listing=store.digest,
        names=store.names,
        hierarchy=store.hierarchy,
    )
