"""Predictions for image files: no labels, no store.

In: a model and paths of files or folders. Out: for each image its classes with calibrated
probabilities, or why it cannot be read. Decoded as the model's training images were, some thousand
at a time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from seedbed.base.errors import BadDataError
from seedbed.base.paths import expand_user
from seedbed.data.decode import Fit, decode, decode_whole
from seedbed.data.image_files import list_images
from seedbed.data.images import Resident
from seedbed.models.backbone import Backbone

_CHUNK_BYTES = 2**28  # of decoded images held at once
NUM_LISTED = 5


class Classifier(Protocol):
    """What `predict_files` needs of a model."""

    backbone: Backbone
    classes: tuple[str, ...]
    several: bool

    def scores(self, images: Any) -> torch.Tensor: ...

    def probabilities(self, scores: torch.Tensor) -> torch.Tensor: ...


class BoxFinder(Protocol):
    """What `detect_in_files` needs of a detector."""

    anatomy: Any
    classes: tuple[str, ...]

    def find(self, images: Sequence[torch.Tensor]) -> list[Any]: ...


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """One image: its classes with probabilities in 0..1, the likeliest first, at most five; or the
    reason why it could not be read.

    Of a model of several labels: those that it says the image has. Of a detector: its boxes, the
    most confident first, and as `top` the classes with the score of the best box of each.
    """

    path: str
    top: tuple[tuple[str, float], ...] = ()
    labels: tuple[str, ...] | None = None  # None: of a model that gives each image one class
    boxes: tuple[Box, ...] | None = None  # None: of a classifier
    best_score: float | None = None  # of a detector: of all boxes, told or not
    error: str | None = None

    @property
    def label(self) -> str | None:
        return self.top[0][0] if self.top else None

    @property
    def probability(self) -> float | None:
        return self.top[0][1] if self.top else None


@dataclass(frozen=True, kw_only=True)
class Box:
    """Something found: its class, score in 0..1 (as the network gives it), and edges in px of the
    upright image from its upper left."""

    label: str
    probability: float
    corners: tuple[float, float, float, float]  # left, top, right, bottom


def image_files(paths: Sequence[str | os.PathLike[str]]) -> list[Path]:
    """The image files that paths name: files as they are, folders with all the images below them.

    Raises BadDataError for a path at which nothing is, or a folder without images.
    """
    found: list[Path] = []
    for path in map(expand_user, paths):
        if path.is_dir():
            inside = [path / image.path for image in list_images(path)]
            if not inside:
                raise BadDataError(
                    f"{path} holds no images", "Name image files, or a folder with some in it."
                )
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise BadDataError(
                f"there is no {path}",
                f"Name image files or folders; the current folder is {Path.cwd()}.",
            )
    return list(dict.fromkeys(found))


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """Some files decoded: pixels uint8 [n, px, px, 3] of those that could be, and why the others
    could not."""

    paths: list[Path]
    pixels: np.ndarray
    is_read: np.ndarray  # bool [len(paths)]
    errors: dict[int, str]


def decode_files(paths: Sequence[Path], backbone: Backbone, fit: Fit = "crop") -> Iterator[Decoded]:
    """Files decoded at the side that a network wants, in their order, a part at a time."""
    side = backbone.preprocessing.store_px
    size = max(1, _CHUNK_BYTES // (side * side * 3))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(paths), size):
            part = list(paths[start : start + size])
            rows = list(pool.map(lambda path: _read(path, side, fit), part))
            errors = {i: row for i, row in enumerate(rows) if isinstance(row, str)}
            pixels = [row for row in rows if not isinstance(row, str)]
            held = np.stack(pixels) if pixels else np.zeros((0, side, side, 3), np.uint8)
            is_read = np.array([i not in errors for i in range(len(part))], bool)
            yield Decoded(paths=part, pixels=held, is_read=is_read, errors=errors)


def _read(path: Path, side: int, fit: Fit) -> np.ndarray | str:
    try:
        return decode(path.read_bytes(), side, fit)[0]
    except (OSError, ValueError) as error:
        return str(error) or type(error).__name__


def decoded_images(part: Decoded, backbone: Backbone) -> Resident:
    """What was decoded, as the network takes it."""
    return Resident(
        part.pixels, np.arange(len(part.pixels)), None, backbone.device, backbone.preprocessing
    )


def predict_files(
    model: Classifier,
    paths: Sequence[Path],
    fit: Fit = "crop",
    on_progress: Callable[[int, int], None] | None = None,
    above: float = 0.5,
) -> list[Prediction]:
    """A prediction for each file, in order; `above`: of several labels, the lowest probability of
    one that is told."""
    found: list[Prediction] = []
    for part in decode_files(paths, model.backbone, fit):
        rows = iter(_ranked(model, part))
        for i, path in enumerate(part.paths):
            if not part.is_read[i]:
                found.append(Prediction(path=str(path), error=part.errors[i]))
                continue
            ranked = next(rows)
            labels = tuple(label for label, p in ranked if p >= above) if model.several else None
            found.append(Prediction(path=str(path), top=tuple(ranked[:NUM_LISTED]), labels=labels))
        if on_progress:
            on_progress(len(found), len(paths))
    return found


def _ranked(model: Classifier, part: Decoded) -> list[list[tuple[str, float]]]:
    """Classes with their probabilities, the likeliest first: all of them where an image may have
    several, else those that are told."""
    if not len(part.pixels):
        return []
    probabilities = model.probabilities(model.scores(decoded_images(part, model.backbone)))
    num = len(model.classes) if model.several else min(NUM_LISTED, len(model.classes))
    values, classes = probabilities.topk(num, dim=1)
    return [
        [(model.classes[c], float(v)) for c, v in zip(row, of_row, strict=True)]
        for row, of_row in zip(classes.tolist(), values.tolist(), strict=True)
    ]


def detect_in_files(
    model: BoxFinder,
    paths: Sequence[Path],
    above: float,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Prediction]:
    """The boxes of each file, in order, whose score is at least `above`."""
    found: list[Prediction] = []
    size = model.anatomy.size
    for path in paths:
        try:
            pixels, width, height = decode_whole(
                path.read_bytes(), size.short_px, size.long_px, upright=True
            )
        except (OSError, ValueError) as error:
            found.append(Prediction(path=str(path), error=str(error) or type(error).__name__))
            continue
        [of_image] = model.find([torch.from_numpy(pixels.copy()).permute(2, 0, 1)])
        scale = (width / pixels.shape[1], height / pixels.shape[0]) * 2
        boxes = [
            _box(model.classes[c], score, corners, scale)
            for c, score, corners in of_image
            if score >= above
        ]
        boxes.sort(key=lambda box: -box.probability)
        best: dict[str, float] = {}
        for box in boxes:
            best.setdefault(box.label, box.probability)
        highest = max((score for _, score, _ in of_image), default=0.0)
        found.append(
            Prediction(
                path=str(path),
                top=tuple(best.items())[:NUM_LISTED],
                boxes=tuple(boxes),
                best_score=highest,
            )
        )
        if on_progress:
            on_progress(len(found), len(paths))
    return found


def _box(label: str, score: float, corners: Sequence[float], scale: Sequence[float]) -> Box:
    left, top, right, bottom = (c * s for c, s in zip(corners, scale, strict=True))
    return Box(label=label, probability=score, corners=(left, top, right, bottom))
