"""Stored predictions as the files that official scorers read.

In: a store, the test rows, and what was predicted for them. Out: a new folder: PASCAL's result
files of each class, or a ranking. `seedbed score` on these files gives the values of the
measurement.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from seedbed.data.store import Store
from seedbed.data.voc_annotations import to_voc_boxes
from seedbed.data.voc_layout import IMAGES
from seedbed.tasks.domains import TARGET, is_joined
from seedbed.tasks.pascal_files import write_pascal
from seedbed.tasks.ranking_files import RANKING, Ranking, write_rankings

RESULTS = "results"  # folder name, in the folder of a model
# The id of an image ends with its suffix, the id of a person with a number.
_PERSON = re.compile(r"(.+)#(\d+)")
_LISTS = "rankings"
_IMAGE_SET = Path("images", "test.txt")  # a list of the test images, which some scorers read


def write_detections(
    folder: Path,
    store: Store,
    test: np.ndarray,
    classes: Sequence[str],
    detections: Mapping[str, np.ndarray],
) -> None:
    """Files `comp3_det_test_<class>.txt`; `detections`: images (positions in `test`), labels,
    scores, corners."""
    folder.mkdir(parents=True)
    names, boxes = _image_names(store, test), to_voc_boxes(detections["corners"])
    _write_image_set(folder, names)
    for k, label in enumerate(classes):
        rows = np.flatnonzero(detections["labels"] == k)
        lines = (
            (names[detections["images"][i]], (detections["scores"][i], *boxes[i])) for i in rows
        )
        write_pascal(folder / f"comp3_det_test_{label}.txt", lines)


def write_marks(
    folder: Path, store: Store, test: np.ndarray, classes: Sequence[str], scores: np.ndarray
) -> None:
    """Files `comp1_cls_test_<class>.txt`, or `comp9_action_test_<class>.txt` if the test consists
    of persons; scores float [t, K]."""
    folder.mkdir(parents=True)
    persons = [_PERSON.fullmatch(str(i)) for i in store.ids[test]]
    kind, number = ("action", "comp9") if all(persons) else ("cls", "comp1")
    images = _image_names(store, test)
    names = [
        f"{image} {int(person[2])}" if person else image
        for image, person in zip(images, persons, strict=True)
    ]
    _write_image_set(folder, list(dict.fromkeys(images)))
    for k, label in enumerate(classes):
        lines = ((name, (score,)) for name, score in zip(names, scores[:, k], strict=True))
        write_pascal(folder / f"{number}_{kind}_test_{label}.txt", lines)


def write_ranking(
    folder: Path, queries: Sequence[str], gallery: Sequence[str], ranked: np.ndarray, *, whole: bool
) -> None:
    """One file of all rankings, named by its length unless it is the whole ranking.

    Args:
        queries, gallery: names of images; ranked: int [q, k], positions in the gallery, -1 where
            the search returned no more.
    """
    folder.mkdir(parents=True)
    name = RANKING if whole else f"ranking_first_{ranked.shape[1]}.dat"
    write_rankings(folder / name, _rankings(queries, gallery, ranked))


def write_ranking_lists(
    folder: Path, queries: Sequence[str], gallery: Sequence[str], ranked: np.ndarray
) -> None:
    """A file for each query, one image per line: what Oxford's program compute_ap reads."""
    lists = folder / _LISTS
    lists.mkdir()
    for ranking in _rankings(queries, gallery, ranked):
        lines = "".join(f"{name}\n" for name in ranking.images)
        (lists / f"{ranking.query}.txt").write_text(lines, encoding="utf-8")


def _rankings(
    queries: Sequence[str], gallery: Sequence[str], ranked: np.ndarray
) -> Iterator[Ranking]:
    for query, row in zip(queries, ranked, strict=True):
        yield Ranking(query=query, images=tuple(gallery[int(i)] for i in row[row >= 0]))


def _image_names(store: Store, rows: np.ndarray) -> list[str]:
    """VOC's names of images: paths below JPEGImages/ without suffix; of two joined domains without
    the name of the domain."""
    ids = [person[1] if (person := _PERSON.fullmatch(str(i))) else str(i) for i in store.ids[rows]]
    if is_joined(store.classes):
        ids = [i.removeprefix(f"{TARGET}/") for i in ids]
    return [os.path.splitext(i.removeprefix(f"{IMAGES}/"))[0] for i in ids]


def _write_image_set(folder: Path, images: Sequence[str]) -> None:
    path = folder / _IMAGE_SET
    path.parent.mkdir()
    path.write_text("".join(f"{image}\n" for image in images), encoding="utf-8")
