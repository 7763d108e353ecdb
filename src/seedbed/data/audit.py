"""Audit a data set before training: unreadable files, tiny classes, near duplicates.

In: one store, or two that are compared. Out: a record of faults. An audit never refuses data.
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
from seedbed.data.matching_classes import shared_classes
from seedbed.data.skipped_files import SkippedFiles, to_card
from seedbed.data.store import Store
from seedbed.data.view import entropy_bits

TINY = 10  # images; smaller classes are hardly learned and hardly measured
_BLOCK_BYTES = 2**24  # of images that each core describes at a time
# Grey levels of 256 between the darkest and the brightest of the 64 fields of an image.
_FLAT_BELOW = 8


@dataclass(frozen=True, kw_only=True)
class Audit:
    """The faults of a data set; images are named by their ids."""

    num_images: int
    class_sizes: dict[str, int]
    unreadable: list[dict[str, str]]  # id, reason
    tiny_classes: list[str]
    # class folders without images, labels that no box has
    empty_classes: list[str] = field(default_factory=list)
    # classes none of whose images can be read
    unreadable_classes: list[str] = field(default_factory=list)
    single_image_classes: list[str] = field(default_factory=list)
    splits: dict[str, int] = field(default_factory=dict)  # split -> number of images
    derived_splits: dict[str, str] = field(default_factory=dict)  # split -> how it was derived
    duplicate_groups: list[list[str]]
    # the groups with images in more than one split: data leakage
    across_splits: list[list[str]]
    # the groups with more than one label: often a wrong label
    across_classes: list[list[str]]
    # id, and the ids of its near duplicates in the other data set
    shared_with: list[dict[str, Any]]
    # class of the other data set -> classes of this one that are the same or under it
    shared_classes: dict[str, list[str]] = field(default_factory=dict)
    # id, id in the other data set, similarity of their codes
    near_by_codes: list[dict[str, Any]] = field(default_factory=list)
    codes_threshold: float | None = None
    # notes of the source, and notes on classes, boxes and splits
    notes: list[str] = field(default_factory=list)
    skipped: list[SkippedFiles] = field(default_factory=list)  # files that were not read
    flat: list[str] = field(default_factory=list)  # images of nearly one colour, often black
    # share of the images that another image of this data set is as near to, by codes
    codes_lookalikes: float | None = None

    def to_dict(self) -> dict[str, Any]:
        sizes = np.array(list(self.class_sizes.values()), np.float64)
        return {
            "num_images": self.num_images,
            "num_classes": len(self.class_sizes),
            "unreadable": self.unreadable,
            "notes": self.notes,
            "skipped": to_card(self.skipped),
            "flat": self.flat,
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
    """Audit a store, and search another one for near duplicates of its images.

    `on_progress` is called with (images compared, images).
    """
    descriptors = _describe_images(store)
    pairs = duplicates.near_pairs(
        descriptors, store.checksums, lambda rows: _pixels(store, rows), on_progress
    )
    groups = _groups(store.num_images, pairs)
    classes, sizes, faults = store.classes, store.class_sizes(), find_class_faults(store)
    if store.annotation_kind == "relevance":  # queries and answers have no classes
        classes, sizes = ("images",), np.array([store.num_images])
    return Audit(
        num_images=store.num_images,
        class_sizes={c: int(n) for c, n in zip(classes, sizes, strict=True)},
        unreadable=_read_unreadable(store),
        notes=[*store.source_notes, *faults.notes, *split_note(store)],
        skipped=store.skipped,
        flat=[str(store.ids[row]) for row in flat_images(descriptors)],
        empty_classes=faults.empty,
        unreadable_classes=faults.unreadable,
        single_image_classes=faults.single_image,
        splits=store.card["splits"],
        derived_splits=store.card["derived_splits"],
        tiny_classes=[c for c, n in zip(classes, sizes, strict=True) if n < TINY],
        duplicate_groups=_group_ids(store, groups),
        across_splits=_group_ids(store, [g for g in groups if len(set(store.splits[g])) > 1]),
        across_classes=_group_ids(store, [g for g in groups if len(set(store.leaves[g])) > 1]),
        shared_with=_shared_images(store, descriptors, against, on_progress) if against else [],
        shared_classes=shared_classes(store, against) if against else {},
    )


def _group_ids(store: Store, groups: list[np.ndarray]) -> list[list[str]]:
    return [[str(store.ids[row]) for row in group] for group in groups]


def _shared_images(
    store: Store,
    descriptors: np.ndarray,
    other: Store,
    on_progress: duplicates.OnProgress | None,
) -> list[dict[str, Any]]:
    """Images of `store` with their equal images and near duplicates in `other`."""
    pairs = duplicates.confirm_pairs(
        duplicates.candidate_pairs(descriptors, _describe_images(other), on_progress),
        lambda rows: _pixels(store, rows),
        lambda rows: _pixels(other, rows),
    )
    near: dict[int, set[int]] = {}
    for row, other_row in pairs.tolist():
        near.setdefault(row, set()).add(other_row)
    equal: dict[int, list[int]] = {
        int(checksum): [] for checksum in np.intersect1d(store.checksums, other.checksums)
    }
    for other_row, checksum in enumerate(other.checksums):
        if int(checksum) in equal:
            equal[int(checksum)].append(other_row)
    for row, checksum in enumerate(store.checksums):
        if int(checksum) in equal:
            near.setdefault(row, set()).update(equal[int(checksum)])
    return [
        {"id": str(store.ids[row]), "near": [str(other.ids[i]) for i in sorted(near[row])]}
        for row in sorted(near)
    ]


def _groups(num: int, pairs: np.ndarray) -> list[np.ndarray]:
    """Rows of each group of two or more images, ascending; the largest group first."""
    if not len(pairs):
        return []
    numbers = duplicates.group_pairs(num, pairs)
    order = np.argsort(numbers, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1)
    return sorted((g for g in groups if len(g) > 1), key=lambda g: (-len(g), int(g[0])))


def flat_images(descriptors: np.ndarray) -> np.ndarray:
    """Rows of images of nearly one colour, by their coarse descriptors, uint8 [n, 192]: int64 [k].

    An image that was decoded with a wrong bit depth is nearly black.
    """
    values = descriptors.reshape(len(descriptors), duplicates.COARSE_PX**2, 3).astype(np.int16)
    return np.flatnonzero((values.max(1) - values.min(1)).max(1) < _FLAT_BELOW)


def _describe_images(store: Store) -> np.ndarray:
    """Coarse descriptors of all images: uint8 [n, 192]."""
    num = max(1, _BLOCK_BYTES // (3 * store.size_px**2))
    blocks = [np.arange(i, min(i + num, store.num_images)) for i in range(0, store.num_images, num)]
    # Decoders and resizing release the interpreter's lock.
    with ThreadPoolExecutor(num_cores()) as pool:
        parts = list(pool.map(lambda rows: duplicates.describe(_pixels(store, rows)), blocks))
    return np.concatenate([duplicates.describe(np.zeros((0, 0, 0, 3), np.uint8)), *parts])


def _pixels(store: Store, rows: np.ndarray) -> np.ndarray:
    if not store.is_encoded:
        return np.asarray(store.pixels[rows])
    return np.stack([store.decoded(int(row)) for row in rows])


def _read_unreadable(store: Store) -> list[dict[str, str]]:
    if store.unreadable is None:
        return []
    with store.unreadable.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return [{"id": row["id"], "reason": row["reason"]} for row in csv.DictReader(file)]
