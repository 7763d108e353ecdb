"""Read the sizes and orientation tags of image files without decoding them, and compare them with
the sizes that annotations state.

In: image files. Out: sizes in px, tags, boxes in px of the file, a sentence on sizes that differ.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from seedbed.base.device import num_cores

_ORIENTATION = 0x0112
_FIRST_EXCHANGED = 5  # tags 5 to 8 exchange width and height


@dataclass(frozen=True, kw_only=True)
class ImageHeaders:
    """What the headers of n image files say."""

    # int32 [n, 2], width and height in px of the file without its tag; 0 where it is unreadable
    sizes: np.ndarray
    orientations: np.ndarray  # uint8 [n], the EXIF tag, 1 to 8; 1 where there is none

    @property
    def exchanged(self) -> np.ndarray:
        """Whether the tag exchanges width and height: bool [n]."""
        return self.orientations >= _FIRST_EXCHANGED

    @property
    def upright_sizes(self) -> np.ndarray:
        """Width and height in px of the images as their tags turn them: int32 [n, 2]."""
        return np.where(self.exchanged[:, None], self.sizes[:, ::-1], self.sizes)


def read_headers(root: Path, paths: Sequence[str]) -> ImageHeaders:
    """Read the headers of the files at these paths, which are relative to `root`."""

    def read_one(path: str) -> tuple[int, int, int]:
        try:
            with Image.open(os.path.join(root, path)) as image:
                return *image.size, int(image.getexif().get(_ORIENTATION, 1))
        except Exception:  # reported as unreadable when it is packed
            return 0, 0, 1

    with warnings.catch_warnings(), ThreadPoolExecutor(num_cores()) as pool:
        # Pillow warns of large images and unusual metadata. Threads share these filters.
        warnings.simplefilter("ignore")
        table = np.array(list(pool.map(read_one, paths)), np.int32).reshape(-1, 3)
    is_tag = (table[:, 2] >= 1) & (table[:, 2] <= 8)
    return ImageHeaders(
        sizes=table[:, :2], orientations=np.where(is_tag, table[:, 2], 1).astype(np.uint8)
    )


def turn_boxes_back(corners: np.ndarray, sizes: np.ndarray, orientations: np.ndarray) -> np.ndarray:
    """Convert boxes in px of upright images to px of their files without the orientation tag.

    Args:
        corners: float [b, 4], left, top, right, bottom in the upright image.
        sizes: int [b, 2], width and height in px of the file of each box.
        orientations: int [b], the EXIF tag of the file of each box.

    Returns:
        float [b, 4], left, top, right, bottom in the file.
    """
    points = corners.reshape(-1, 2, 2)
    exchanged = (orientations >= _FIRST_EXCHANGED)[:, None, None]
    points = np.where(exchanged, points[:, :, ::-1], points)
    mirrored = np.stack(
        [np.isin(orientations, (2, 3, 7, 8)), np.isin(orientations, (3, 4, 6, 7))], axis=1
    )
    points = np.where(mirrored[:, None], sizes[:, None] - points, points)
    return np.concatenate([points.min(1), points.max(1)], axis=1)


def size_note(paths: Sequence[str], stated: np.ndarray, headers: ImageHeaders) -> str:
    """A sentence on the images whose files are of another size than annotations state; empty if
    there are none.

    Args:
        paths: the n images.
        stated: int [n, 2], width and height in px by the annotations; 0 where they state none.
        headers: of these images.
    """
    known = (stated > 0).all(1) & (headers.sizes > 0).all(1)
    differs = known & (stated != headers.sizes).any(1)
    if not differs.any():
        return ""
    num, first = int(differs.sum()), int(np.flatnonzero(differs)[0])
    (width, height), (file_width, file_height) = stated[first], headers.sizes[first]
    images = "1 image is" if num == 1 else f"{num:,} images are"
    example = "" if num == 1 else "the first is "
    text = (
        f"{images} of another size than the annotation says: {example}{paths[first]}, "
        f"{width} x {height} px in the annotation, {file_width} x {file_height} px in the file"
    )
    num_exchanged = int((differs & (stated == headers.sizes[:, ::-1]).all(1)).sum())
    if num_exchanged:
        text += (
            f". Width and height are exchanged in {num_exchanged:,} of these: the boxes may refer "
            "to the image as its orientation tag turns it"
        )
    return text
