"""What to look at before anything is trained: unreadable files, tiny classes, near duplicates
within a data set and against another.

In: one store or two. Out: a record. Near duplicates: `seedbed.data.duplicates`. Knows nothing of
networks.
"""

from __future__ import annotations

import csv
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from seedbed.base.device import num_cores
from seedbed.data import duplicates
from seedbed.data.class_faults import find_class_faults, split_note
from seedbed.data.decode import decode
from seedbed.data.matching_classes import shared_classes
from seedbed.data.store import Store
from seedbed.data.view import entropy_bits

TINY = 10  # images; with fewer, a class is hardly learned and hardly measured
_BLOCK_BYTES = 2**24  # of images described at a time by each core


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What was found; ids throughout."""

    num_images: int
    class_sizes: dict[str, int]
    unreadable: list[dict[str, str]]  # id, reason
    tiny_classes: list[str]
    empty_classes: list[str] = field(default_factory=list)  # class folders without images, say
    unreadable_classes: list[str] = field(default_factory=list)  # none of the images can be read
    single_image_classes: list[str] = field(default_factory=list)
    splits: dict[str, int] = field(default_factory=dict)  # images of each
    derived_splits: dict[str, str] = field(default_factory=dict)  # split -> how it was derived
    duplicate_groups: list[list[str]]
    across_splits: list[list[str]]  # those of the groups that lie in more than one split: leaks
    across_classes: list[list[str]]  # those with more than one label: a wrong label, often
    # id, and the ids of its near duplicates in the other data set
    shared_with: list[dict[str, Any]]
    # class of the other data set -> classes here under it
    shared_classes: dict[str, list[str]] = field(default_factory=dict)
    # id, id in the other data set, similarity of their codes
    near_by_codes: list[dict[str, Any]] = field(default_factory=list)
    codes_threshold: float | None = None
    # images that were left out, doubtful classes and boxes
    notes: list[str] = field(default_factory=list)
    # share of the images as near, by codes, to another image of their own data set
    codes_lookalikes: float | None = None

    def to_dict(self) -> dict[str, Any]:
        sizes = np.array(list(self.class_sizes.values()), np.float64)
        return {
            "num_images": self.num_images,
            "num_classes": len(self.class_sizes),
            "unreadable": self.unreadable,
            "notes": self.notes,
            "tiny_classes": self.tiny_classes,
            "empty_classes": self.empty_classes,
            "unreadable_classes": self.unreadable_classes,
            "single_image_classes": self.single_image_classes,
            "splits": self.splits,
            "derived_splits": self.derived_splits,
            "duplicate_groups": self.duplicate_groups,
            "shared_with": self.shared_with,
            "shared_classes": self.shared_classes,
            "near_by_codes": self.near_by_codes,
            "codes_threshold": self.codes_threshold,
            "codes_lookalikes": self.codes_lookalikes,
            "groups_across_splits": self.across_splits,
            "groups_across_classes": self.across_classes,
            "smallest_class": int(sizes.min()),
            "largest_class": int(sizes.max()),
            "entropy_bits": entropy_bits(sizes),
        }


def audit_store(
    store: Store, against: Store | None = None, on_progress: duplicates.OnProgress | None = None
) -> Audit:
    """Look through a store, and for near duplicates of its images in another; `on_progress`:
    (images compared, images)."""
    described = _described(store)
    pairs = duplicates.near_pairs(
        described, store.checksums, lambda rows: _pixels(store, rows), on_progress
    )
    groups = _groups(len(described), pairs)
    ids, leaves, splits = store.ids, store.leaves, store.splits
    name = lambda rows: [str(ids[row]) for row in rows]  # noqa: E731
    classes, sizes, faults = store.classes, store.class_sizes(), find_class_faults(store)
    if store.annotated == "relevance":  # queries and answers: no classes to count
        classes, sizes = ("images",), np.array([store.num_images])
    return Audit(
        num_images=store.num_images,
        class_sizes={c: int(n) for c, n in zip(classes, sizes, strict=True)},
        unreadable=_unreadable(store),
        notes=[*store.doubts, *faults.notes, *split_note(store)],
        empty_classes=faults.empty,
        unreadable_classes=faults.unreadable,
        single_image_classes=faults.single_image,
        splits=store.card["splits"],
        derived_splits=store.card["derived_splits"],
        tiny_classes=[c for c, n in zip(classes, sizes, strict=True) if n < TINY],
        duplicate_groups=[name(g) for g in groups],
        across_splits=[name(g) for g in groups if len(set(splits[g].tolist())) > 1],
        across_classes=[name(g) for g in groups if len(set(leaves[g].tolist())) > 1],
        shared_with=_shared(store, described, against, on_progress) if against else [],
        shared_classes=shared_classes(store, against) if against else {},
    )


def _shared(
    store: Store, described: np.ndarray, against: Store, on_progress: duplicates.OnProgress | None
) -> list[dict[str, Any]]:
    others = _described(against)
    pairs = duplicates.confirmed(
        duplicates.candidates(described, others, on_progress),
        lambda rows: _pixels(store, rows),
        lambda rows: _pixels(against, rows),
    )
    equal = {int(c): [] for c in np.intersect1d(store.checksums, against.checksums)}
    for row, checksum in enumerate(against.checksums):
        if int(checksum) in equal:
            equal[int(checksum)].append(row)
    found: dict[int, set[int]] = {}
    for mine, theirs in pairs.tolist():
        found.setdefault(mine, set()).add(theirs)
    for row, checksum in enumerate(store.checksums):
        if int(checksum) in equal:
            found.setdefault(row, set()).update(equal[int(checksum)])
    return [
        {"id": str(store.ids[mine]), "near": [str(against.ids[t]) for t in sorted(found[mine])]}
        for mine in sorted(found)
    ]


def _groups(num: int, pairs: np.ndarray) -> list[np.ndarray]:
    """Rows of each group of two or more, ascending, the largest group first."""
    if not len(pairs):
        return []
    which = duplicates.groups_of(num, pairs)
    order = np.argsort(which, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(which[order])) + 1)
    return sorted((p for p in parts if len(p) > 1), key=lambda p: (-len(p), int(p[0])))


def _described(store: Store) -> np.ndarray:
    """uint8 [n, 192]."""
    num = max(1, _BLOCK_BYTES // (3 * store.size_px**2))
    blocks = [np.arange(i, min(i + num, store.num_images)) for i in range(0, store.num_images, num)]
    # decoders and resizing work without the interpreter's lock
    with ThreadPoolExecutor(num_cores()) as pool:
        described = list(pool.map(lambda rows: duplicates.describe(_pixels(store, rows)), blocks))
    return (
        np.concatenate(described)
        if described
        else duplicates.describe(np.zeros((0, 0, 0, 3), np.uint8))
    )


def _pixels(store: Store, rows: np.ndarray) -> np.ndarray:
    if not store.is_encoded:
        return np.asarray(store.pixels[rows])
    return np.stack([decode(store.encoded(int(row)), store.size_px, store.fit)[0] for row in rows])


def _unreadable(store: Store) -> list[dict[str, str]]:
    if store.unreadable is None:
        return []
    with store.unreadable.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return [{"id": row["id"], "reason": row["reason"]} for row in csv.DictReader(file)]
