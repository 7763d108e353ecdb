"""Which files are images, by their suffixes: those of the decoder's own list.

In: a path. Out: whether it is an image.
"""

from __future__ import annotations

import functools
import os

from PIL import Image

import seedbed.data.decode  # noqa: F401  it registers the suffixes of optional decoders

# Formats of Pillow that hold no photographs, need other programs, or are read by no decoder here.
_NO_PHOTOGRAPHS = frozenset(
    {
        "BUFR",
        "CUR",
        "EPS",
        "FITS",
        "FLI",
        "GBR",
        "GRIB",
        "HDF5",
        "ICNS",
        "ICO",
        "IPTC",
        "MPEG",
        "WMF",
    }
)
# Photographs that Pillow does not list: it reads .mpo as JPEG, and the others with a package that
# may be missing. Then the reason says which.
_LISTED_ALWAYS = frozenset({".avif", ".heic", ".heif", ".hif", ".jp2", ".mpo"})


@functools.cache
def image_suffixes() -> frozenset[str]:
    """Suffixes of image files, in lower case with their dots: those of the decoder."""
    suffixes = Image.registered_extensions()
    readable = {s for s, name in suffixes.items() if name in Image.OPEN}
    return _LISTED_ALWAYS | {s for s in readable if suffixes[s] not in _NO_PHOTOGRAPHS}


def has_image_suffix(path: str) -> bool:
    """Whether a file is an image by its name."""
    return os.path.splitext(path)[1].lower() in image_suffixes()
