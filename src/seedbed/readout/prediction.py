"""Predict the classes or objects of image files.

In: a model and paths of files or folders. Out: for each image its classes with calibrated
probabilities (or its boxes), or the reason why it cannot be read. Images are decoded in the same
way as the training images.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image

from seedbed.base.errors import BadDataError
from seedbed.base.paths import expand_user
from seedbed.data.array_images import images_of, is_image, to_image
from seedbed.data.decode import Fit, decode, fit_square
from seedbed.data.image_files import list_folder
from seedbed.data.images import Resident
from seedbed.data.skipped_files import SkippedFiles
from seedbed.data.whole_images import decode_whole, fit_whole
from seedbed.models.backbone import Backbone

_CHUNK_BYTES = 2**28  # decoded images in memory at once
NUM_LISTED = 5  # classes of a prediction


@dataclass(frozen=True)
class MemoryImage:
    """An image in memory, and what it is called in results."""

    name: str
    image: Image.Image

    def __str__(self) -> str:
        return self.name


ImageInput = Path | MemoryImage
# Files and folders, Pillow images, arrays, tensors, or several of these.
ImageInputs = Any


class Classifier(Protocol):
    """A model for `predict_files`."""

    backbone: Backbone
    classes: tuple[str, ...]
    several: bool

    def scores(self, images: Any) -> torch.Tensor: ...

    def probabilities(self, scores: torch.Tensor) -> torch.Tensor: ...


class BoxFinder(Protocol):
    """A detector for `detect_in_files`."""

    settings: Any
    classes: tuple[str, ...]

    def find(self, images: Sequence[torch.Tensor]) -> list[Any]: ...


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """Prediction for one image, or the reason why it could not be read.

    `top`: at most five classes with probabilities in 0..1, the most probable first; of a detector,
    classes with the score of their best box. `labels`: the predicted classes of a multi-label
    model. `boxes`: those of a detector, the most confident first.
    """

    path: str
    top: tuple[tuple[str, float], ...] = ()
    labels: tuple[str, ...] | None = None  # None: the model predicts one class
    boxes: tuple[Box, ...] | None = None  # None: the model is a classifier
    best_score: float | None = None  # of a detector, over all boxes, listed or not
    error: str | None = None

    @property
    def label(self) -> str | None:
        return self.top[0][0] if self.top else None

    @property
    def probability(self) -> float | None:
        return self.top[0][1] if self.top else None


@dataclass(frozen=True, kw_only=True)
class Box:
    """A detected object: class, score of the network in 0..1, and edges in px of the upright image,
    from its upper left corner."""

    label: str
    probability: float
    corners: tuple[float, float, float, float]  # left, top, right, bottom


def skipped_files(paths: Sequence[str | os.PathLike[str]]) -> list[SkippedFiles]:
    """The files below the folders among `paths` that are not images, which `predict` passes over;
    each example is a path that begins with its folder."""
    return [
        replace(row, example=str(path / row.example))
        for path in map(expand_user, paths)
        if path.is_dir()
        for row in list_folder(path).skipped.rows()
    ]


def image_inputs(images: ImageInputs) -> list[ImageInput]:
    """The images that a user names or gives: paths of files, and images in memory.

    Args:
        images: files, folders, Pillow images, arrays or tensors (a fourth dimension is a batch), or
            several of these.

    Raises:
        BadDataError: a missing path, or a folder without images.
        UsageError: an image in memory of another type, shape or range.
    """
    several = [images] if isinstance(images, str | os.PathLike) or is_image(images) else images
    inputs: list[ImageInput] = []
    for value in several:
        if isinstance(value, str | os.PathLike):
            inputs += image_files([value])
            continue
        for image in images_of(value):
            name = f"image {len(inputs)}"
            inputs.append(MemoryImage(name, to_image(image, name)))
    return inputs


def image_files(paths: Sequence[str | os.PathLike[str]]) -> list[Path]:
    """List the image files of paths: files, and all images below folders.

    Raises BadDataError for a missing path, or a folder without images.
    """
    files: list[Path] = []
    for path in map(expand_user, paths):
        if path.is_dir():
            listing = list_folder(path)
            if not listing.files:
                skipped = "; ".join(map(str, listing.skipped.rows()))
                raise BadDataError(
                    f"{path} contains no images{': ' if skipped else ''}{skipped}",
                    "Name image files, or a folder with images.",
                )
            files += [path / image.path for image in listing.files]
        elif path.is_file():
            files.append(path)
        else:
            raise BadDataError(
                f"there is no {path}",
                f"Name image files or folders; the current folder is {Path.cwd()}.",
            )
    return files


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """A chunk of decoded images: pixels uint8 [n, px, px, 3] of the readable ones, and errors of
    the others by position."""

    paths: list[ImageInput]
    pixels: np.ndarray
    is_read: np.ndarray  # bool [len(paths)]
    errors: dict[int, str]


def decode_files(
    paths: Sequence[ImageInput], backbone: Backbone, fit: Fit = "crop", white: float | None = None
) -> Iterator[Decoded]:
    """Decode files at the size that a network needs, in order, a chunk at a time."""
    side = backbone.preprocessing.store_px
    size = max(1, _CHUNK_BYTES // (side * side * 3))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(paths), size):
            part = list(paths[start : start + size])
            results = list(pool.map(lambda path: _decode(path, side, fit, white), part))
            errors = {i: error for i, error in enumerate(results) if isinstance(error, str)}
            images = [image for image in results if not isinstance(image, str)]
            pixels = np.stack(images) if images else np.zeros((0, side, side, 3), np.uint8)
            is_read = np.array([i not in errors for i in range(len(part))], bool)
            yield Decoded(paths=part, pixels=pixels, is_read=is_read, errors=errors)


def _decode(path: ImageInput, side: int, fit: Fit, white: float | None) -> np.ndarray | str:
    """The pixels of an image, or an error message."""
    try:
        if isinstance(path, MemoryImage):
            return fit_square(path.image, side, fit, white)
        return decode(path.read_bytes(), side, fit, white)[0]
    except (OSError, ValueError) as error:
        return str(error) or type(error).__name__


def decoded_images(part: Decoded, backbone: Backbone) -> Resident:
    """Decoded images, preprocessed for the network."""
    return Resident(
        part.pixels, np.arange(len(part.pixels)), None, backbone.device, backbone.preprocessing
    )


def predict_files(
    model: Classifier,
    paths: Sequence[ImageInput],
    fit: Fit = "crop",
    on_progress: Callable[[int, int], None] | None = None,
    above: float = 0.5,
    white: float | None = None,
) -> list[Prediction]:
    """Predict each file, in order; `above` is the least probability of a label of a multi-label
    model, `white` the value that becomes 255 in images of more than 8 bits."""
    predictions: list[Prediction] = []
    for part in decode_files(paths, model.backbone, fit, white):
        rows = iter(_rank_classes(model, part))
        for i, path in enumerate(part.paths):
            if not part.is_read[i]:
                predictions.append(Prediction(path=str(path), error=part.errors[i]))
                continue
            ranked = next(rows)
            labels = tuple(label for label, p in ranked if p >= above) if model.several else None
            top = tuple(ranked[:NUM_LISTED])
            predictions.append(Prediction(path=str(path), top=top, labels=labels))
        if on_progress:
            on_progress(len(predictions), len(paths))
    return predictions


def _rank_classes(model: Classifier, part: Decoded) -> list[list[tuple[str, float]]]:
    """Classes with their probabilities, the most probable first: all of a multi-label model, else
    the first five."""
    if not len(part.pixels):
        return []
    probabilities = model.probabilities(model.scores(decoded_images(part, model.backbone)))
    num = len(model.classes) if model.several else min(NUM_LISTED, len(model.classes))
    values, classes = probabilities.topk(num, dim=1)
    return [
        [(model.classes[c], float(v)) for c, v in zip(image_classes, image_values, strict=True)]
        for image_classes, image_values in zip(classes.tolist(), values.tolist(), strict=True)
    ]


def detect_in_files(
    model: BoxFinder,
    paths: Sequence[ImageInput],
    above: float,
    on_progress: Callable[[int, int], None] | None = None,
    white: float | None = None,
) -> list[Prediction]:
    """Detect the objects in each file, in order; `above` is the least score of a box, `white` the
    value that becomes 255 in images of more than 8 bits."""
    predictions: list[Prediction] = []
    size = model.settings.size
    for path in paths:
        try:
            pixels, width, height = _decode_whole(path, size.short_px, size.long_px, white)
        except (OSError, ValueError) as error:
            message = str(error) or type(error).__name__
            predictions.append(Prediction(path=str(path), error=message))
        else:
            boxes, best_score = _detect(model, pixels, (width, height), above)
            predictions.append(_box_prediction(path, boxes, best_score))
        if on_progress:
            on_progress(len(predictions), len(paths))
    return predictions


def _decode_whole(
    path: ImageInput, short_px: int, long_px: int, white: float | None
) -> tuple[np.ndarray, int, int]:
    if isinstance(path, MemoryImage):
        return fit_whole(path.image, short_px, long_px, upright=True, white=white)
    return decode_whole(path.read_bytes(), short_px, long_px, upright=True, white=white)


def _detect(
    model: BoxFinder, pixels: np.ndarray, size: tuple[int, int], above: float
) -> tuple[list[Box], float]:
    """Boxes in px of an image of `size` (width, height), the most confident first, and the best
    score of all."""
    [detections] = model.find([torch.from_numpy(pixels.copy()).permute(2, 0, 1)])
    scale = (size[0] / pixels.shape[1], size[1] / pixels.shape[0]) * 2
    boxes = [
        _to_box(model.classes[c], score, corners, scale)
        for c, score, corners in detections
        if score >= above
    ]
    boxes.sort(key=lambda box: -box.probability)
    return boxes, max((score for _, score, _ in detections), default=0.0)


def _box_prediction(path: ImageInput, boxes: Sequence[Box], best_score: float) -> Prediction:
    best: dict[str, float] = {}
    for box in boxes:
        best.setdefault(box.label, box.probability)
    top = tuple(best.items())[:NUM_LISTED]
    return Prediction(path=str(path), top=top, boxes=tuple(boxes), best_score=best_score)


def _to_box(label: str, score: float, corners: Sequence[float], scale: Sequence[float]) -> Box:
    """A box with edges in px of the image, from edges in px of the resized image."""
    left, top, right, bottom = (c * s for c, s in zip(corners, scale, strict=True))
    return Box(label=label, probability=score, corners=(left, top, right, bottom))
