"""Derive the splits that a data set does not have.

In: labels, content hashes, the splits of the source. Out: the splits that are used.
The rules (docs/reference/formats.md): without a test split, the validation split serves as test;
without both, 20 % of each class become test images, by content hash. A target without a validation
split gets 20 % of the remaining training images. Equal contents of one class get the same split.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from seedbed.base.randomness import mix, stream
from seedbed.data.source import TEST, TRAIN, VAL

HELD_OUT_SHARE = 0.2


def resolve(
    splits: np.ndarray, leaves: np.ndarray, contents: np.ndarray, num_classes: int
) -> tuple[np.ndarray, dict[str, str]]:
    """Return splits that include a test split, uint8 [n], and how it was derived, {"test": how}."""
    present = set(np.unique(splits).tolist())
    if TEST in present and TRAIN in present:
        return splits, {}
    resolved = splits.copy()
    if VAL in present and TRAIN in present:
        resolved[splits == VAL] = TEST
        return resolved, {"test": "the validation split of the data"}
    resolved[:] = TRAIN
    resolved[hold_out(leaves, contents, num_classes, "test")] = TEST
    return resolved, {
        "test": f"{HELD_OUT_SHARE:.0%} of the images, by content hash within each class"
    }


def resolve_parts(
    splits: np.ndarray,
    leaves: np.ndarray,
    contents: np.ndarray,
    num_classes: int,
    parts: np.ndarray,
    names: Sequence[str],
) -> tuple[np.ndarray, dict[str, str]]:
    """`resolve` each of several sources by itself; parts int32 [n], index into names."""
    resolved, derived = splits.copy(), []
    for i, name in enumerate(names):
        rows = parts == i
        resolved[rows], how = resolve(splits[rows], leaves[rows], contents[rows], num_classes)
        derived += [f"{words} (of {name})" for words in how.values()]
    return resolved, {"test": "; ".join(derived)} if derived else {}


def hold_out(
    labels: np.ndarray, contents: np.ndarray, num_classes: int, purpose: str
) -> np.ndarray:
    """Choose 20 % of each class, those with the lowest hash of their content: bool [n].

    The number is rounded (halves up) to at least one, and at least one image of a class remains.
    Rows of one class with equal contents are chosen together. Two purposes choose independently.
    """
    ranks = mix(contents, stream(0, "split", purpose))
    chosen = np.zeros(len(labels), bool)
    order = np.lexsort((ranks, labels))
    bounds = np.searchsorted(labels[order], np.arange(num_classes + 1))
    for start, end in itertools.pairwise(bounds):
        rows = order[start:end]
        distinct, first = np.unique(ranks[rows], return_index=True)
        quota = min(max(1, int(np.floor(len(rows) * HELD_OUT_SHARE + 0.5))), len(rows) - 1)
        if len(distinct) > 1 and quota > 0:
            # The last group of equal contents that starts within the quota is chosen whole, unless
            # no image would remain.
            end_of_group = int(np.searchsorted(first, quota))
            cut = first[end_of_group] if end_of_group < len(first) else first[-1]
            chosen[rows[:cut]] = True
    return chosen
