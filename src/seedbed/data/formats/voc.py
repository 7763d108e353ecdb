"""PASCAL VOC: boxes, several labels an image, or what persons do.

In: a folder of the development kit (Annotations/, ImageSets/, JPEGImages/), or anybody's own in
that layout. Out: a Source with boxes, with marks of each class, or of persons cut out with their
surroundings. The image sets train, val and test are the splits; a set that is not there is left
out, and where there is no test set val serves as such.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from seedbed.base.errors import BadDataError
from seedbed.data.annotations import NO_LABEL, Annotations, Boxes, Marks
from seedbed.data.crops import CropPixels, grow_box
from seedbed.data.formats import Format
from seedbed.data.image_files import FilePixels
from seedbed.data.sidecar_annotations import has_annotations
from seedbed.data.source import TEST, TRAIN, VAL, Pixels, Source, listing_fingerprint
from seedbed.data.voc_layout import (
    ACTION,
    ACTIONS,
    MAIN,
    Record,
    VocFolder,
    edges,
    persons_of,
    presence,
)

_YEARS = "Test images of 2008 on have no annotations in public: their val set serves as test."


@dataclass(frozen=True)
class _Image:
    """An image of a set."""

    id: str
    file: str
    split: int
    set: str


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
        return VocFolder.is_at(path) or any(map(VocFolder.is_at, years)) or has_annotations(path)

    def read(self) -> Source:
        folder = VocFolder.at(self.path)
        found = list(_images(folder, ACTION if self.task == "action" else MAIN))
        records = {one.id: folder.record(one.id) for one in found}
        if self.task == "detection":
            return self._source(folder, found, *_boxes(found, records))
        if self.task == "classification":
            return self._source(folder, found, *_marks(folder, found, records))
        return self._persons(folder, found, records)

    def _source(
        self,
        folder: VocFolder,
        found: list[_Image],
        classes: tuple[str, ...],
        annotations: Annotations,
    ) -> Source:
        files = [one.file for one in found]
        pixels = FilePixels(str(folder.root.resolve()), np.array(files, object))
        return _made(
            self, folder, files, files, [one.split for one in found], classes, annotations, pixels
        )

    def _persons(
        self, folder: VocFolder, found: list[_Image], records: dict[str, Record]
    ) -> Source:
        of_set = {
            name: persons_of(folder, name) for name in dict.fromkeys(one.set for one in found)
        }
        numbers: dict[tuple[str, str], list[int]] = {}
        for name, named in of_set.items():
            for image, number in named:
                numbers.setdefault((name, image), []).append(number)
        persons = [(one, n) for one in found for n in sorted(numbers.get((one.set, one.id), ()))]
        if not persons:
            raise BadDataError(f"{folder.root} has no person in the image sets of Action", _YEARS)
        boxes = [grow_box(_box_of(records[one.id], n), self.context) for one, n in persons]
        files = [one.file for one, _ in persons]
        ids = [f"{file}#{n:03d}" for file, (_, n) in zip(files, persons, strict=True)]
        pixels = CropPixels(str(folder.root.resolve()), np.array(files, object), np.array(boxes))
        marks = Marks(marks=np.stack([of_set[one.set][one.id, n] for one, n in persons]))
        source = _made(
            self, folder, ids, files, [one.split for one, _ in persons], ACTIONS, marks, pixels
        )
        return replace(source, files=np.unique(files, return_inverse=True)[1])


def _box_of(record: Record, number: int) -> tuple[float, float, float, float]:
    """The edges of an object that the lists of actions count from 1."""
    left, top, right, bottom = edges(np.array(record.objects[number - 1].box))[0].tolist()
    return left, top, right, bottom


def _made(
    voc: Voc,
    folder: VocFolder,
    ids: list[str],
    files: list[str],
    splits: list[int],
    classes: tuple[str, ...],
    annotations: Annotations,
    pixels: Pixels,
) -> Source:
    sizes = [(folder.root / one).stat() for one in files]
    told = [
        f"{one}\t{split}\t{s.st_size}\t{s.st_mtime_ns}"
        for one, split, s in zip(ids, splits, sizes, strict=True)
    ]
    what = f"{voc.task} {voc.context:g} by file" if voc.task == "action" else voc.task
    return Source(
        name=f"voc({str(voc.path)!r}, task={voc.task!r})",
        ids=np.array(ids, object),
        leaves=np.full(len(ids), NO_LABEL, np.int32),
        splits=np.array(splits, np.uint8),
        classes=classes,
        pixels=pixels,
        listing=listing_fingerprint(["voc", what, annotations.digest(), *classes, *told]),
        annotations=annotations,
        notes=_unlisted(folder, files),
    )


def _unlisted(folder: VocFolder, files: list[str]) -> tuple[str, ...]:
    """That images or annotations lie in the folder which are not used."""
    num = folder.unlisted(files)
    where = "in no image set" if folder.beside is None else "without an annotation"
    told = (
        [f"{num:,} image{'s' if num > 1 else ''} of {folder.root} {where} left out"] if num else []
    )
    if alone := folder.num_alone():
        told.append(
            f"{alone:,} annotation{'s' if alone > 1 else ''} of {folder.root} without an image left out"
        )
    return tuple(told)


def _images(folder: VocFolder, kind: str) -> Iterator[_Image]:
    """The images of the sets, sorted; none may be in two."""
    there = [
        (name, TEST if name == "test" else VAL if name == "val" else TRAIN)
        for name in folder.used_sets(kind)
    ]
    if not there:
        folder.images("train", kind)  # says what there is
    if ("test", TEST) in there and len(there) > 1 and not _is_annotated(folder, kind):
        there.remove(("test", TEST))
    seen: dict[str, _Image] = {}
    for name, split in there:
        for image in folder.images(name, kind):
            if image in seen:
                raise BadDataError(
                    f"{image} is in two image sets of {folder.root}/ImageSets/{kind}: {seen[image].set} and {name}",
                    "Take it out of one: what is tested on must not be learnt from.",
                )
            seen[image] = _Image(image, folder.file(image), split, name)
    yield from sorted(seen.values(), key=lambda one: one.file)


def _is_annotated(folder: VocFolder, kind: str) -> bool:
    """Whether the test images have annotations: those of some years are not public."""
    return any(folder.annotation(image).is_file() for image in folder.images("test", kind))


def _classes(records: dict[str, Record]) -> tuple[str, ...]:
    classes = tuple(sorted({o.name for r in records.values() for o in r.objects}))
    if not classes:
        raise BadDataError(
            "no annotation of the image sets holds an object",
            "Every <object> is a box with the name of its class.",
        )
    return classes


def _boxes(found: list[_Image], records: dict[str, Record]) -> tuple[tuple[str, ...], Boxes]:
    classes = _classes(records)
    place = {name: i for i, name in enumerate(classes)}
    each: list[tuple[int, Any]] = [
        (row, o) for row, one in enumerate(found) for o in records[one.id].objects
    ]
    return classes, Boxes(
        rows=np.array([row for row, _ in each], np.int64),
        labels=np.array([place[o.name] for _, o in each], np.int32),
        corners=edges(np.array([o.box for _, o in each])),
        difficult=np.array([o.difficult for _, o in each], bool),
    )


def _marks(
    folder: VocFolder, found: list[_Image], records: dict[str, Record]
) -> tuple[tuple[str, ...], Marks]:
    """From the lists of each class where there are any, else from the annotations by the devkit's
    own rule."""
    classes = _classes(records)
    marks = np.empty((len(found), len(classes)), np.int8)
    for k, label in enumerate(classes):
        lists = {
            name: folder.flags(label, name) for name in dict.fromkeys(one.set for one in found)
        }
        for row, one in enumerate(found):
            listed = lists.get(one.set)
            if listed is None:
                marks[row, k] = presence(records[one.id].objects, label)
            elif one.id in listed:
                marks[row, k] = listed[one.id]
            else:
                raise BadDataError(
                    f"{folder.root}/ImageSets/Main/{label}_{one.set}.txt does not name {one.id}, which {one.set}.txt names",
                    "Get the image sets again: each class lists every image of the set.",
                )
    return classes, Marks(marks=marks)
