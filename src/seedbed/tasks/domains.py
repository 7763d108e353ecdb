"""Two data sets joined, `labelled` and `target`: their labels begin with these names.

In: the labels of the joined store. Out: the domain of each, the classes that both share, and the
class of each label.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seedbed.base.errors import BadDataError

LABELLED, TARGET = "labelled", "target"  # names of the two in the store
LEARN_ON = "learn_on"  # instead of labelled: images for a whitening


def is_joined(labels: Sequence[str]) -> bool:
    """Whether the labels are those of two domains."""
    return {label.partition("/")[0] for label in labels} == {LABELLED, TARGET} and all(
        "/" in label for label in labels
    )


def domains_of(labels: Sequence[str]) -> tuple[np.ndarray, tuple[str, ...], np.ndarray]:
    """The domain of each label (0 labelled, 1 target), the classes, and the class of each label.

    Raises BadDataError for a class of the target that the labelled domain has not.
    """
    parts = [label.partition("/") for label in labels]
    own, theirs = (
        {label for name, _, label in parts if name == wanted} for wanted in (LABELLED, TARGET)
    )
    if strange := sorted(theirs - own):
        raise BadDataError(
            f"class {strange[0]!r} of the target is no class of the labelled images",
            f"Both need the same classes; the labelled have: {', '.join(sorted(own)[:10])}.",
        )
    classes = tuple(sorted(own))
    place = {label: i for i, label in enumerate(classes)}
    domain = np.array([name == TARGET for name, _, _ in parts], np.int8)
    return domain, classes, np.array([place[label] for _, _, label in parts], np.int32)
