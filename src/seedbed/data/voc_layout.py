"""The folder layout of PASCAL VOC: image sets, annotations, image files.

In: a folder such as VOCdevkit/VOC2007, or one in which tools for annotation (LabelImg, Roboflow)
have written .xml files next to the images. Out: lists of images, and the records of annotations.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seedbed.base.errors import BadDataError
from seedbed.base.paths import expand_user
from seedbed.data.image_files import existing_folder, list_images, visible_entries
from seedbed.data.sidecar_annotations import IMAGES, SidecarAnnotations
from seedbed.data.source import SPLIT_NAMES, SPLITS
from seedbed.data.voc_annotations import Object, Record, read_record

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
_DOWNLOAD_ADVICE = (
    "VOC is distributed at host.robots.ox.ac.uk/pascal/VOC; "
    "torchvision.datasets.VOCDetection(root, year='2007', download=True) fetches it."
)
_LAYOUT_ADVICE = (
    "An image set is a text file such as ImageSets/Main/train.txt: one image a line, without its "
    "suffix."
)


@dataclass(frozen=True)
class VocFolder:
    """One year's folder: Annotations/, ImageSets/, JPEGImages/; or images with annotations next to
    them."""

    root: Path
    sidecar: SidecarAnnotations | None = None

    @staticmethod
    def find(path: str | Path) -> VocFolder:
        """The folder at a path, or the only year below a VOCdevkit; raises BadDataError for other
        folders."""
        root = existing_folder(path)
        candidates = (*root.glob("VOC2*"), *root.glob("VOCdevkit/VOC2*"))
        years = sorted(folder for folder in candidates if VocFolder.has_layout(folder))
        if VocFolder.has_layout(root) and any((root / "ImageSets").rglob("*.txt")):
            return VocFolder(root)
        if len(years) == 1:
            return VocFolder(years[0])
        if years:
            raise BadDataError(
                f"{root} holds {len(years)} years of VOC",
                f"Name one: {', '.join(map(str, years))}.",
            )
        if sidecar := SidecarAnnotations.find(root):
            return VocFolder(root, sidecar)
        raise BadDataError(
            f"{root} is not a VOC folder: it needs Annotations/ and ImageSets/, or an .xml file "
            "next to each image",
            VocFolder(root).advice,
        )

    @staticmethod
    def has_layout(path: Path) -> bool:
        """Whether a folder has Annotations/ and ImageSets/."""
        return (path / "Annotations").is_dir() and (path / "ImageSets").is_dir()

    @property
    def advice(self) -> str:
        """Where to download PASCAL VOC, or how the user's image sets must look."""
        is_voc = re.fullmatch(r"VOC(devkit|20\d\d)", self.root.name)
        return _DOWNLOAD_ADVICE if is_voc else _LAYOUT_ADVICE

    def sets(self, folder: str = MAIN) -> list[str]:
        """Names of the image sets that list images and no flags: train, val, trainval, test."""
        if self.sidecar is not None:
            return sorted(self.sidecar.sets) if folder == MAIN else []
        path = self.root / "ImageSets" / folder
        names = {file.stem for file in path.glob("*.txt")} if path.is_dir() else set()
        return sorted(
            name
            for name in names
            # `dog_train` is a list of flags if there is a set `train`
            if name.rpartition("_")[2] not in names - {name} or name.rpartition("_")[0] == ""
        )

    def has_set(self, name: str, folder: str = MAIN) -> bool:
        if self.sidecar is not None:
            return name in self.sets(folder)
        return self._set_path(name, folder).is_file()

    def used_sets(self, folder: str = MAIN) -> list[str]:
        """The sets that do not overlap: train, val and test, or trainval with test, or the only set
        that exists."""
        present = [name for name in SPLITS if self.has_set(name, folder)]
        if not {"train", "val"} & set(present) and self.has_set("trainval", folder):
            return ["trainval", *present]
        return present or (only if len(only := self.sets(folder)) == 1 else [])

    def images(self, name: str, folder: str = MAIN) -> list[str]:
        """Ids of the images of a set, or of a list at a path, in the order of the file; each
        once."""
        split = SPLITS[SPLIT_NAMES[name]] if name in SPLIT_NAMES else name  # valid, validation
        if self.sidecar is not None and split in self.sets(folder):
            return self.sidecar.sets[split]
        path = expand_user(name) if is_list(name) else self._set_path(name, folder)
        if not path.is_file():
            sets = ", ".join(self.sets(folder)) or "none"
            raise BadDataError(
                f"there is no image set {path}", f"Image sets: {sets}. {self.advice}"
            )
        lines = [line.strip() for line in _read_text(path).splitlines() if line.strip()]
        if folder == ACTION:
            lines = [_without_object_number(line) for line in lines]
        ids = [self._image_id(line) for line in lines]
        if not ids:
            raise BadDataError(
                f"{path} names no image", "It should hold one image a line, without its suffix."
            )
        if self.sidecar is not None and (missing := set(ids) - self.sidecar.files.keys()):
            raise BadDataError(
                f"{path} names {next(i for i in ids if i in missing)!r}, and there is no such "
                f"image with an annotation in {self.root}",
                self.advice,
            )
        return list(dict.fromkeys(ids))

    def _set_path(self, name: str, folder: str) -> Path:
        return self.root / "ImageSets" / folder / f"{name}.txt"

    def _image_id(self, image: str) -> str:
        """The id of an image in a list: without its suffix, which some tools write."""
        plain = _without_suffix(image)
        has_annotation = (
            image in self.sidecar.files
            if self.sidecar is not None
            else (self.root / "Annotations" / f"{image}.xml").is_file()
        )
        return image if image == plain or has_annotation else plain

    def flags(self, label: str, name: str, folder: str = MAIN) -> dict[str, int] | None:
        """Read `label_name.txt`: image (for actions, image and number of its object) -> 1, 0 or -1.

        None if there is no such file. For a list at a path: the flags of all sets in use.
        """
        if is_list(name):
            parts = (self.flags(label, one, folder) for one in self.used_sets(folder))
            return {image: flag for flags in parts if flags for image, flag in flags.items()}
        path = self._set_path(f"{label}_{name}", folder)
        if not path.is_file():
            return None
        flags: dict[str, int] = {}
        for number, line in enumerate(_read_text(path).splitlines(), 1):
            if not line.strip():
                continue
            image, _, flag = line.strip().rpartition(" ")
            if flag not in ("1", "0", "-1") or not image:
                object_number = ", the number of its object" if folder == ACTION else ""
                raise BadDataError(
                    f"{path}, line {number}: {line.strip()!r} is not an image{object_number} and "
                    "1, 0 or -1",
                    "Download the image sets again.",
                )
            if folder == ACTION:
                key = _person_key(image, f"{path}, line {number}")
            else:
                key = self._image_id(image.strip())
            flags[key] = int(flag)
        return flags

    def num_unlisted(self, listed: Sequence[str]) -> int:
        """The number of images in the folder that are not among these files."""
        below = "" if self.sidecar is not None else IMAGES
        if not (self.root / below).is_dir():
            return 0
        return len({image.path for image in list_images(self.root, below)} - set(listed))

    def num_without_image(self) -> int:
        """The number of annotations without an image."""
        if self.sidecar is not None:
            return self.sidecar.num_without_image
        images: set[str] = set()
        if (self.root / IMAGES).is_dir():
            images = {os.path.splitext(image.path)[0] for image in list_images(self.root, IMAGES)}
        return sum(
            f"{IMAGES}/{entry.name[:-4]}" not in images
            for entry in visible_entries(self.root / "Annotations")
            if entry.name.endswith(".xml")
        )

    def annotation_path(self, image: str) -> Path:
        """Where the annotation of an image is, or should be."""
        if self.sidecar is not None:
            return self.root / self.sidecar.annotations[image]
        return self.root / "Annotations" / f"{image}.xml"

    def record(self, image: str) -> Record:
        """Read the annotation of an image."""
        path = self.annotation_path(image)
        if not path.is_file():
            hint = f"Add it. {_LAYOUT_ADVICE}"
            if self.advice == _DOWNLOAD_ADVICE:
                hint = (
                    "The annotations of some years' test images are not public: choose another "
                    f"set. {_DOWNLOAD_ADVICE}"
                )
            raise BadDataError(f"{image} is in an image set, and has no annotation {path}", hint)
        return read_record(path)

    def image_path(self, image: str) -> str:
        """The file of an image, relative to the root.

        The file name in the annotation is ignored, since it is often wrong.
        """
        if self.sidecar is not None:
            return self.sidecar.files[image]
        for suffix in _SUFFIXES:
            # os.path is faster than Path, and there are thousands of images.
            if os.path.isfile(f"{self.root}/{IMAGES}/{image}{suffix}"):  # noqa: PTH113
                return f"{IMAGES}/{image}{suffix}"
        raise BadDataError(
            f"{image} is in an image set, and there is no JPEGImages/{image}.jpg in {self.root}",
            self.advice,
        )


def is_list(image_set: str) -> bool:
    """Whether an image set is named by the path of a list, such as transfer writes with its
    results."""
    return image_set.endswith(".txt")


Persons = dict[tuple[str, int], np.ndarray]


def read_persons(folder: VocFolder, name: str) -> Persons:
    """Read the persons of an Action set: (image, number of the object from 1) -> marks, int8 [10].

    The mark of an action is 1, -1, or 0 for neither. It comes from the lists of the actions, or
    from the annotations if there are no lists. A person that an action's list leaves out gets 0.
    """
    if is_list(name):
        images = set(folder.images(name, ACTION))
        parts = [read_persons(folder, one) for one in folder.used_sets(ACTION)]
        return {key: marks for part in parts for key, marks in part.items() if key[0] in images}
    lists = {action: folder.flags(action, name, ACTION) for action in ACTIONS}
    if all(flags is None for flags in lists.values()):
        lists = {}
    records: dict[str, Record] = {}

    def objects(image: str) -> tuple[Object, ...]:
        if image not in records:
            records[image] = folder.record(image)
        return records[image].objects

    def mark(image: str, number: int, action: str) -> int:
        if (flags := lists.get(action)) is not None:
            return flags.get(f"{image} {number}", 0)
        person = objects(image)[number - 1]
        return 0 if person.difficult else 1 if action in person.actions else -1

    if lists:
        keys = sorted({_split_key(key) for flags in lists.values() for key in flags or {}})
        for image, number in keys:
            has_annotation = folder.annotation_path(image).is_file()
            if has_annotation and not 1 <= number <= len(objects(image)):
                raise BadDataError(
                    f"{folder.root}/ImageSets/Action names object {number} of {image}, whose "
                    f"annotation has {len(objects(image))}",
                    "Download annotations and image sets of one release.",
                )
    else:
        keys = [
            (image, number)
            for image in folder.images(name, ACTION)
            for number, item in enumerate(objects(image), 1)
            if item.name == PERSON and item.actions
        ]
    return {
        (image, number): np.array([mark(image, number, action) for action in ACTIONS], np.int8)
        for image, number in keys
    }


def _person_key(text: str, place: str) -> str:
    """An image and the number of an object, separated by one space."""
    image, _, number = " ".join(text.split()).rpartition(" ")
    if not image or not number.isdecimal():
        raise BadDataError(
            f"{place}: {text!r} is not an image and the number of its object",
            "Download the image sets again.",
        )
    return f"{_without_suffix(image)} {int(number)}"


def _split_key(key: str) -> tuple[str, int]:
    image, _, number = key.rpartition(" ")
    return image, int(number)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadDataError(
            f"{path} is not UTF-8 text: {error.reason} at byte {error.start}", "Save it as UTF-8."
        ) from None


def _without_suffix(image: str) -> str:
    """The image without its suffix, which some tools write into lists."""
    suffix = next((s for s in _SUFFIXES if image.endswith(s)), "")
    return image.removesuffix(suffix)


def _without_object_number(line: str) -> str:
    """The image of a line that may end with the number of an object."""
    head, _, last = line.rpartition(" ")
    return head.strip() if head and last.isdigit() else line
