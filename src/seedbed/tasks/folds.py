"""Cross-validation folds of the images with known labels.

In: labels and groups of near duplicates. Out: the fold of each image.

Folds are stratified: the images of each class are distributed as evenly as its groups allow, and
a group lies in one fold. Few images are cross-validated, since a single validation split of 20 %
would choose by chance (Kohavi 1995); many images are split once.
"""

from __future__ import annotations

import itertools

import numpy as np

from seedbed.base.randomness import mix, stream

FEW_IMAGES = 1000  # a task with fewer known images is cross-validated
FEW_OF_A_CLASS = 10
NUM_FOLDS = 5
NOT_HELD_OUT = -1  # the only group of its class: always trained on


def is_small(labels: np.ndarray, num_classes: int) -> bool:
    """Whether a task is cross-validated: under 1,000 images in all, or under 10 of some class."""
    sizes = np.bincount(labels, minlength=num_classes)
    smallest = int(sizes[sizes > 0].min(initial=FEW_OF_A_CLASS))
    return len(labels) < FEW_IMAGES or smallest < FEW_OF_A_CLASS


def assign_folds(
    labels: np.ndarray, groups: np.ndarray, num_classes: int, num_folds: int = NUM_FOLDS
) -> np.ndarray:
    """The fold of each image, or -1 for images that are never held out: int8 [n].

    Args:
        labels: int [n] in 0..num_classes-1.
        groups: uint64 [n]; near duplicates share one, whatever their class.
        num_folds: 2 or more.
    """
    ranks = mix(groups, stream(0, "split", "folds"))
    fold_of_group: dict[int, int] = {}
    fold = np.full(len(labels), NOT_HELD_OUT, np.int8)
    order = np.lexsort((ranks, labels))
    bounds = np.searchsorted(labels[order], np.arange(num_classes + 1))
    fold_sizes = np.zeros(num_folds, np.int64)  # over all classes, so that remainders even out
    for start, end in itertools.pairwise(bounds):
        rows = order[start:end]
        distinct, which, counts = np.unique(ranks[rows], return_inverse=True, return_counts=True)
        if len(distinct) < 2:
            continue
        class_sizes = np.zeros(num_folds, np.int64)
        fold_of = np.empty(len(distinct), np.int8)
        for i, (group, count) in enumerate(zip(distinct.tolist(), counts.tolist(), strict=True)):
            # The fold with the fewest images of this class, then with the fewest in all.
            smallest = int(np.lexsort((np.arange(num_folds), fold_sizes, class_sizes))[0])
            fold_of[i] = k = fold_of_group.setdefault(group, smallest)
            class_sizes[k] += count
            fold_sizes[k] += count
        fold[rows] = fold_of[which]
        # Groups shared with other classes may put all of this class into one fold.
        if len(set(fold_of.tolist())) == 1:
            fold[rows[which == 0]] = NOT_HELD_OUT
    return fold


def small_task_folds(labels: np.ndarray, groups: np.ndarray, num_classes: int) -> np.ndarray | None:
    """The fold of each image of a task that is cross-validated; None for one validation split."""
    if not is_small(labels, num_classes):
        return None
    fold = assign_folds(labels, groups, num_classes)
    return fold if len(np.unique(fold[fold >= 0])) > 1 else None
