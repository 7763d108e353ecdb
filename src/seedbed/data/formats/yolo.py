"""yolo(): label files in YOLO's form, a text file for each image with boxes as shares of it.

In: a folder with data.yaml, or with images/ and labels/, or with label files beside the images; or
a data.yaml. Out: a Source with boxes, or with labels by the classes of the boxes. Splits come from
data.yaml, else from the folders of the images.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from seedbed.data.boxed_images import BoxedImage, BoxedSet, BoxTask, LabelledBox, make_source
from seedbed.data.formats import Format
from seedbed.data.image_headers import read_headers, turn_boxes_back
from seedbed.data.note_counter import NoteCounter
from seedbed.data.source import Source
from seedbed.data.yolo_labels import LabelReader, YoloBox
from seedbed.data.yolo_layout import (
    NO_IMAGE,
    YoloFolder,
    has_yolo_layout,
    open_yolo_folder,
    unused_label_files,
)

_NO_FILE = "{num} image{s} without a label file"
_EMPTY = "{num} image{s} with an empty label file"
_TURNED = (
    "{num} image{s} with an orientation tag: boxes refer to the upright image, as YOLO's programs "
    "read it, and are converted to px of the file"
)


@dataclass(frozen=True)
class Yolo(Format):
    """YOLO's label files, by data.yaml or beside the images: task='detection' (boxes) or
    'classification' (one label if no image shows two classes, else several)."""

    path: str
    task: BoxTask = "detection"
    paths: ClassVar[tuple[str, ...]] = ("path",)
    priority: ClassVar[int] = 3

    @staticmethod
    def recognises(path: Path) -> bool:
        return has_yolo_layout(path)

    def read(self) -> Source:
        folder, counter = open_yolo_folder(self.path), NoteCounter()
        names = folder.config.names
        boxes = _read_boxes(folder, counter)
        skipped = folder.listing.skipped
        for path in unused_label_files(folder):
            skipped.add(path, NO_IMAGE)
        read_files = [image.label_file for image in folder.images if image.label_file]
        skipped.remove([*read_files, *_config_files(folder)])
        notes = folder.notes
        if not names:
            notes.append(
                "classes are named by their numbers: there is no data.yaml and no classes.txt"
            )
        data = BoxedSet(
            kind="yolo",
            name=f"yolo({str(self.path)!r}, task={self.task!r})",
            root=folder.root,
            images=[
                BoxedImage(file=image.file, split=image.split, boxes=labelled)
                for image, labelled in zip(
                    folder.images, _to_file_px(folder, boxes, counter), strict=True
                )
            ],
            classes=list(names.values()),
            notes=(*notes, *counter.lines()),
            skipped=skipped.rows(),
        )
        return make_source(data, self.task)


def _read_boxes(folder: YoloFolder, counter: NoteCounter) -> list[list[YoloBox]]:
    """The boxes of each image, as shares of it."""
    reader = LabelReader(
        names=folder.config.names,
        num_keypoint_values=folder.config.num_keypoint_values,
        counter=counter,
    )
    boxes: list[list[YoloBox]] = []
    for image in folder.images:
        boxes.append(
            [] if image.label_file is None else reader.read(folder.root / image.label_file)
        )
        if not boxes[-1]:
            counter.add(_NO_FILE if image.label_file is None else _EMPTY, image.file.path)
    reader.refuse_outside()
    return boxes


def _config_files(folder: YoloFolder) -> list[str]:
    """The files that describe the data set, relative to its root."""
    files = (folder.config.file, folder.config.name_list)
    return [
        file.relative_to(folder.root).as_posix()
        for file in files
        if file is not None and folder.root in file.parents
    ]


def _to_file_px(
    folder: YoloFolder, boxes: list[list[YoloBox]], counter: NoteCounter
) -> list[list[LabelledBox]]:
    """The boxes of each image in px of its file without the orientation tag."""
    rows = [row for row, of_image in enumerate(boxes) if of_image]
    headers = read_headers(folder.root, [folder.images[row].file.path for row in rows])
    labelled: list[list[LabelledBox]] = [[] for _ in boxes]
    for i, row in enumerate(rows):
        if headers.orientations[i] != 1:
            counter.add(_TURNED, folder.images[row].file.path)
        shares = np.array([box.corners or (0.0,) * 4 for box in boxes[row]])
        upright = shares * np.tile(headers.upright_sizes[i], 2)
        num = len(upright)
        corners = turn_boxes_back(
            upright,
            np.tile(headers.sizes[i], (num, 1)),
            np.repeat(headers.orientations[i], num),
        ).tolist()
        labelled[row] = [
            LabelledBox(box.label, None if box.corners is None else tuple(edges))
            for box, edges in zip(boxes[row], corners, strict=True)
        ]
    return labelled
