"""Make sources of images without labels: retrieval sets, and folders of images.

In: image files, and which of them answer which query; or a folder. Out: a Source.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from seedbed.data.annotations import NO_LABEL, Relevance
from seedbed.data.image_files import FilePixels, ImageFile, list_images
from seedbed.data.source import TEST, TRAIN, Source, listing_fingerprint


def unlabelled_source(root: Path) -> Source:
    """All images below a folder as training images without labels; its subfolders do not matter."""
    return _make_source(root, str(root), list_images(root), ("image",), TRAIN, ["images"])


def retrieval_source(
    root: Path,
    name: str,
    files: list[ImageFile],
    classes: Sequence[str],
    relevance: Relevance,
    kind: str,
) -> Source:
    """Images without labels, all of them test images: some are queries that others answer.

    Args:
        root: the folder that the files' paths start at.
        name: the source's name.
        files: the images, in the order of their rows.
        classes: class names, of which no image has one.
        relevance: queries and their answers, as rows.
        kind: the format's name, for the fingerprint.
    """
    fingerprint = [kind, relevance.digest(), *classes]
    source = _make_source(root, name, files, classes, TEST, fingerprint)
    return replace(source, annotations=relevance)


def _make_source(
    root: Path,
    name: str,
    files: list[ImageFile],
    classes: Sequence[str],
    split: int,
    fingerprint: list[str],
) -> Source:
    paths = np.array([file.path for file in files], object)
    return Source(
        name=name,
        ids=paths,
        leaves=np.full(len(files), NO_LABEL, np.int32),
        splits=np.full(len(files), split, np.uint8),
        classes=tuple(classes),
        pixels=FilePixels(str(root.resolve()), paths),
        listing=listing_fingerprint([*fingerprint, *map(str, files)]),
    )
