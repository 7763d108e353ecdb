"""Blood cells as classification crops: the boxes of a PASCAL VOC tree, cut out into folders by
split and class.

    python docs/studies/voc_crops.py $SEEDBED_DATA/BCCD cells

Each annotated box becomes one image, `cells/<split>/<class>/<image>_<number>.png`; boxes under 8 px
on a side are left out. Splits are those of ImageSets/Main (train, val, test), so that the cells of
one photograph stay on one side.
"""

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from PIL import Image

SPLITS = ("train", "val", "test")
LEAST_PX = 8


def main(root: Path, out: Path) -> None:
    for split in SPLITS:
        for name in (root / "ImageSets" / "Main" / f"{split}.txt").read_text().split():
            image = Image.open(root / "JPEGImages" / f"{name}.jpg").convert("RGB")
            objects = (
                ElementTree.parse(root / "Annotations" / f"{name}.xml").getroot().iter("object")
            )
            for number, element in enumerate(objects):
                box = [
                    int(float(element.findtext(f"bndbox/{side}", "0")))
                    for side in ("xmin", "ymin", "xmax", "ymax")
                ]
                left, top, right, bottom = (
                    max(0, box[0]),
                    max(0, box[1]),
                    min(image.width, box[2]),
                    min(image.height, box[3]),
                )
                if min(right - left, bottom - top) < LEAST_PX:
                    continue
                folder = out / split / element.findtext("name", "unknown")
                folder.mkdir(parents=True, exist_ok=True)
                image.crop((left, top, right, bottom)).save(folder / f"{name}_{number}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
