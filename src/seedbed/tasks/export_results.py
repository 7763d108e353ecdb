"""Results of our own measurements in the files of official scorers, so that any of these can be
asked.

In: a task and a measurement of it. Out: a folder: PASCAL's result files of each class, or a
ranking. What `seedbed score` says of them is what the measurement says.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from seedbed.data.voc_layout import IMAGES, pixels
from seedbed.metrics.retrieval import GROUP
from seedbed.tasks.detection import DetectionTask
from seedbed.tasks.domains import TARGET, is_joined
from seedbed.tasks.multilabel import MultiLabelTask
from seedbed.tasks.result_files import RANKING, Ranking, write_pascal, write_rankings
from seedbed.tasks.retrieval import RetrievalTask
from seedbed.tasks.task import Measurement, Task

RESULTS = "results"  # the folder's name in that of a model
_PERSON = re.compile(r"(.+)#(\d+)")  # an image's id ends with its suffix, a person's with a number
_LISTS = "rankings"
_IMAGE_SET = Path("images", "test.txt")  # of the test images, for scorers that ask for one


def write_results(task: Task, measured: Measurement, folder: Path) -> None:
    """Write the files into a new folder; none of images with one label each."""
    if isinstance(task, DetectionTask):
        folder.mkdir(parents=True)
        _detections(task, measured, folder)
    elif isinstance(task, MultiLabelTask):
        folder.mkdir(parents=True)
        _marks(task, measured, folder)
    elif isinstance(task, RetrievalTask):
        folder.mkdir(parents=True)
        _ranking(task, measured, folder)


def _detections(task: DetectionTask, measured: Measurement, folder: Path) -> None:
    found = {
        name: measured.predictions[f"detections.{name}"]
        for name in ("images", "labels", "scores", "corners")
    }
    names, boxes = _images(task), pixels(found["corners"])
    _write_set(folder, names)
    for k, label in enumerate(task.classes):
        rows = np.flatnonzero(found["labels"] == k)
        lines = ((names[found["images"][i]], (found["scores"][i], *boxes[i])) for i in rows)
        write_pascal(folder / f"comp3_det_test_{label}.txt", lines)


def _marks(task: MultiLabelTask, measured: Measurement, folder: Path) -> None:
    persons = [_PERSON.fullmatch(str(i)) for i in task.store.ids[task.test]]
    kind, number = ("action", "comp9") if all(persons) else ("cls", "comp1")
    images = _images(task)
    names = [
        f"{image} {int(p[2])}" if p else image for image, p in zip(images, persons, strict=True)
    ]
    _write_set(folder, list(dict.fromkeys(images)))
    for k, label in enumerate(task.classes):
        lines = (
            (name, (score,))
            for name, score in zip(names, measured.predictions["scores"][:, k], strict=True)
        )
        write_pascal(folder / f"{number}_{kind}_test_{label}.txt", lines)


def _ranking(task: RetrievalTask, measured: Measurement, folder: Path) -> None:
    """Lists of Oxford name images without folder and suffix, other sets by their file, images of
    classes by their path. A ranking that was not kept whole says so."""
    ids = [str(one) for one in task.store.ids]
    names = (
        ids
        if task.protocol == "classes"
        else [Path(i).stem if task.protocol == "oxford" else Path(i).name for i in ids]
    )
    ranked = measured.predictions["ranked"]

    def rankings() -> Iterator[Ranking]:
        for query, row in zip(task.test, ranked, strict=True):
            found = row[row >= 0]  # an approximate search found no more
            yield Ranking(
                query=names[int(query)], found=tuple(names[int(task.gallery[i])] for i in found)
            )

    is_whole = ranked.shape[1] >= len(task.gallery) or (
        task.protocol == "ukbench" and bool((ranked[:, :GROUP] >= 0).all())
    )
    write_rankings(
        folder / (RANKING if is_whole else f"ranking_first_{ranked.shape[1]}.dat"), rankings()
    )
    # compute_ap, which came with the set, takes a list for each query, an image a line
    if task.protocol == "oxford":
        lists = folder / _LISTS
        lists.mkdir()
        for one in rankings():
            (lists / f"{one.query}.txt").write_text(
                "".join(f"{name}\n" for name in one.found), encoding="utf-8"
            )


def _images(task: Task) -> list[str]:
    """VOC's names of the test images: paths below JPEGImages/ without suffix, of a set that was
    joined with another without its name."""
    ids = [
        person[1] if (person := _PERSON.fullmatch(str(i))) else str(i)
        for i in task.store.ids[task.test]
    ]
    if is_joined(task.store.classes):
        ids = [i.removeprefix(f"{TARGET}/") for i in ids]
    return [os.path.splitext(i.removeprefix(f"{IMAGES}/"))[0] for i in ids]


def _write_set(folder: Path, images: Sequence[str]) -> None:
    path = folder / _IMAGE_SET
    path.parent.mkdir()
    path.write_text("".join(f"{image}\n" for image in images), encoding="utf-8")
