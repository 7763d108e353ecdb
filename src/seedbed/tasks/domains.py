"""Two domains in one store: the labels of a joined store begin with `labelled/` or `target/`.

In: the labels of a joined store. Out: the domain of each label, the classes that both domains
share, and the class of each label.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seedbed.base.errors import BadDataError

LABELLED, TARGET = "labelled", "target"  # names of the two domains in a store
LEARN_ON = "learn_on"  # in place of labelled: images that a whitening is fitted on
_MAX_SHOWN = 10


def is_joined(labels: Sequence[str]) -> bool:
    """Whether the labels are those of two domains."""
    return all("/" in label for label in labels) and {
        label.partition("/")[0] for label in labels
    } == {LABELLED, TARGET}


def split_domains(labels: Sequence[str]) -> tuple[np.ndarray, tuple[str, ...], np.ndarray]:
    """The domain of each label (0 labelled, 1 target), the classes, and the class of each label.

    Raises BadDataError for a class of the target that the labelled domain does not have.
    """
    parts = [label.partition("/") for label in labels]
    labelled, target = (
        {label for name, _, label in parts if name == domain} for domain in (LABELLED, TARGET)
    )
    if unknown := sorted(target - labelled):
        raise BadDataError(
            f"class {unknown[0]!r} of the target is not a class of the labelled images",
            "Both need the same classes; the labelled images have: "
            f"{', '.join(sorted(labelled)[:_MAX_SHOWN])}.",
        )
    classes = tuple(sorted(labelled))
    number = {label: i for i, label in enumerate(classes)}
    domain = np.array([name == TARGET for name, _, _ in parts], np.int8)
    return domain, classes, np.array([number[label] for _, _, label in parts], np.int32)
