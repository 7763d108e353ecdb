"""mit67(): MIT-67, indoor scene recognition (Quattoni and Torralba 2009).

In: the folder that has `Images/<class>/<file>` and the lists `TrainImages.txt` and
`TestImages.txt`, whose lines are such as `kitchen/int474.jpg`.
Out: a Source of train and test. Only the listed images are read, about 80 and 20 of each of 67
classes: this is the protocol of the set, which has 15,620 images. The decoder looks at the bytes of
a file, not at its suffix.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from seedbed.base.errors import BadDataError
from seedbed.data.formats import Format
from seedbed.data.image_files import existing_folder
from seedbed.data.image_lists import Line, ListedImage, read_lines, source_from_list
from seedbed.data.source import TEST, TRAIN, Source

_IMAGES = "Images"
_TRAIN, _TEST = "TrainImages.txt", "TestImages.txt"
_ADVICE = (
    "MIT-67 is distributed at web.mit.edu/torralba/www/indoor.html: unpack indoorCVPR_09.tar, and "
    "put TrainImages.txt and TestImages.txt next to its folder Images."
)


@dataclass(frozen=True)
class Mit67(Format):
    """MIT-67 indoor scenes as distributed: the images that the official lists name for training and
    test."""

    path: str
    paths: ClassVar[tuple[str, ...]] = ("path",)
    priority: ClassVar[int] = 20

    @staticmethod
    def recognises(path: Path) -> bool:
        return (path / _IMAGES).is_dir() and any(
            (path / name).is_file() for name in (_TRAIN, _TEST)
        )

    def read(self) -> Source:
        root = existing_folder(self.path)
        if not (root / _IMAGES).is_dir():
            raise BadDataError(f"{root} has no folder {_IMAGES}/", _ADVICE)
        images = [
            _listed_image(line, split)
            for name, split in ((_TRAIN, TRAIN), (_TEST, TEST))
            for line in read_lines(root / name, _ADVICE)
        ]
        labels = {image.label for image in images}
        if unlisted := sorted(_folders(root / _IMAGES) - labels):
            raise BadDataError(
                f"{root / _IMAGES} has a folder {unlisted[0]!r}, of which neither {_TRAIN} nor "
                f"{_TEST} names an image",
                "The lists were cut off, or the folder does not belong to this set and must be "
                f"removed. {_ADVICE}",
            )
        return source_from_list(
            str(self.path),
            root,
            images,
            kind="mit67",
            splits=(TRAIN, TEST),
            advice=_ADVICE,
            names={label: label.replace("_", " ") for label in labels if "_" in label},
        )


def _listed_image(line: Line, split: int) -> ListedImage:
    label, _, name = line.text.partition("/")
    if not label or not name or "/" in name:
        raise BadDataError(
            f"{line.place}: {line.text!r} is not a class and a file",
            f"Expected a line such as kitchen/int474.jpg. {_ADVICE}",
        )
    return ListedImage(f"{_IMAGES}/{line.text}", label, split, line.place)


def _folders(path: Path) -> set[str]:
    return {
        entry.name
        for entry in path.iterdir()
        if entry.is_dir() and not entry.name.startswith((".", "__MACOSX"))
    }
