"""A VOC folder by night: the same photographs dark, bluish and noisy, with the same boxes, for
studies of a shift of domain.

    python docs/studies/voc_by_night.py $SEEDBED_DATA/BCCD cells-by-night

Each pixel is multiplied by (0.22, 0.26, 0.38), a gamma of 0.9 is applied, and Gaussian noise of 6
is added, drawn from the image's name. The images are the same photographs: a study of the shift
tests on the test images alone, which are of neither domain's training.
"""

from __future__ import annotations

import shutil
import sys
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

_LIGHT, _GAMMA, _NOISE = (0.22, 0.26, 0.38), 0.9, 6.0


def by_night(pixels: np.ndarray, name: str) -> np.ndarray:
    """uint8 [h, w, 3] in the same shape."""
    dark = 255 * (pixels / 255.0 * _LIGHT) ** _GAMMA
    noise = np.random.default_rng(zlib.crc32(name.encode())).normal(0, _NOISE, pixels.shape)
    return np.clip(dark + noise, 0, 255).round().astype(np.uint8)


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit("usage: python voc_by_night.py VOC_FOLDER NEW_FOLDER")
    source, out = Path(sys.argv[1]), Path(sys.argv[2])
    if out.exists() or not (source / "Annotations").is_dir():
        sys.exit(
            f"{out} exists"
            if out.exists()
            else f"{source} is no VOC folder: it has no Annotations/"
        )
    for folder in ("Annotations", "ImageSets"):
        shutil.copytree(source / folder, out / folder)
    (out / "JPEGImages").mkdir()
    for path in sorted((source / "JPEGImages").iterdir()):
        with Image.open(path) as image:
            pixels = by_night(np.asarray(image.convert("RGB")), path.name)
        Image.fromarray(pixels).save(out / "JPEGImages" / path.name, quality=92)
    print(f"{out}: {len(list((out / 'JPEGImages').iterdir())):,} images by night")


if __name__ == "__main__":
    main()
