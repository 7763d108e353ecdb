"""Nested samples: the lowest-ranked images of each class, and how many a share is.

In: labels, ranks drawn with a seed, and a quota for each class. Out: which images are selected. A
larger quota keeps all that a smaller one keeps.
"""

from __future__ import annotations

import numpy as np


def share(sizes: np.ndarray, fraction: float) -> np.ndarray:
    """The same share of every class: nearest, halves up, at least 1 where there is any."""
    return np.minimum(
        sizes, np.maximum(1, np.floor(np.round(sizes * fraction, 6) + 0.5).astype(np.int64))
    )


def lowest_ranked(labels: np.ndarray, ranks: np.ndarray, quotas: np.ndarray) -> np.ndarray:
    """The `quotas[c]` lowest-ranked rows of each class c: bool [n]. O(n log n) in the ranks, radix
    in the labels."""
    order = np.argsort(ranks, kind="stable")
    by_class = order[np.argsort(labels[order].astype(_label_type(len(quotas))), kind="stable")]
    sorted_labels = labels[by_class]
    starts = np.searchsorted(sorted_labels, np.arange(len(quotas)))
    position = np.arange(len(labels)) - starts[sorted_labels]
    selected = np.zeros(len(labels), bool)
    selected[by_class[position < quotas[sorted_labels]]] = True
    return selected


def _label_type(num_classes: int) -> type[np.generic]:
    """The narrowest integer type for labels: NumPy sorts 16-bit integers by radix."""
    return np.int16 if num_classes < 2**15 else np.int32
