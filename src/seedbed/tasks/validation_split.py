"""The parts of a store whose images have no single label.

In: a store. Out: training and validation rows. Knows nothing of what is asked of an image.
"""

from __future__ import annotations

import numpy as np

from seedbed.base.errors import BadDataError
from seedbed.data.source import TRAIN, VAL
from seedbed.data.splits import hold_out
from seedbed.data.store import Store


def with_validation(
    store: Store, among: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, bool]:
    """Training rows, validation rows, and whether these were found or are 20 % of the training
    images by content.

    `among`: bool [n], the rows to look at.
    """
    among = np.ones(store.num_images, bool) if among is None else among
    train, validation = (np.flatnonzero(among & (store.splits == split)) for split in (TRAIN, VAL))
    if len(validation) and len(train):
        return train, validation, True
    train = np.union1d(train, validation)
    aside = hold_out(np.zeros(len(train), np.int64), store.groups[train], 1, "validation")
    if not aside.any():
        raise BadDataError(
            f"{store.name} has {len(train)} images to learn from, too few to hold some out",
            "Add images: five at least.",
        )
    return train[~aside], train[aside], False
