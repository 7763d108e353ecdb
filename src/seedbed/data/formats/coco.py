"""coco(): annotation files in COCO's form, with boxes or classes.

In: a folder with JSON files and images, in the layout of COCO itself or as Roboflow, Label Studio
and CVAT export it, or an annotation file. Out: a Source with boxes, or with labels. Splits come
from the names of the files or of their folders, else from the folders of the images.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from seedbed.data.boxed_images import (
    BoxedImage,
    BoxedSet,
    BoxTask,
    Corners,
    LabelledBox,
    make_source,
)
from seedbed.data.coco_files import is_coco_file
from seedbed.data.coco_layout import Entry, find_annotation_files, find_place, read_place
from seedbed.data.formats import Format
from seedbed.data.image_files import list_folder
from seedbed.data.image_headers import read_headers, size_note, turn_boxes_back
from seedbed.data.note_counter import NoteCounter
from seedbed.data.source import Source

_UNLISTED = "in no annotation file"
_TURNED = (
    "{num} image{s} with an orientation tag, whose annotation has the size of the turned image: "
    "their boxes are converted to px of the file"
)
_TAGGED = "{num} image{s} with an orientation tag: boxes are read as px of the file without it"


@dataclass(frozen=True)
class Coco(Format):
    """COCO's JSON files, of the folder or `annotations`: task='detection' (boxes) or
    'classification' (one label if no image shows two classes, else several)."""

    path: str
    annotations: str | None = None
    task: BoxTask = "detection"
    paths: ClassVar[tuple[str, ...]] = ("path", "annotations")
    priority: ClassVar[int] = 4

    @staticmethod
    def recognises(path: Path) -> bool:
        if path.is_dir():
            return bool(find_annotation_files(path))
        return path.suffix.lower() == ".json" and is_coco_file(path)

    def read(self) -> Source:
        place, counter = find_place(self.path, self.annotations), NoteCounter()
        listing = list_folder(place.root)
        files = {file.path: file for file in listing.files}
        with_boxes = self.task == "detection"
        entries, classes = read_place(place, files, counter, with_boxes=with_boxes)
        for path in files:
            if path not in entries:
                listing.skipped.add(path, _UNLISTED)
        listing.skipped.remove(_relative_paths(place.files, place.root))
        notes = _to_file_px(place.root, entries, counter) if with_boxes else []
        annotations = f", annotations={self.annotations!r}" if self.annotations else ""
        data = BoxedSet(
            kind="coco",
            name=f"coco({str(self.path)!r}{annotations}, task={self.task!r})",
            root=place.root,
            images=[
                BoxedImage(file=files[path], split=entry.split, boxes=entry.image.boxes)
                for path, entry in entries.items()
            ],
            classes=classes,
            notes=(*counter.lines(), *notes),
            skipped=listing.skipped.rows(),
        )
        return make_source(data, self.task)


def _relative_paths(files: tuple[Path, ...], root: Path) -> list[str]:
    return [file.relative_to(root).as_posix() for file in files if root in file.parents]


def _to_file_px(root: Path, entries: dict[str, Entry], counter: NoteCounter) -> list[str]:
    """Convert boxes that refer to turned images; return a note on sizes that differ, if any."""
    paths = [path for path, entry in entries.items() if entry.image.boxes]
    headers = read_headers(root, paths)
    stated = np.array([entries[path].image.size for path in paths], np.int64).reshape(-1, 2)
    is_turned = headers.exchanged & (stated == headers.upright_sizes).all(1)
    is_turned &= headers.sizes[:, 0] != headers.sizes[:, 1]
    for i in np.flatnonzero(headers.orientations != 1):
        counter.add(_TURNED if is_turned[i] else _TAGGED, paths[i])
    for i in np.flatnonzero(is_turned):
        boxes = entries[paths[i]].image.boxes
        boxes[:] = [
            box._replace(corners=_turn_back(box, headers.sizes[i], headers.orientations[i]))
            for box in boxes
        ]
    stated[is_turned] = 0
    note = size_note(paths, stated, headers)
    return [note] if note else []


def _turn_back(box: LabelledBox, size: np.ndarray, orientation: int) -> Corners | None:
    if box.corners is None:
        return None
    corners = turn_boxes_back(np.array([box.corners]), size[None], np.array([orientation]))[
        0
    ].tolist()
    return corners[0], corners[1], corners[2], corners[3]
