"""Training and validation rows of a store whose images have no single label.

In: a store. Out: training and validation rows: the store's own, or 80 % and 20 % of its known
images.
"""

from __future__ import annotations

import numpy as np

from seedbed.base.errors import BadDataError
from seedbed.data.source import TRAIN, VAL
from seedbed.data.splits import hold_out
from seedbed.data.store import Store


def split_validation(
    store: Store, among: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, bool]:
    """Training rows, validation rows, and whether these are a split of the store.

    Otherwise they are 20 % of the training images, chosen by content hash.

    Args:
        among: bool [n], the rows that count; all by default.
    """
    among = np.ones(store.num_images, bool) if among is None else among
    train, validation = (np.flatnonzero(among & (store.splits == split)) for split in (TRAIN, VAL))
    if len(validation) and len(train):
        return train, validation, True
    train = np.union1d(train, validation)
    is_held_out = hold_out(np.zeros(len(train), np.int64), store.groups[train], 1, "validation")
    if not is_held_out.any():
        raise BadDataError(
            f"{store.name} has {len(train)} training images, too few to hold some out",
            "Add images: five at least.",
        )
    return train[~is_held_out], train[is_held_out], False
