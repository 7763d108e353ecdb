"""Sets of image files some of which are queries that others answer.

In: the files that a format found, and what answers what. Out: a Source without labels. Knows nothing of how a set names its images.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from seedbed.data.annotations import NO_LABEL, Relevance
from seedbed.data.files import FilePixels, Found
from seedbed.data.source import TEST, Source, listing_fingerprint


def queries_among(root: Path, name: str, found: list[Found], classes: Sequence[str], answers: Relevance, told: str) -> Source:
    """A source of image files without labels of their own, all test: some are queries, which others answer."""
    paths = np.array([one.path for one in found], object)
    return Source(
        name=name,
        ids=paths,
        leaves=np.full(len(found), NO_LABEL, np.int32),
        splits=np.full(len(found), TEST, np.uint8),
        classes=tuple(classes),
        pixels=FilePixels(str(root.resolve()), paths),
        listing=listing_fingerprint([told, answers.digest(), *classes, *map(str, found)]),
        annotations=answers,
    )
