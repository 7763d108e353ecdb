"""Folds: how the images whose labels may be looked at are split to choose by.

In: labels and groups of near duplicates. Out: the fold of each image. Stratified: each class is
dealt over the folds as evenly as its groups allow, and a group lies in one fold. Few images are
cross-validated, since a fifth of them would decide by luck (Kohavi 1995); many are split once.
Knows nothing of stores.
"""

from __future__ import annotations

import itertools

import numpy as np

from seedbed.base.randomness import mix, stream

FEW_IMAGES = 1000  # known images below which a task is cross-validated
FEW_OF_A_CLASS = 10
NUM_FOLDS = 5
NOT_HELD_OUT = -1  # the only group of its class: always learnt from


def is_small(labels: np.ndarray, num_classes: int) -> bool:
    """Whether so few images are cross-validated: under 1,000 in all, or under 10 in some class."""
    sizes = np.bincount(labels, minlength=num_classes)
    return (
        len(labels) < FEW_IMAGES
        or int(sizes[sizes > 0].min(initial=FEW_OF_A_CLASS)) < FEW_OF_A_CLASS
    )


def folds_of(
    labels: np.ndarray, groups: np.ndarray, num_classes: int, num_folds: int = NUM_FOLDS
) -> np.ndarray:
    """The fold of each image, or -1 where it is never held out: int8 [n].

    Args:
        labels: int [n] in 0..num_classes-1.
        groups: uint64 [n]; near duplicates share one, whatever their class.
        num_folds: 2 or more.
    """
    ranks = mix(groups, stream(0, "split", "folds"))
    fold_of_group: dict[int, int] = {}
    found = np.full(len(labels), NOT_HELD_OUT, np.int8)
    order = np.lexsort((ranks, labels))
    bounds = np.searchsorted(labels[order], np.arange(num_classes + 1))
    sizes = np.zeros(num_folds, np.int64)  # over all classes: remainders go where there are fewest
    for start, end in itertools.pairwise(bounds):
        rows = order[start:end]
        distinct, which, counts = np.unique(ranks[rows], return_inverse=True, return_counts=True)
        if len(distinct) < 2:
            continue
        own = np.zeros(num_folds, np.int64)
        folds = np.empty(len(distinct), np.int8)
        for i, (rank, count) in enumerate(zip(distinct.tolist(), counts.tolist(), strict=True)):
            fold = fold_of_group.setdefault(
                rank, int(np.lexsort((np.arange(num_folds), sizes, own))[0])
            )
            folds[i] = fold
            own[fold] += count
            sizes[fold] += count
        found[rows] = folds[which]
        # groups shared with other classes put all of this one into one fold
        if len(set(folds.tolist())) == 1:
            found[rows[which == 0]] = NOT_HELD_OUT
    return found


def few_folds(labels: np.ndarray, groups: np.ndarray, num_classes: int) -> np.ndarray | None:
    """The folds of images whose labels are known, where these are few; None where one validation
    split serves."""
    if not is_small(labels, num_classes):
        return None
    fold = folds_of(labels, groups, num_classes)
    return fold if len(np.unique(fold[fold >= 0])) > 1 else None
