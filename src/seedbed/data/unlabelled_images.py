"""Sets of image files without labels: some are queries that others answer, or all are there to be
looked at.

In: the files that a format found, and what answers what; or a folder. Out: a Source. Knows nothing
of how a set names its images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from seedbed.data.annotations import NO_LABEL, Relevance
from seedbed.data.image_files import FilePixels, Found, list_images
from seedbed.data.source import TEST, TRAIN, Source, listing_fingerprint


def images_alone(root: Path) -> Source:
    """All images below a folder as training images without labels, however they lie there."""
    return _unlabelled(root, str(root), list_images(root), ("image",), TRAIN, ["images"])


def queries_among(
    root: Path, name: str, found: list[Found], classes: Sequence[str], answers: Relevance, told: str
) -> Source:
    """A source of image files without labels of their own, all test: some are queries, which others
    answer."""
    return replace(
        _unlabelled(root, name, found, classes, TEST, [told, answers.digest(), *classes]),
        annotations=answers,
    )


def _unlabelled(
    root: Path, name: str, found: list[Found], classes: Sequence[str], split: int, told: list[str]
) -> Source:
    paths = np.array([one.path for one in found], object)
    return Source(
        name=name,
        ids=paths,
        leaves=np.full(len(found), NO_LABEL, np.int32),
        splits=np.full(len(found), split, np.uint8),
        classes=tuple(classes),
        pixels=FilePixels(str(root.resolve()), paths),
        listing=listing_fingerprint([*told, *map(str, found)]),
    )
