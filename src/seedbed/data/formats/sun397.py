"""SUN397 (Xiao et al. 2010, 2014) as distributed, by one of its ten official partitions.

In: the folder that SUN397.tar.gz gives (`a/abbey/sun_aaalbzqrimafwbiv.jpg`), or the one that holds
it; `ClassName.txt` and the partitions' lists (`Training_01.txt`, `Testing_01.txt`) in either, or in
`Partitions/` in either. Out: a Source of train and test.

A partition names 50 training and 50 test images of each of 397 classes, and only these are read:
the protocol of the set, which has 108,754 images. The number that is reported is the mean over the
ten. What kind of image a file is, its bytes say and not its name.

A label is the path of a class without its letter: `abbey`, `control_tower/outdoor`. As in other
formats such paths are a tree: `church/indoor` and `church/outdoor` lie under `church`. No official
    class is both a class and such an inner node; one that is both
is refused. The tree is shallow. The set's own one, of three levels, is a spreadsheet that is
distributed beside it; it is not read.
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
    "SUN397 is distributed at vision.princeton.edu/projects/2010/SUN: SUN397.tar.gz has the images, Partitions.zip the lists. Put "
    "these into its folder, or into Partitions/ in it or beside it; where they are beside it, name the folder that holds both."
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
        first = _place(path, "Training_01.txt")
        # a folder that holds SUN397/ is this set's where the lists are beside it
        if _tree(path) != path:
            return first is not None and _TREE not in first.relative_to(path).parts
        has_images = (path / "a" / "abbey").is_dir() or (
            first is not None and (path / "a").is_dir()
        )
        return has_images and _place(path, _CLASSES) is not None

    def read(self) -> Source:
        root = existing_folder(self.path)
        class_list = _need(root, _CLASSES)
        classes = _classes(read_lines(class_list, _ADVICE))
        images = []
        for kind, split in (("Training", TRAIN), ("Testing", TEST)):
            path = _need(root, f"{kind}_{self.partition:02d}.txt")
            listed = [
                _listed(line, split, classes, class_list) for line in read_lines(path, _ADVICE)
            ]
            _refuse_uneven(Counter(image.label for image in listed), classes, path, class_list)
            images += listed
        labels = classes.values()
        return source_from_list(
            str(self.path)
            if self.partition == 1
            else f"sun397({self.path!r}, partition={self.partition})",
            _tree(root),
            images,
            kind="sun397",
            splits=(TRAIN, TEST),
            advice=_ADVICE,
            names={label: words for label in labels if (words := _words(label)) != label},
            hierarchy=from_paths(labels) if any("/" in label for label in labels) else None,
        )


def _tree(root: Path) -> Path:
    """The folder of the images' letters."""
    return root / _TREE if (root / _TREE).is_dir() else root


def _place(root: Path, name: str) -> Path | None:
    """Where a list lies."""
    tree = _tree(root)
    places = (tree, tree / _LISTS, root, root / _LISTS)
    return next((place / name for place in places if (place / name).is_file()), None)


def _need(root: Path, name: str) -> Path:
    if found := _place(root, name):
        return found
    whole = (
        f" All images as one set of no protocol, labelled a/abbey: folder('{_tree(root)}')."
        if name != _CLASSES
        else ""
    )
    raise BadDataError(f"{root} has no {name}, and none in {_LISTS}/", _ADVICE + whole)


def _classes(lines: list[Line]) -> dict[str, str]:
    """Folder of each class -> label: `c/control_tower/outdoor` -> `control_tower/outdoor`."""
    places: dict[str, str] = {}
    for line in lines:
        found = _CLASS.fullmatch(line.text)
        if not found:
            raise BadDataError(
                f"{line.place}: {line.text!r} is no class",
                f"Expected a line such as /a/abbey. {_ADVICE}",
            )
        if first := places.get(found[1]):
            raise BadDataError(
                f"{line.place}: class {found[1]!r} is there twice, first in {first}", _ADVICE
            )
        places[found[1]] = line.place
    for label, place in places.items():
        inner = next((above for above in _above(label) if above in places), None)
        if inner:
            raise BadDataError(
                f"{place}: class {label!r} lies below {inner!r}, a class itself",
                f"Classes are leaves. {_ADVICE}",
            )
    return {line.text.removeprefix("/"): label for line, label in zip(lines, places, strict=True)}


def _above(label: str) -> list[str]:
    parts = label.split("/")
    return ["/".join(parts[:i]) for i in range(1, len(parts))]


def _listed(line: Line, split: int, classes: Mapping[str, str], class_list: Path) -> ListedImage:
    path = line.text.removeprefix("/")
    folder = path.rpartition("/")[0]
    if folder not in classes:
        raise BadDataError(
            f"{line.place}: {line.text!r} is of no class of {class_list}",
            f"Expected the path of an image in the folder of a class, such as /a/abbey/sun_aaalbzqrimafwbiv.jpg. {_ADVICE}",
        )
    return ListedImage(path, classes[folder], split, line.place)


def _refuse_uneven(
    sizes: Mapping[str, int], classes: Mapping[str, str], path: Path, class_list: Path
) -> None:
    """A partition has as many images of each class: a list that ends too early has not."""
    if absent := sorted(set(classes.values()) - sizes.keys()):
        raise BadDataError(
            f"{path} names no image of class {absent[0]!r} of {class_list} ({len(absent)} such classes)",
            f"The list ends too early, or is of another set. {_ADVICE}",
        )
    fewest, most = (
        min(sizes, key=lambda label: sizes[label]),
        max(sizes, key=lambda label: sizes[label]),
    )
    if sizes[fewest] != sizes[most]:
        raise BadDataError(
            f"{path} names {sizes[fewest]} images of class {fewest!r} and {sizes[most]} of {most!r}",
            f"Expected as many of each class (50 in the official lists): it ends too early, or was changed. {_ADVICE}",
        )


def _words(label: str) -> str:
    """`control_tower/outdoor` is an outdoor control tower."""
    return " ".join(reversed(label.split("/"))).replace("_", " ")
