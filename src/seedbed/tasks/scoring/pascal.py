"""Mean average precision of PASCAL's result files: detection, classification, actions.

In: a VOC folder, an image set, a folder of result files, one per class. Out: a `Score`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from seedbed.base.errors import BadDataError, unknown
from seedbed.data.voc_annotations import Record, label_mark
from seedbed.data.voc_layout import ACTIONS, VocFolder, is_list, read_persons
from seedbed.metrics.average_precision import RULES, Decisions, by_rule
from seedbed.metrics.detection import BoxRows, decisions_of_boxes
from seedbed.tasks.pascal_files import ClassFiles, class_files, read_pascal
from seedbed.tasks.scoring.score import Score


def voc_detection(
    truth: str | Path, image_set: str, results: str | Path, ap: str = "voc07"
) -> Score:
    """Score detections, lines `image score xmin ymin xmax ymax`; the rules are those of
    `seedbed.metrics.detection`."""
    _check_rule(ap)
    images, records, classes = _read_truth(VocFolder.find(truth), image_set)
    files = class_files(results, classes)
    detections, scores = _read_detections(files, images, classes)
    truth_boxes, difficult = _box_rows(records, classes)
    decisions = decisions_of_boxes(
        truth_boxes, difficult, detections, scores, len(images), len(classes)
    )
    num_empty = len(images) - len(np.unique(detections.images))
    notes = _notes(files)
    if num_empty:
        notes.append(f"{num_empty:,} of {len(images):,} images have no detection")
    return _score(decisions, classes, ap, notes, len(images))


def voc_classification(
    truth: str | Path, image_set: str, results: str | Path, ap: str = "voc07"
) -> Score:
    """Score class scores, lines `image score`; an image without a line is ranked last, as in the
    devkit."""
    _check_rule(ap)
    folder = VocFolder.find(truth)
    images, records, classes = _read_truth(folder, image_set)
    marks = np.stack(
        [_class_marks(folder, label, image_set, images, records) for label in classes], axis=1
    )
    row_of = {image: i for i, image in enumerate(images)}
    return _score_marks(marks, row_of, results, classes, ap, "classification")


def voc_action(truth: str | Path, image_set: str, results: str | Path, ap: str = "voc10") -> Score:
    """Score the ten actions, lines `image object score`; a person without a line is ranked last."""
    _check_rule(ap)
    folder = VocFolder.find(truth)
    persons = read_persons(folder, image_set)
    if not persons:
        raise BadDataError(
            f"the set {image_set!r} of {folder.root}/ImageSets/Action has no person",
            "Name another set.",
        )
    row_of = {f"{image} {number}": i for i, (image, number) in enumerate(persons)}
    marks = np.stack(list(persons.values()))
    return _score_marks(marks, row_of, results, ACTIONS, ap, "action")


def _check_rule(ap: str) -> None:
    if ap not in RULES:
        raise unknown("rule of average precision", ap, RULES)


def _read_truth(
    folder: VocFolder, image_set: str
) -> tuple[list[str], list[Record], tuple[str, ...]]:
    """The images of a set, their annotations, and the classes in these."""
    images = folder.images(image_set)
    records = [folder.record(image) for image in images]
    classes = tuple(sorted({o.name for record in records for o in record.objects}))
    if not classes:
        raise BadDataError(
            f"no image of the set {image_set!r} of {folder.root} has an object",
            "Name another image set.",
        )
    return images, records, classes


def _box_rows(records: Sequence[Record], classes: Sequence[str]) -> tuple[BoxRows, np.ndarray]:
    """The true boxes, and whether each is difficult: bool [g]."""
    objects = [(i, o) for i, record in enumerate(records) for o in record.objects]
    boxes = BoxRows(
        images=np.array([i for i, _ in objects], np.int64),
        labels=np.array([classes.index(o.name) for _, o in objects], np.int32),
        boxes=np.array([o.box for _, o in objects], np.float64).reshape(-1, 4),
    )
    return boxes, np.array([o.difficult for _, o in objects], bool)


def _read_detections(
    files: ClassFiles, images: Sequence[str], classes: Sequence[str]
) -> tuple[BoxRows, np.ndarray]:
    """The detected boxes of all files, and their scores: float64 [m]."""
    row_of = {image: i for i, image in enumerate(images)}
    parts = [
        (classes.index(label), *read_pascal(path, row_of, "detection"))
        for label, path in files.files.items()
    ]
    values = np.concatenate([values for _, _, values in parts])
    detections = BoxRows(
        images=np.concatenate([rows for _, rows, _ in parts]),
        labels=np.concatenate([np.full(len(rows), k, np.int32) for k, rows, _ in parts]),
        boxes=values[:, 1:],
    )
    return detections, values[:, 0]


def _class_marks(
    folder: VocFolder, label: str, image_set: str, images: Sequence[str], records: Sequence[Record]
) -> np.ndarray:
    """1, 0 or -1 for each image: by the class's list where there is one, else by the
    annotations."""
    flags = folder.flags(label, image_set)
    if flags is None:
        return np.array([label_mark(record.objects, label) for record in records], np.int8)
    if is_list(image_set):
        # The images may belong to several sets, some without a list of the class.
        by_annotation = {
            image: label_mark(record.objects, label)
            for image, record in zip(images, records, strict=True)
            if image not in flags
        }
        flags = {**by_annotation, **flags}
    if missing := [image for image in images if image not in flags]:
        raise BadDataError(
            f"ImageSets/Main/{label}_{image_set}.txt does not name {missing[0]}, which "
            f"{image_set}.txt names",
            "Get both files again.",
        )
    return np.array([flags[image] for image in images], np.int8)


def _score_marks(
    marks: np.ndarray,
    row_of: Mapping[str, int],
    results: str | Path,
    classes: Sequence[str],
    ap: str,
    task: str,
) -> Score:
    """The score of files with one line per image (or person); missing lines are ranked last."""
    files = class_files(results, classes)
    scores = np.full(marks.shape, -np.inf)
    for label, path in files.files.items():
        rows, values = read_pascal(path, row_of, task)
        if len(np.unique(rows)) < len(rows):
            repeated = next(name for name, row in row_of.items() if (rows == row).sum() > 1)
            raise BadDataError(f"{path} has two lines of {repeated!r}", "Give one score for each.")
        scores[rows, classes.index(label)] = values[:, 0]
    columns = [classes.index(label) for label in files.files]
    num_missing = int(np.isneginf(scores[:, columns]).sum())
    notes = _notes(files)
    if num_missing:
        notes.append(f"{num_missing:,} results are missing; they are ranked last")
    return _score(Decisions.of_marks(marks, scores), classes, ap, notes, len(marks))


def _score(
    decisions: Decisions, classes: Sequence[str], ap: str, notes: Sequence[str], num: int
) -> Score:
    metric, *others = by_rule(ap)
    precisions = metric.by_class(decisions, classes)
    if not any(value is not None for value in precisions.values()):
        raise BadDataError(
            "no class has an object, or a label, that is not difficult", "Name another image set."
        )
    return Score(
        metric=metric.name,
        value=decisions.mean(ap),
        per_class=precisions,
        others={other.name: decisions.mean(other.rule) for other in others},
        num=num,
        notes=tuple(notes),
    )


def _notes(files: ClassFiles) -> list[str]:
    """Classes without a file, and files without a class."""
    notes = []
    if files.missing:
        are = "it counts" if len(files.missing) == 1 else "they count"
        notes.append(f"no result file of {', '.join(files.missing)}; {are} as never predicted")
    if files.unmatched:
        names = ", ".join(files.unmatched[:5])
        notes.append(f"ignored files of no class of the image set: {names}")
    return notes
