"""torchvision(): torchvision's classification data sets by name; downloads on request.

In: a name such as CIFAR10, and the folder that torchvision calls root. Out: a Source with all
splits of the set.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from seedbed.base.errors import BadDataError, unknown
from seedbed.base.randomness import content_hash
from seedbed.data.decode import fit_square
from seedbed.data.formats import Format
from seedbed.data.image_files import DecodedImage, existing_folder, load_each
from seedbed.data.source import (
    TEST,
    TRAIN,
    VAL,
    Loaded,
    Pixels,
    Source,
    from_records,
    listing_fingerprint,
)

# name -> (split, the arguments that select it); sets of one split have no arguments.
_TRAIN_TEST = ((TRAIN, {"train": True}), (TEST, {"train": False}))
_BY_NAME = ((TRAIN, {"split": "train"}), (TEST, {"split": "test"}))
_THREE = ((TRAIN, {"split": "train"}), (VAL, {"split": "val"}), (TEST, {"split": "test"}))
_WHOLE = ((TRAIN, {}),)
_SETS: dict[str, tuple[tuple[int, dict[str, Any]], ...]] = {
    "CIFAR10": _TRAIN_TEST,
    "CIFAR100": _TRAIN_TEST,
    "Caltech101": _WHOLE,
    "Caltech256": _WHOLE,
    "Country211": (
        (TRAIN, {"split": "train"}),
        (VAL, {"split": "valid"}),
        (TEST, {"split": "test"}),
    ),
    "DTD": _THREE,
    "EuroSAT": _WHOLE,
    "FGVCAircraft": _THREE,
    "FashionMNIST": _TRAIN_TEST,
    "Flowers102": _THREE,
    "Food101": _BY_NAME,
    "GTSRB": _BY_NAME,
    "Imagenette": ((TRAIN, {"split": "train"}), (VAL, {"split": "val"})),
    "KMNIST": _TRAIN_TEST,
    "MNIST": _TRAIN_TEST,
    "OxfordIIITPet": ((TRAIN, {"split": "trainval"}), (TEST, {"split": "test"})),
    "PCAM": _THREE,
    "SEMEION": _WHOLE,
    "STL10": _BY_NAME,
    "SUN397": _WHOLE,
    "SVHN": _BY_NAME,
    "StanfordCars": _BY_NAME,
    "USPS": _TRAIN_TEST,
}


@dataclass(frozen=True)
class TorchvisionSet(Format):
    """A classification set of torchvision by its name, such as torchvision('CIFAR10', 'data/');
    download=True fetches it."""

    name: str
    root: str = "."
    download: bool = False
    paths: ClassVar[tuple[str, ...]] = ("root",)

    def __post_init__(self) -> None:
        if self.name not in _SETS:
            raise unknown("torchvision data set", self.name, _SETS)

    def read(self) -> Source:
        parts = [self._open(arguments) for _, arguments in _SETS[self.name]]
        records: list[tuple[str, str, int]] = []
        for (split, _), part in zip(_SETS[self.name], parts, strict=True):
            names = _class_names(part)
            labels = _labels(part)
            records += [
                (f"{_PREFIX[split]}/{i:07d}", names.get(label, str(label)), split)
                for i, label in enumerate(labels)
            ]
        # Rows are sorted by id, which begins with the split.
        prefixes = np.array([_PREFIX[split] for split, _ in _SETS[self.name]])
        by_id = np.argsort(prefixes, kind="stable")
        sizes = [len(parts[i]) for i in by_id]
        starts = tuple(np.concatenate([[0], np.cumsum(sizes)]).tolist())
        labels = [label for _, label, _ in sorted(records)]
        return from_records(
            f"torchvision({self.name!r}, {self.root!r})",
            records,
            pixels=SetPixels(tuple(parts[i] for i in by_id), starts),
            listing=listing_fingerprint(["torchvision", self.name, *map(str, sizes), *labels]),
        )

    def _open(self, arguments: dict[str, Any]) -> Any:
        from torchvision import datasets

        cls = getattr(datasets, self.name)
        if not self.download:
            existing_folder(self.root)
        if "download" in inspect.signature(cls).parameters:
            arguments = {**arguments, "download": self.download}
        try:
            return cls(root=self.root, **arguments)
        except (RuntimeError, OSError, ValueError) as error:
            raise BadDataError(
                f"torchvision does not find {self.name} in {self.root}: "
                f"{str(error).splitlines()[0]}",
                "Put it there in torchvision's layout, or download it: "
                f"torchvision('{self.name}', '{self.root}', download=True).",
            ) from None


_PREFIX = {TRAIN: "train", VAL: "val", TEST: "test"}


def _class_names(part: Any) -> dict[int, str]:
    """Class number -> name, if the set has names.

    A '/' is replaced, since it would make a hierarchy of the name.
    """
    classes = getattr(part, "classes", None) or getattr(part, "categories", None) or []
    names = [name if isinstance(name, str) else str(name[0]) for name in classes]
    return {i: name.replace("/", " or ") for i, name in enumerate(names)}


def _labels(part: Any) -> list[int]:
    """The class number of each image, from an attribute of the set, or by reading all images."""
    for name in ("targets", "labels", "_labels", "y"):
        labels = getattr(part, name, None)
        if labels is not None and len(labels) == len(part):
            return [int(label) for label in labels]
    return [int(part[i][1]) for i in range(len(part))]


@dataclass(frozen=True)
class SetPixels(Pixels):
    """Reads images from torchvision's data sets; `starts` has the first row of each part, and the
    number of rows."""

    parts: tuple[Any, ...]
    starts: tuple[int, ...]

    def load(self, rows: np.ndarray, size_px: int, fit: str = "crop") -> Loaded:
        def load_one(row: int) -> DecodedImage:
            part = int(np.searchsorted(self.starts, row, side="right")) - 1
            image = self.parts[part][row - self.starts[part]][0]
            pixels = fit_square(image, size_px, fit)  # pyright: ignore[reportArgumentType]
            return DecodedImage(content_hash(image.tobytes()), pixels, *image.size)

        return load_each(rows, size_px, load_one)
