"""Splits: what serves as test, and the validation split that a target gets.

In: labels, content hashes, the splits found on disk. Out: splits as they are used. The rules (see
docs/concepts.md): a lone `val` serves as test; a missing test split is 20 % of train, by content
hash within each class; a target without validation gets 20 % of what remains. Equal contents of one
class fall on one side. Knows nothing of files.
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
    """Splits with a test split in any case, and what was derived: uint8 [n], {"test": how}."""
    found = set(np.unique(splits).tolist())
    if TEST in found and TRAIN in found:
        return splits, {}
    resolved = splits.copy()
    if VAL in found and TRAIN in found:
        resolved[splits == VAL] = TEST
        return resolved, {"test": "the validation split as found"}
    resolved[:] = TRAIN
    resolved[held_out(leaves, contents, num_classes, "test")] = TEST
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
    """`resolve` for each of several sources by itself: parts int32 [n], index into names."""
    resolved, derived = splits.copy(), []
    for i, name in enumerate(names):
        here = parts == i
        resolved[here], how = resolve(splits[here], leaves[here], contents[here], num_classes)
        derived += [f"{words} (of {name})" for words in how.values()]
    return resolved, {"test": "; ".join(derived)} if derived else {}


def held_out(
    labels: np.ndarray, contents: np.ndarray, num_classes: int, purpose: str
) -> np.ndarray:
    """bool [n]: 20 % of each class (nearest, halves up, at least one), the lowest content ranks; at
    least one image of a class stays.

    Rows of one class with equal contents fall on the same side.
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
            # The last group of equals that starts inside the quota is taken whole, unless nothing
            # would remain.
            end_of_group = int(np.searchsorted(first, quota))
            cut = first[end_of_group] if end_of_group < len(first) else first[-1]
            chosen[rows[:cut]] = True
    return chosen
