"""Results of our own measurements in the files of official scorers, so that any of these can be asked.

In: a task and a measurement of it. Out: a folder: PASCAL's result files of each class, or a ranking. What `seedbed score` says of
them is what the measurement says.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from seedbed.data.voc import pixels
from seedbed.tasks.detection import DetectionTask
from seedbed.tasks.multilabel import MultiLabelTask
from seedbed.tasks.result_files import Ranking, write_pascal, write_rankings
from seedbed.tasks.retrieval import RetrievalTask
from seedbed.tasks.target import Measurement, Target

RESULTS = "results"  # the folder's name in that of a model
RANKING = "ranking.dat"


def keeps_something(task: Target) -> bool:
    """Whether a measurement leaves a model or files of results: of retrieval among labelled images it leaves neither."""
    return not (isinstance(task, RetrievalTask) and task.protocol == "classes")


def write_results(task: Target, measured: Measurement, folder: Path) -> None:
    """Write the files into a new folder; nothing for a task that has no official form."""
    if isinstance(task, DetectionTask):
        folder.mkdir(parents=True)
        _detections(task, measured, folder)
    elif isinstance(task, MultiLabelTask):
        folder.mkdir(parents=True)
        _marks(task, measured, folder)
    elif isinstance(task, RetrievalTask) and keeps_something(task):
        folder.mkdir(parents=True)
        _ranking(task, measured, folder)


def _detections(task: DetectionTask, measured: Measurement, folder: Path) -> None:
    found = {name: measured.predictions[f"detections.{name}"] for name in ("images", "labels", "scores", "corners")}
    names, boxes = [_image(i) for i in task.store.ids[task.test]], pixels(found["corners"])
    for k, label in enumerate(task.classes):
        rows = np.flatnonzero(found["labels"] == k)
        lines = ((names[found["images"][i]], (found["scores"][i], *boxes[i])) for i in rows)
        write_pascal(folder / f"comp3_det_test_{label}.txt", lines)


def _marks(task: MultiLabelTask, measured: Measurement, folder: Path) -> None:
    ids = [str(i) for i in task.store.ids[task.test]]
    kind = "action" if all("#" in i for i in ids) else "cls"
    number = {"action": "comp9", "cls": "comp1"}[kind]
    names = [f"{_image(i.partition('#')[0])} {int(i.partition('#')[2])}" if kind == "action" else _image(i) for i in ids]
    for k, label in enumerate(task.classes):
        lines = ((name, (score,)) for name, score in zip(names, measured.predictions["scores"][:, k], strict=True))
        write_pascal(folder / f"{number}_{kind}_test_{label}.txt", lines)


def _ranking(task: RetrievalTask, measured: Measurement, folder: Path) -> None:
    def name(row: int) -> str:
        return _image(str(task.store.ids[row])) if task.protocol == "oxford" else Path(str(task.store.ids[row])).name

    def rankings() -> Iterator[Ranking]:
        for query, ranked in zip(task.test, measured.predictions["ranked"], strict=True):
            yield Ranking(query=name(int(query)), found=tuple(name(int(task.gallery[i])) for i in ranked))

    write_rankings(folder / RANKING, rankings())


def _image(identity: object) -> str:
    """VOC's name of an image: its file without folder and suffix."""
    return Path(str(identity)).stem
