"""sun397(): SUN397 (Xiao et al. 2010, 2014), by one of its ten official partitions.

In: the folder of SUN397.tar.gz (`a/abbey/sun_aaalbzqrimafwbiv.jpg`), or the folder that contains
it; `ClassName.txt` and the lists of the partitions (`Training_01.txt`, `Testing_01.txt`) in either,
or in `Partitions/` in either. Out: a Source of train and test.

A partition names 50 training and 50 test images of each of 397 classes, and only these are read:
this is the protocol of the set, which has 108,754 images. Papers report the mean over the ten
partitions. The decoder looks at the bytes of a file, not at its suffix.

A label is the path of a class without its letter: `abbey`, `control_tower/outdoor`. Such paths give
a hierarchy, as in other formats: `church/indoor` and `church/outdoor` are under `church`. A class
that is such an inner node is refused; no official class is one. The set's own hierarchy of three
levels is a spreadsheet in another download, which is not read.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from seedbed.base.errors import BadDataError
from seedbed.data.formats import Format
from seedbed.data.hierarchy import from_paths
from seedbed.data.image_files import existing_folder
from seedbed.data.image_lists import Line, ListedImage, read_lines, source_from_list
from seedbed.data.source import TEST, TRAIN, Source

_TREE, _LISTS, _CLASSES = "SUN397", "Partitions", "ClassName.txt"
_CLASS = re.compile(r"/[^/]/(.*[^/])")  # /c/control_tower/outdoor
_NUM_PARTITIONS = 10
_ADVICE = (
    "SUN397 is distributed at vision.princeton.edu/projects/2010/SUN: SUN397.tar.gz has the "
    "images, Partitions.zip the lists. Put the lists into the folder of the images, or next to it, "
    "or into Partitions/ in either place. If they are next to it, name the folder that has both."
)


@dataclass(frozen=True)
class Sun397(Format):
    """SUN397 as distributed: the 50 training and 50 test images of each class that one of the ten
    official partitions names."""

    path: str
    partition: int = 1
    paths: ClassVar[tuple[str, ...]] = ("path",)
    priority: ClassVar[int] = 20

    def __post_init__(self) -> None:
        if not 1 <= self.partition <= _NUM_PARTITIONS:
            raise ValueError(f"partition = {self.partition}: there are ten, 1 to {_NUM_PARTITIONS}")

    @staticmethod
    def recognises(path: Path) -> bool:
        first = _find_list(path, "Training_01.txt")
        # A folder that contains SUN397/ is this set if it has the lists too.
        if _image_root(path) != path:
            return first is not None and _TREE not in first.relative_to(path).parts
        has_images = (path / "a" / "abbey").is_dir() or (
            first is not None and (path / "a").is_dir()
        )
        return has_images and _find_list(path, _CLASSES) is not None

    def read(self) -> Source:
        root = existing_folder(self.path)
        class_list = _require_list(root, _CLASSES)
        classes = _read_classes(read_lines(class_list, _ADVICE))
        images = []
        for kind, split in (("Training", TRAIN), ("Testing", TEST)):
            path = _require_list(root, f"{kind}_{self.partition:02d}.txt")
            listed = [
                _listed_image(line, split, classes, class_list)
                for line in read_lines(path, _ADVICE)
            ]
            _refuse_unequal_classes(
                Counter(image.label for image in listed), classes, path, class_list
            )
            images += listed
        labels = classes.values()
        name = str(self.path)
        if self.partition != 1:
            name = f"sun397({self.path!r}, partition={self.partition})"
        return source_from_list(
            name,
            _image_root(root),
            images,
            kind="sun397",
            splits=(TRAIN, TEST),
            advice=_ADVICE,
            names={label: words for label in labels if (words := _words(label)) != label},
            hierarchy=from_paths(labels) if any("/" in label for label in labels) else None,
        )


def _image_root(root: Path) -> Path:
    """The folder that has a folder for each letter."""
    return root / _TREE if (root / _TREE).is_dir() else root


def _find_list(root: Path, name: str) -> Path | None:
    """The path of a list, if it exists."""
    tree = _image_root(root)
    folders = (tree, tree / _LISTS, root, root / _LISTS)
    return next((folder / name for folder in folders if (folder / name).is_file()), None)


def _require_list(root: Path, name: str) -> Path:
    """The path of a list; raises BadDataError if it does not exist."""
    if path := _find_list(root, name):
        return path
    hint = _ADVICE
    if name != _CLASSES:
        hint += (
            " To read all images without a protocol, labelled a/abbey: "
            f"folder('{_image_root(root)}')."
        )
    raise BadDataError(f"{root} has no {name}, and none in {_LISTS}/", hint)


def _read_classes(lines: list[Line]) -> dict[str, str]:
    """Folder of each class -> label: `c/control_tower/outdoor` -> `control_tower/outdoor`."""
    places: dict[str, str] = {}
    for line in lines:
        match = _CLASS.fullmatch(line.text)
        if not match:
            raise BadDataError(
                f"{line.place}: {line.text!r} is not a class",
                f"Expected a line such as /a/abbey. {_ADVICE}",
            )
        if first := places.get(match[1]):
            raise BadDataError(
                f"{line.place}: class {match[1]!r} is there twice, first in {first}", _ADVICE
            )
        places[match[1]] = line.place
    for label, place in places.items():
        inner = next((parent for parent in _parents(label) if parent in places), None)
        if inner:
            raise BadDataError(
                f"{place}: class {label!r} is below {inner!r}, which is a class too",
                f"Classes must be leaves. {_ADVICE}",
            )
    return {line.text.removeprefix("/"): label for line, label in zip(lines, places, strict=True)}


def _parents(label: str) -> list[str]:
    parts = label.split("/")
    return ["/".join(parts[:i]) for i in range(1, len(parts))]


def _listed_image(
    line: Line, split: int, classes: Mapping[str, str], class_list: Path
) -> ListedImage:
    path = line.text.removeprefix("/")
    folder = path.rpartition("/")[0]
    if folder not in classes:
        raise BadDataError(
            f"{line.place}: {line.text!r} is in no class of {class_list}",
            "Expected the path of an image in the folder of a class, such as "
            f"/a/abbey/sun_aaalbzqrimafwbiv.jpg. {_ADVICE}",
        )
    return ListedImage(path, classes[folder], split, line.place)


def _refuse_unequal_classes(
    sizes: Mapping[str, int], classes: Mapping[str, str], path: Path, class_list: Path
) -> None:
    """Raise BadDataError unless a list has equally many images of each class: it was cut off."""
    if absent := sorted(set(classes.values()) - sizes.keys()):
        raise BadDataError(
            f"{path} names no image of class {absent[0]!r} of {class_list} ({len(absent)} such "
            "classes)",
            f"The list was cut off, or is of another set. {_ADVICE}",
        )
    fewest, most = min(sizes, key=sizes.__getitem__), max(sizes, key=sizes.__getitem__)
    if sizes[fewest] != sizes[most]:
        raise BadDataError(
            f"{path} names {sizes[fewest]} images of class {fewest!r} and {sizes[most]} of "
            f"{most!r}",
            "Expected equally many of each class (50 in the official lists): the list was cut off "
            f"or changed. {_ADVICE}",
        )


def _words(label: str) -> str:
    """`control_tower/outdoor` is an outdoor control tower."""
    return " ".join(reversed(label.split("/"))).replace("_", " ")
