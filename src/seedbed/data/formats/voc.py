"""voc(): PASCAL VOC and data sets in its layout: boxes, several labels an image, or actions.

In: a folder of the development kit (Annotations/, ImageSets/, JPEGImages/), or another one in that
layout. Out: a Source with boxes, with marks of each class, or of persons cropped with their
surroundings. The image sets train, val and test are the splits. Sets that do not exist are left
out; without a test set, val serves as test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from seedbed.base.errors import BadDataError
from seedbed.data.annotations import NO_LABEL, Annotations, Boxes, Marks
from seedbed.data.crops import CropPixels, grow_box
from seedbed.data.formats import Format
from seedbed.data.image_files import FilePixels
from seedbed.data.image_headers import read_headers, size_note
from seedbed.data.sidecar_annotations import has_annotations
from seedbed.data.source import TEST, TRAIN, VAL, Pixels, Source, listing_fingerprint
from seedbed.data.voc_annotations import Record, label_mark, to_edges
from seedbed.data.voc_layout import ACTION, ACTIONS, MAIN, VocFolder, read_persons

_YEARS_HINT = (
    "Annotations of test images are not public from 2008 on: the val set then serves as test."
)


@dataclass(frozen=True)
class _Image:
    """An image of a set."""

    id: str
    file: str
    split: int
    set: str


@dataclass(frozen=True, kw_only=True)
class _Rows:
    """The rows of a source: ids, files and splits, of one length, in the order of the ids."""

    ids: Sequence[str]
    files: Sequence[str]
    splits: Sequence[int]


@dataclass(frozen=True)
class Voc(Format):
    """PASCAL VOC's layout: task='detection' (boxes), 'classification' (several labels) or 'action'
    (persons, context 1.5)."""

    path: str
    task: Literal["detection", "classification", "action"] = "detection"
    context: float = 1.5
    paths: ClassVar[tuple[str, ...]] = ("path",)
    priority: ClassVar[int] = 10

    def __post_init__(self) -> None:
        if self.context < 1:
            raise ValueError(f"context = {self.context}: a factor of the box's sides, at least 1")

    @staticmethod
    def recognises(path: Path) -> bool:
        years = (*path.glob("VOC2*"), *path.glob("VOCdevkit/VOC2*"))
        return any(map(VocFolder.has_layout, (path, *years))) or has_annotations(path)

    def read(self) -> Source:
        folder = VocFolder.find(self.path)
        images = _list_images(folder, ACTION if self.task == "action" else MAIN)
        records = {image.id: folder.record(image.id) for image in images}
        if self.task == "action":
            return self._read_persons(folder, images, records)
        classes = _classes(records)
        annotations: Annotations
        if self.task == "detection":
            annotations = _boxes(images, records, classes)
        else:
            annotations = _marks(folder, images, records, classes)
        files = [image.file for image in images]
        rows = _Rows(ids=files, files=files, splits=[image.split for image in images])
        pixels = FilePixels(str(folder.root.resolve()), np.array(files, object))
        source = self._make_source(folder, rows, classes, annotations, pixels)
        if self.task == "classification":
            return source
        return replace(source, notes=(*source.notes, *_size_notes(folder, images, records)))

    def _read_persons(
        self, folder: VocFolder, images: list[_Image], records: dict[str, Record]
    ) -> Source:
        set_names = dict.fromkeys(image.set for image in images)
        marks_of = {name: read_persons(folder, name) for name in set_names}
        numbers: dict[tuple[str, str], list[int]] = {}
        for name, marks in marks_of.items():
            for image, number in marks:
                numbers.setdefault((name, image), []).append(number)
        persons = [
            (image, number)
            for image in images
            for number in sorted(numbers.get((image.set, image.id), ()))
        ]
        if not persons:
            raise BadDataError(
                f"{folder.root} has no person in the image sets of Action", _YEARS_HINT
            )
        boxes = [grow_box(_box(records[image.id], n), self.context) for image, n in persons]
        files = [image.file for image, _ in persons]
        rows = _Rows(
            ids=[f"{image.file}#{n:03d}" for image, n in persons],
            files=files,
            splits=[image.split for image, _ in persons],
        )
        pixels = CropPixels(str(folder.root.resolve()), np.array(files, object), np.array(boxes))
        marks = Marks(marks=np.stack([marks_of[image.set][image.id, n] for image, n in persons]))
        source = self._make_source(folder, rows, ACTIONS, marks, pixels)
        return replace(
            source,
            files=np.unique(files, return_inverse=True)[1],
            notes=(*source.notes, *_size_notes(folder, images, records)),
        )

    def _make_source(
        self,
        folder: VocFolder,
        rows: _Rows,
        classes: tuple[str, ...],
        annotations: Annotations,
        pixels: Pixels,
    ) -> Source:
        lines = []
        for id_, file, split in zip(rows.ids, rows.files, rows.splits, strict=True):
            status = (folder.root / file).stat()
            lines.append(f"{id_}\t{split}\t{status.st_size}\t{status.st_mtime_ns}")
        kind = f"{self.task} {self.context:g} by file" if self.task == "action" else self.task
        return Source(
            name=f"voc({str(self.path)!r}, task={self.task!r})",
            ids=np.array(rows.ids, object),
            leaves=np.full(len(rows.ids), NO_LABEL, np.int32),
            splits=np.array(rows.splits, np.uint8),
            classes=classes,
            pixels=pixels,
            listing=listing_fingerprint(["voc", kind, annotations.digest(), *classes, *lines]),
            annotations=annotations,
            notes=_unused_notes(folder, rows.files),
        )


def _box(record: Record, number: int) -> tuple[float, float, float, float]:
    """The edges of an object, which lists of actions count from 1."""
    left, top, right, bottom = to_edges(np.array(record.objects[number - 1].box))[0].tolist()
    return left, top, right, bottom


def _unused_notes(folder: VocFolder, files: Sequence[str]) -> tuple[str, ...]:
    """Notes on images and annotations in the folder that are not used."""
    notes = []
    if num := folder.num_unlisted(files):
        reason = "in no image set" if folder.sidecar is None else "without an annotation"
        notes.append(f"{num:,} image{'s' if num > 1 else ''} of {folder.root} {reason} left out")
    if num := folder.num_without_image():
        plural = "s" if num > 1 else ""
        notes.append(f"{num:,} annotation{plural} of {folder.root} without an image left out")
    return tuple(notes)


def _size_notes(
    folder: VocFolder, images: list[_Image], records: dict[str, Record]
) -> tuple[str, ...]:
    """A note on the images whose files are of another size than their annotations state."""
    files = [image.file for image in images if min(records[image.id].size) > 0]
    sizes = [records[image.id].size for image in images if min(records[image.id].size) > 0]
    stated = np.array(sizes, np.int64).reshape(-1, 2)
    note = size_note(files, stated, read_headers(folder.root, files))
    return (note,) if note else ()


def _list_images(folder: VocFolder, kind: str) -> list[_Image]:
    """The images of the sets in use, sorted by file; no image may be in two sets."""
    split_of_set = {"test": TEST, "val": VAL}
    names = folder.used_sets(kind)
    if not names:
        folder.images("train", kind)  # raises the error that lists the sets
    if "test" in names and len(names) > 1 and not _is_annotated(folder, kind):
        names.remove("test")
    images: dict[str, _Image] = {}
    for name in names:
        for id_ in folder.images(name, kind):
            if id_ in images:
                raise BadDataError(
                    f"{id_} is in two image sets of {folder.root}/ImageSets/{kind}: "
                    f"{images[id_].set} and {name}",
                    "Remove it from one: test images must not be training images.",
                )
            split = split_of_set.get(name, TRAIN)
            images[id_] = _Image(id_, folder.image_path(id_), split, name)
    return sorted(images.values(), key=lambda image: image.file)


def _is_annotated(folder: VocFolder, kind: str) -> bool:
    """Whether the test images have annotations: those of some years are not public."""
    return any(folder.annotation_path(image).is_file() for image in folder.images("test", kind))


def _classes(records: dict[str, Record]) -> tuple[str, ...]:
    classes = tuple(sorted({o.name for record in records.values() for o in record.objects}))
    if not classes:
        raise BadDataError(
            "no annotation of the image sets holds an object",
            "Every <object> is a box with the name of its class.",
        )
    return classes


def _boxes(images: list[_Image], records: dict[str, Record], classes: tuple[str, ...]) -> Boxes:
    positions = {name: i for i, name in enumerate(classes)}
    objects = [(row, o) for row, image in enumerate(images) for o in records[image.id].objects]
    return Boxes(
        rows=np.array([row for row, _ in objects], np.int64),
        labels=np.array([positions[o.name] for _, o in objects], np.int32),
        corners=to_edges(np.array([o.box for _, o in objects])),
        difficult=np.array([o.difficult for _, o in objects], bool),
    )


def _marks(
    folder: VocFolder,
    images: list[_Image],
    records: dict[str, Record],
    classes: tuple[str, ...],
) -> Marks:
    """Marks from the lists of each class, or from the annotations if there are no lists."""
    marks = np.empty((len(images), len(classes)), np.int8)
    set_names = dict.fromkeys(image.set for image in images)
    for k, label in enumerate(classes):
        flags_of_set = {name: folder.flags(label, name) for name in set_names}
        for row, image in enumerate(images):
            flags = flags_of_set[image.set]
            if flags is None:
                marks[row, k] = label_mark(records[image.id].objects, label)
            elif image.id in flags:
                marks[row, k] = flags[image.id]
            else:
                raise BadDataError(
                    f"{folder.root}/ImageSets/Main/{label}_{image.set}.txt does not name "
                    f"{image.id}, which {image.set}.txt names",
                    "Download the image sets again: each class lists every image of the set.",
                )
    return Marks(marks=marks)
