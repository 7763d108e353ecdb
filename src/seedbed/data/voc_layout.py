"""The layout of PASCAL VOC: image sets, annotations, image files.

In: a folder such as VOCdevkit/VOC2007, or one where tools for annotation (LabelImg, Roboflow) left
their .xml files beside the images. Out: lists of images, and what each annotation says. Boxes are
kept as they are written: whole pixels from 1, both corners belonging to the box. Knows nothing of
    scores or networks.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from seedbed.base.errors import BadDataError
from seedbed.base.paths import expand_user
from seedbed.data.image_files import existing_folder, list_images, visible_entries
from seedbed.data.sidecar_annotations import IMAGES, SidecarAnnotations
from seedbed.data.source import SPLIT_NAMES, SPLITS

MAIN, ACTION = "Main", "Action"
ACTIONS = (
    "jumping",
    "phoning",
    "playinginstrument",
    "reading",
    "ridingbike",
    "ridinghorse",
    "running",
    "takingphoto",
    "usingcomputer",
    "walking",
)
PERSON = "person"
_SUFFIXES = (".jpg", ".jpeg", ".png", ".JPG", ".JPEG", ".PNG")
_GET = (
    "VOC is distributed at host.robots.ox.ac.uk/pascal/VOC; "
    "torchvision.datasets.VOCDetection(root, year='2007', download=True) fetches it."
)
_OWN = "An image set is a text file such as ImageSets/Main/train.txt: one image a line, without its suffix."
_FIRST_PIXEL = np.array([1.0, 1.0, 0.0, 0.0])
_CORNERS = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True, kw_only=True)
class Object:
    """One object of an annotation."""

    name: str
    box: tuple[float, float, float, float]  # xmin, ymin, xmax, ymax, px, from 1
    difficult: bool
    actions: frozenset[str]  # of a person


@dataclass(frozen=True, kw_only=True)
class Record:
    """What one annotation says; `objects` in its order, which the lists of actions count from 1."""

    objects: tuple[Object, ...]


@dataclass(frozen=True)
class VocFolder:
    """One year's folder: Annotations/, ImageSets/, JPEGImages/; or images with annotations beside
    them."""

    root: Path
    beside: SidecarAnnotations | None = None

    @staticmethod
    def at(path: str | Path) -> VocFolder:
        """The folder at a path, or the only year below a VOCdevkit; raises BadDataError where there
        is none."""
        root = existing_folder(path)
        years = sorted(
            p for p in (*root.glob("VOC2*"), *root.glob("VOCdevkit/VOC2*")) if VocFolder.is_at(p)
        )
        if VocFolder.is_at(root) and any((root / "ImageSets").rglob("*.txt")):
            return VocFolder(root)
        if len(years) == 1:
            return VocFolder(years[0])
        if years:
            raise BadDataError(
                f"{root} holds {len(years)} years of VOC",
                f"Name one: {', '.join(map(str, years))}.",
            )
        if found := SidecarAnnotations.find(root) if root.is_dir() else None:
            return VocFolder(root, found)
        raise BadDataError(
            f"{root} is no VOC folder: it needs Annotations/ and ImageSets/, or an .xml file beside each image",
            VocFolder(root).advice,
        )

    @property
    def advice(self) -> str:
        """Where to get PASCAL's sets, or how one's own have to look."""
        return _GET if re.fullmatch(r"VOC(devkit|20\d\d)", self.root.name) else _OWN

    @staticmethod
    def is_at(path: Path) -> bool:
        return (path / "Annotations").is_dir() and (path / "ImageSets").is_dir()

    def sets(self, folder: str = MAIN) -> list[str]:
        """Names of the image sets that are lists of images alone: train, val, trainval, test."""
        if self.beside is not None:
            return sorted(self.beside.sets) if folder == MAIN else []
        found = self.root / "ImageSets" / folder
        names = {p.stem for p in found.glob("*.txt")} if found.is_dir() else set()
        return sorted(
            n
            for n in names
            if n.rpartition("_")[2] not in names - {n} or n.rpartition("_")[0] == ""
        )

    def has_set(self, name: str, folder: str = MAIN) -> bool:
        if self.beside is not None:
            return name in self.sets(folder)
        return (self.root / "ImageSets" / folder / f"{name}.txt").is_file()

    def images(self, name: str, folder: str = MAIN) -> list[str]:
        """Ids of the images of a set, in the order of its file; an image with several objects
        stands once."""
        path = (
            expand_user(name) if is_list(name) else self.root / "ImageSets" / folder / f"{name}.txt"
        )
        meant = SPLITS[SPLIT_NAMES[name]] if name in SPLIT_NAMES else name  # valid, validation
        if self.beside is not None and meant in self.sets(folder):
            return self.beside.sets[meant]
        if not path.is_file():
            there = ", ".join(self.sets(folder)) or "none"
            raise BadDataError(
                f"there is no image set {path}", f"There are: {there}. {self.advice}"
            )
        lines = [line.strip() for line in _text(path).splitlines()]
        ids = [
            self._named(_without_columns(line) if folder == ACTION else line)
            for line in lines
            if line
        ]
        if not ids:
            raise BadDataError(
                f"{path} names no image", "It should hold one image a line, without its suffix."
            )
        if strange := next(
            (one for one in ids if self.beside is not None and one not in self.beside.files), None
        ):
            raise BadDataError(
                f"{path} names {strange!r}, and there is no such image with an annotation in {self.root}",
                self.advice,
            )
        return list(dict.fromkeys(ids))

    def used_sets(self, folder: str = MAIN) -> list[str]:
        """The sets that do not overlap: train, val and test, or trainval with test, or the only
        one, whatever it is called."""
        there = [name for name in SPLITS if self.has_set(name, folder)]
        if not {"train", "val"} & set(there) and self.has_set("trainval", folder):
            return ["trainval", *there]
        return there or (only if len(only := self.sets(folder)) == 1 else [])

    def _named(self, image: str) -> str:
        """An image as a list names it: without its suffix, which some tools write all the same."""
        plain = _without_suffix(image)
        is_there = (
            image in self.beside.files
            if self.beside is not None
            else (self.root / "Annotations" / f"{image}.xml").is_file()
        )
        return image if image == plain or is_there else plain

    def flags(self, label: str, name: str, folder: str = MAIN) -> dict[str, int] | None:
        """What `label_name.txt` says: image (or image and number of its object) -> 1, 0 or -1; None
        where there is no such file."""
        if is_list(name):  # images of any of the sets: of those sets that have a list of the class
            of_sets = [
                flags
                for one in self.used_sets(folder)
                if (flags := self.flags(label, one, folder)) is not None
            ]
            return {image: flag for flags in of_sets for image, flag in flags.items()}
        path = self.root / "ImageSets" / folder / f"{label}_{name}.txt"
        if not path.is_file():
            return None
        found: dict[str, int] = {}
        for number, line in enumerate(_text(path).splitlines(), 1):
            if not line.strip():
                continue
            image, _, flag = line.strip().rpartition(" ")
            if flag not in ("1", "0", "-1") or not image:
                wanted = (
                    "an image, the number of its object and 1, 0 or -1"
                    if folder == ACTION
                    else "an image and 1, 0 or -1"
                )
                raise BadDataError(
                    f"{path}, line {number}: {line.strip()!r} is not {wanted}",
                    "Get the image sets again.",
                )
            found[
                _person(image, f"{path}, line {number}")
                if folder == ACTION
                else self._named(image.strip())
            ] = int(flag)
        return found

    def unlisted(self, listed: Sequence[str]) -> int:
        """Images in the folder that are not among these files."""
        below = "" if self.beside is not None else IMAGES
        return (
            len({found.path for found in list_images(self.root, below)} - set(listed))
            if (self.root / below).is_dir()
            else 0
        )

    def num_alone(self) -> int:
        """Annotations whose image is not there."""
        if self.beside is not None:
            return self.beside.num_without_image
        images = (
            {os.path.splitext(found.path)[0] for found in list_images(self.root, IMAGES)}
            if (self.root / IMAGES).is_dir()
            else set()
        )
        return sum(
            f"{IMAGES}/{entry.name[:-4]}" not in images
            for entry in visible_entries(self.root / "Annotations")
            if entry.name.endswith(".xml")
        )

    def annotation(self, image: str) -> Path:
        return self.root / (
            f"Annotations/{image}.xml" if self.beside is None else self.beside.annotations[image]
        )

    def record(self, image: str) -> Record:
        """The annotation of an image."""
        path = self.annotation(image)
        if not path.is_file():
            hint = f"The test images of some years have none in public: choose another set. {_GET}"
            raise BadDataError(
                f"{image} is in an image set, and has no annotation {path}",
                hint if self.advice == _GET else f"Add it. {_OWN}",
            )
        try:
            return _read(ElementTree.parse(path).getroot(), path)
        except ElementTree.ParseError as error:
            raise BadDataError(f"{path} is no XML: {error}", "Get the annotation again.") from None

    def file(self, image: str) -> str:
        """The path of an image's file relative to the root; what the annotation says of its name is
        often wrong and not looked at."""
        if self.beside is not None:
            return self.beside.files[image]
        for suffix in _SUFFIXES:
            if os.path.isfile(self.root / IMAGES / f"{image}{suffix}"):  # noqa: PTH113  thousands of them
                return f"{IMAGES}/{image}{suffix}"
        raise BadDataError(
            f"{image} is in an image set, and there is no JPEGImages/{image}.jpg in {self.root}",
            self.advice,
        )


def edges(boxes: np.ndarray) -> np.ndarray:
    """Pixels from 1, both ends included, as edges from 0: float [b, 4] -> [b, 4]; sides then are
    differences."""
    return np.asarray(boxes, np.float64).reshape(-1, 4) - _FIRST_PIXEL


def pixels(corners: np.ndarray) -> np.ndarray:
    """The other way round."""
    return np.asarray(corners, np.float64).reshape(-1, 4) + _FIRST_PIXEL


def presence(objects: Sequence[Object], label: str) -> int:
    """1 if the image shows one, 0 if difficult ones only, else -1: how the development kit makes
    its lists."""
    of_label = [o for o in objects if o.name == label]
    return -1 if not of_label else int(any(not o.difficult for o in of_label))


def persons_of(folder: VocFolder, name: str) -> dict[tuple[str, int], np.ndarray]:
    """Who is asked about in a set of Action: image and number of the object from 1 -> int8 [10] of
    the actions: 1, -1, or 0 for neither.

    By the lists of the actions; by the annotations where there are none. A person whom an action's
    list leaves out counts neither way.
    """
    if is_list(name):
        kept = set(folder.images(name, ACTION))
        of_sets = [persons_of(folder, one) for one in folder.used_sets(ACTION)]
        return {
            person: marks
            for found in of_sets
            for person, marks in found.items()
            if person[0] in kept
        }
    lists = {action: folder.flags(action, name, ACTION) for action in ACTIONS}
    records: dict[str, Record] = {}

    def objects(image: str) -> tuple[Object, ...]:
        if image not in records:
            records[image] = folder.record(image)
        return records[image].objects

    def mark(image: str, number: int, action: str) -> int:
        if (flags := lists[action]) is not None:
            return flags.get(f"{image} {number}", 0)
        person = objects(image)[number - 1]
        return 0 if person.difficult else 1 if action in person.actions else -1

    if any(flags is not None for flags in lists.values()):
        named = {person.rpartition(" ") for flags in lists.values() for person in flags or {}}
        found = sorted((image, int(number)) for image, _, number in named)
        for image, number in found:
            if folder.annotation(image).is_file() and not 1 <= number <= len(objects(image)):
                raise BadDataError(
                    f"{folder.root}/ImageSets/Action names object {number} of {image}, whose annotation has {len(objects(image))}",
                    "Get annotations and image sets of one release.",
                )
    else:
        images = folder.images(name, ACTION)
        found = [
            (i, n)
            for i in images
            for n, o in enumerate(objects(i), 1)
            if o.name == PERSON and o.actions
        ]
    return {
        (image, n): np.array([mark(image, n, action) for action in ACTIONS], np.int8)
        for image, n in found
    }


def is_list(image_set: str) -> bool:
    """Whether an image set is named by the path of a list, as transfer leaves one beside its
    results."""
    return image_set.endswith(".txt")


def _person(text: str, place: str) -> str:
    """An image and the number of an object, in one spelling."""
    image, _, number = " ".join(text.split()).rpartition(" ")
    if not image or not number.isdecimal():
        raise BadDataError(
            f"{place}: {text!r} is not an image and the number of its object",
            "Get the image sets again.",
        )
    return f"{_without_suffix(image)} {int(number)}"


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadDataError(
            f"{path} is not UTF-8 text: {error.reason} at byte {error.start}", "Save it as UTF-8."
        ) from None


def _without_suffix(image: str) -> str:
    """Lists name images without it; some tools write it all the same."""
    return (
        image[: -len(found)]
        if (found := next((s for s in _SUFFIXES if image.endswith(s)), ""))
        else image
    )


def _without_columns(line: str) -> str:
    """The image of a line that may have the number of an object behind it."""
    head, _, last = line.rpartition(" ")
    return head.strip() if head and last.isdigit() else line


def _read(root: ElementTree.Element, path: Path) -> Record:
    objects = []
    for number, node in enumerate(root.findall("object"), 1):
        name = (node.findtext("name") or "").strip()
        if not name:
            raise BadDataError(
                f"{path}: object {number} has no name",
                "Every object needs a <name>, the name of its class.",
            )
        if "/" in name or name.startswith("."):
            raise BadDataError(
                f"{path}: object {number} is called {name!r}, and result files are named after classes",
                "Rename the class, without '/'.",
            )
        done = node.find("actions")
        actions = (
            frozenset(a.tag for a in done if _is_set(a.text)) if done is not None else frozenset()
        )
        objects.append(
            Object(
                name=name,
                box=_box(node, number, path),
                difficult=_is_set(node.findtext("difficult")),
                actions=actions,
            )
        )
    return Record(objects=tuple(objects))


def _is_set(text: str | None) -> bool:
    return (text or "0").strip() not in ("0", "")


def _box(node: ElementTree.Element, number: int, path: Path) -> tuple[float, float, float, float]:
    """The box of an object itself; its parts have boxes of their own."""
    texts = [node.findtext(f"bndbox/{corner}") for corner in _CORNERS]
    try:
        left, top, right, bottom = (float(text) for text in texts)  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError):
        raise BadDataError(
            f"{path}: object {number} has no whole box: {dict(zip(_CORNERS, texts, strict=True))}",
            "Every object needs a <bndbox> of four numbers: xmin, ymin, xmax, ymax.",
        ) from None
    if not (right >= left and bottom >= top):
        raise BadDataError(
            f"{path}: the box of object {number} ends before it begins: {left:g}, {top:g}, {right:g}, {bottom:g}",
            "xmax is at least xmin, and ymax at least ymin.",
        )
    return left, top, right, bottom
