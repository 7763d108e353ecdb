"""Images in memory: arrays, tensors, Pillow images, and the items of torch data sets.

In: images and labels of a program. Out: a Source that is packed like one from disk, or single
images for `predict`.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from seedbed.base.errors import UsageError, unknown
from seedbed.base.randomness import content_hash
from seedbed.data.decode import ORIENTATION_TAG, Fit, fit_square, is_deep
from seedbed.data.image_files import DecodedImage, load_each
from seedbed.data.source import (
    SPLIT_NAMES,
    TRAIN,
    Loaded,
    Pixels,
    Source,
    from_records,
    listing_fingerprint,
)

_SHAPES = (
    "Give a Pillow image, an array [h, w], [h, w, 3] or [h, w, 4], or a tensor [3, h, w]: uint8, "
    "uint16 grey, or floating point in 0..1."
)
# Images of a data set whose contents enter its fingerprint.
_NUM_HASHED = 64
# Items whose labels are compared with the attribute that lists the labels.
_NUM_COMPARED = 8


def is_image(value: Any) -> bool:
    """Whether a value is an image in memory: a Pillow image, an array or a tensor."""
    return isinstance(value, Image.Image | np.ndarray) or _is_tensor(value)


def images_of(value: Any) -> list[Any]:
    """The images of a value: a batch [n, ...] of arrays or tensors becomes n images."""
    if (isinstance(value, np.ndarray) or _is_tensor(value)) and value.ndim == 4:
        return list(value)
    return [value]


def to_image(value: Any, where: str = "the image") -> Image.Image:
    """Convert an image in memory to a Pillow image.

    Args:
        value: a Pillow image; an array [h, w], [h, w, 1], [h, w, 3] or [h, w, 4]; a tensor [h, w]
            or [c, h, w]. uint8, uint16 (grey alone), or floating point in 0..1.
        where: what the image is called in messages.

    Raises:
        UsageError: another type, shape or range; the message names it.
    """
    if isinstance(value, Image.Image):
        is_upright = value.getexif().get(ORIENTATION_TAG, 1) == 1
        return value if is_upright else ImageOps.exif_transpose(value)
    if not isinstance(value, np.ndarray) and not _is_tensor(value):
        raise UsageError(f"{where} is of type {type(value).__name__}, not an image", _SHAPES)
    array = value if isinstance(value, np.ndarray) else _from_tensor(value, where)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    is_grey = array.ndim == 2
    if not array.size or not (is_grey or (array.ndim == 3 and array.shape[2] in (3, 4))):
        raise UsageError(f"{where} has the shape {tuple(value.shape)}", _SHAPES)
    if array.dtype.kind == "b":
        array = array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind == "f":
        return Image.fromarray(_from_unit_range(array, where))
    if array.dtype == np.uint8 or (is_grey and array.dtype == np.uint16):
        return Image.fromarray(np.ascontiguousarray(array))
    raise UsageError(f"{where} has values of type {array.dtype}", _SHAPES)


def _is_tensor(value: Any) -> bool:
    """Whether a value is a torch tensor, without importing torch."""
    return type(value).__module__.partition(".")[0] == "torch" and hasattr(value, "detach")


def _from_tensor(value: Any, where: str) -> np.ndarray:
    """A tensor [h, w] or [c, h, w] as an array [h, w] or [h, w, c]."""
    array = value.detach().cpu().numpy()
    if array.ndim != 3:
        return array
    if array.shape[0] not in (1, 3, 4):
        raise UsageError(f"{where} is a tensor of the shape {tuple(array.shape)}", _SHAPES)
    return np.moveaxis(array, 0, 2)


def _from_unit_range(array: np.ndarray, where: str) -> np.ndarray:
    low, high = float(array.min()), float(array.max())
    if not (low >= 0 and high <= 1):
        raise UsageError(
            f"{where} has floating-point values from {low:g} to {high:g}",
            "Give values in 0..1, or uint8 in 0..255; normalised images cannot be used.",
        )
    return np.rint(array * 255).astype(np.uint8)


@dataclass(frozen=True)
class MemoryPixels(Pixels):
    """Reads images of a sequence; `order` has the place of each row in it."""

    images: Any  # with a length and items
    order: np.ndarray  # int64 [n]
    item: int | None = None  # the place of the image in each item; None: the item is the image
    white: float | None = None  # the value that becomes 255 in images of more than 8 bits
    _lock: threading.Lock = field(default_factory=threading.Lock, compare=False, repr=False)

    def load(self, rows: np.ndarray, size_px: int, fit: Fit = "crop") -> Loaded:
        def load_one(row: int) -> DecodedImage:
            try:
                image = self.image(int(self.order[row]))
            except UsageError as error:
                raise ValueError(error.message) from None
            pixels = fit_square(image, size_px, fit, self.white)
            peak = float(np.asarray(image).max()) if is_deep(image) else None
            return DecodedImage(_hash(image), pixels, *image.size, peak)

        return load_each(rows, size_px, load_one)

    def with_white(self, white: float) -> MemoryPixels:
        return replace(self, white=white)

    def image(self, place: int) -> Image.Image:
        """The image at a place of the sequence."""
        with self._lock:  # a data set may not be safe for threads
            value = self.images[place]
        return to_image(value if self.item is None else value[self.item], f"image {place}")


def _hash(image: Image.Image) -> int:
    return content_hash(f"{image.mode} {image.size}".encode() + image.tobytes())


def source_from_arrays(
    images: Sequence[Any] | np.ndarray,
    labels: Sequence[Any],
    *,
    ids: Sequence[str] | None,
    classes: Sequence[str] | None,
    splits: Sequence[str] | None,
    name: str,
) -> Source:
    """A source of images in memory; see `seedbed.Source.from_arrays`."""
    num = len(images)
    records = _records(num, labels, ids, classes, splits)
    pixels = MemoryPixels(images, _order(records))
    digest = hashlib.sha256()
    for place in range(num):
        digest.update(_hash(pixels.image(place)).to_bytes(8, "little"))
    return _source(name, records, pixels, ["arrays", digest.hexdigest()])


def source_from_dataset(
    dataset: Any,
    labels: Sequence[Any] | None,
    *,
    ids: Sequence[str] | None,
    classes: Sequence[str] | None,
    splits: Sequence[str] | None,
    name: str,
) -> Source:
    """A source of a torch data set of (image, label); see `seedbed.Source.from_dataset`."""
    num = len(dataset)
    if not num:
        raise UsageError(f"{name} is empty", "Give a data set of two images or more.")
    values = labels
    if values is None:
        values = _labels_of(dataset)
    names = list(classes or getattr(dataset, "classes", None) or ()) or None
    records = _records(num, values, ids, names, splits)
    item = 0 if isinstance(dataset[0], tuple | list) else None
    pixels = MemoryPixels(dataset, _order(records), item)
    if _hash(pixels.image(0)) != _hash(pixels.image(0)):
        raise UsageError(
            f"the first image of {name} differs when it is read twice",
            "Give the data set without random transforms; seedbed augments by itself.",
        )
    places = np.unique(np.linspace(0, num - 1, _NUM_HASHED).astype(int)).tolist()
    hashes = [str(_hash(pixels.image(place))) for place in places]
    return _source(name, records, pixels, ["dataset", *hashes])


def _labels_of(dataset: Any) -> list[Any]:
    """The labels of a data set: of an attribute, or of its items."""
    for attribute in ("targets", "labels", "_labels"):
        values = getattr(dataset, attribute, None)
        if values is not None and len(values) == len(dataset):
            if not _are_labels_of_items(list(values), dataset):
                break
            return list(values)
    items = (dataset[place] for place in range(len(dataset)))
    try:
        return [label for _, label, *_ in items]
    except (TypeError, ValueError):
        raise UsageError(
            "the items of the data set are not (image, label)",
            "Give the labels yourself: sb.Source.from_dataset(dataset, labels).",
        ) from None


def _are_labels_of_items(values: list[Any], dataset: Any) -> bool:
    """Whether an attribute holds what some items say; a transform of labels changes the items."""
    for place in np.unique(np.linspace(0, len(values) - 1, _NUM_COMPARED).astype(int)).tolist():
        item = dataset[place]
        if not isinstance(item, tuple | list) or len(item) < 2:
            return True  # the items have no labels
        pair = (item[1], values[place])
        if len({str(v.item() if hasattr(v, "item") else v) for v in pair}) > 1:
            return False
    return True


Records = list[tuple[str, str, int, int]]  # id, label, split, place; sorted by id


def _records(
    num: int,
    labels: Sequence[Any],
    ids: Sequence[str] | None,
    classes: Sequence[str] | None,
    splits: Sequence[str] | None,
) -> Records:
    """Ids, labels, splits and places of images; raises UsageError for lists of another length."""
    ids = [f"{i:0{len(str(num))}d}" for i in range(num)] if ids is None else [str(i) for i in ids]
    names = [_label(label, classes, place) for place, label in enumerate(labels)]
    parts = [TRAIN] * num if splits is None else [_split(name) for name in splits]
    for what, values in (("labels", names), ("ids", ids), ("splits", parts)):
        if len(values) != num:
            raise UsageError(
                f"{num} images have {len(values)} {what}", f"Give one of the {what} for each image."
            )
    return sorted(zip(ids, names, parts, range(num), strict=True))


def _label(value: Any, classes: Sequence[str] | None, place: int) -> str:
    """The name of a label: a text, or a number of a class."""
    if _is_tensor(value) or isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str) and value.strip():
        return value.strip()
    if isinstance(value, int) and not isinstance(value, bool):
        if classes is None:
            return str(value)
        if 0 <= value < len(classes):
            return str(classes[value])
        raise UsageError(
            f"the label of image {place} is {value}, and there are {len(classes)} classes",
            f"Labels are 0..{len(classes) - 1}, or names.",
        )
    raise UsageError(
        f"the label of image {place} is {value!r}", "Give a name, or the number of a class."
    )


def _split(name: str) -> int:
    if str(name).lower() not in SPLIT_NAMES:
        raise unknown("split", str(name), list(SPLIT_NAMES))
    return SPLIT_NAMES[str(name).lower()]


def _order(records: Records) -> np.ndarray:
    return np.array([place for _, _, _, place in records], np.int64)


def _source(name: str, records: Records, pixels: MemoryPixels, fingerprint: list[str]) -> Source:
    lines = [f"{id_}\t{label}\t{split}" for id_, label, split, _ in records]
    return from_records(
        name,
        [(id_, label, split) for id_, label, split, _ in records],
        pixels=pixels,
        listing=listing_fingerprint([*fingerprint, *lines]),
    )
