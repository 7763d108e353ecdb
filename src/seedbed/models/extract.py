"""Extract codes with their labels and ids, into memory or into a file.

In: a backbone, images, layer names, labels and ids. Out: one record, which can be saved.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seedbed.base.errors import UsageError, unknown

if TYPE_CHECKING:
    from seedbed.data.images import Images
    from seedbed.models.backbone import Backbone

_TYPES: dict[str, type[np.generic]] = {"float32": np.float32, "float16": np.float16}


@dataclass(frozen=True, kw_only=True, repr=False)
class Codes:
    """Codes of n images at one or more layers, with labels and ids; `codes["layer4.1"]` are the
    codes of a layer, [n, d]."""

    arrays: Mapping[str, np.ndarray]  # layer -> float32 or float16 [n, d]
    layers: tuple[Mapping[str, Any], ...]  # layer, dim, pooling, after_relu of each
    labels: np.ndarray  # int64 [n], index into classes
    ids: np.ndarray  # str objects [n]
    classes: tuple[str, ...]
    images_per_s: float

    def __repr__(self) -> str:
        sizes = "; ".join(
            f"{la['dim']} dimensions of {la['layer']} ({la['pooling']})" for la in self.layers
        )
        return f"Codes: {len(self.labels):,} images x {sizes}, {len(self.classes)} classes"

    def __getitem__(self, layer: str) -> np.ndarray:
        if layer not in self.arrays:
            raise unknown("layer", layer, self.arrays, "these codes")
        return self.arrays[layer]

    @property
    def codes(self) -> np.ndarray:
        """Codes [n, d] of the only layer; raises UsageError if there are several."""
        if len(self.arrays) > 1:
            raise UsageError(
                "these codes are of several layers",
                f"Name one: codes[{next(iter(self.arrays))!r}].",
            )
        return next(iter(self.arrays.values()))

    @property
    def layer(self) -> str:
        """Name of the only layer, or of the first."""
        return str(self.layers[0]["layer"])

    @property
    def pooling(self) -> str:
        return str(self.layers[0]["pooling"])

    def save(self, path: str | Path) -> Path:
        """Write codes and labels as safetensors; its metadata hold ids, class names and facts about
        the layers as JSON."""
        from seedbed.models.codes_file import create_array_file

        path, tensors = codes_path(path), self._tensors()
        shapes = {name: (array.dtype.type, array.shape) for name, array in tensors.items()}
        metadata = _metadata(self.layers, self.ids, self.classes)
        with create_array_file(path, shapes, metadata) as arrays:
            for name, array in tensors.items():
                arrays[name][...] = array
        return path

    def _tensors(self) -> dict[str, np.ndarray]:
        """The arrays by their names in a file."""
        codes = {tensor_name(n, len(self.arrays)): array for n, array in self.arrays.items()}
        return {**codes, "labels": self.labels}


def codes_path(path: str | Path) -> Path:
    """Check the name of a file for codes, before anything is computed; raises UsageError for other
    suffixes than .safetensors."""
    path = Path(path)
    if path.suffix != ".safetensors":
        raise UsageError(
            f"the file name {path} does not end in .safetensors", "Example: codes.safetensors."
        )
    return path


def tensor_name(layer: str, num_layers: int) -> str:
    """Name of a layer's codes in a file: `codes` if it is the only layer, else `codes.LAYER`."""
    return "codes" if num_layers == 1 else f"codes.{layer}"


def extract(
    backbone: Backbone,
    images: Images,
    layers: Sequence[str],
    ids: np.ndarray,
    labels: np.ndarray,
    classes: tuple[str, ...],
    *,
    flatten: bool = False,
    dtype: str = "float32",
    out: str | Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Codes:
    """Extract the codes of layers in one forward pass, into memory, or into the file `out`, whose
    memory-mapped arrays are then returned."""
    from seedbed.models.codes import fill_codes, layer_facts
    from seedbed.models.codes_file import create_array_file, map_array_file

    if dtype not in _TYPES:
        raise unknown("dtype", dtype, _TYPES)
    facts = layer_facts(backbone, layers, flatten)
    names = {str(f["layer"]): tensor_name(str(f["layer"]), len(facts)) for f in facts}
    shapes: dict[str, Any] = {
        names[str(f["layer"])]: (_TYPES[dtype], (len(images), f["dim"])) for f in facts
    }
    path = None if out is None else codes_path(out)
    labels, started = labels.astype(np.int64), time.perf_counter()
    shapes["labels"] = (np.int64, labels.shape)
    if path:
        target = create_array_file(path, shapes, _metadata(facts, ids, classes))
    else:
        target = nullcontext({n: np.empty(shape, kind) for n, (kind, shape) in shapes.items()})
    with target as arrays:
        by_layer = {layer: arrays[name] for layer, name in names.items()}
        fill_codes(backbone, images, by_layer, flatten=flatten, on_progress=on_progress)
        arrays["labels"][...] = labels
    rate = len(images) / max(time.perf_counter() - started, 1e-9)
    tensors = map_array_file(path) if path else arrays
    return Codes(
        arrays={layer: tensors[name] for layer, name in names.items()},
        layers=tuple(facts),
        labels=labels,
        ids=ids,
        classes=classes,
        images_per_s=rate,
    )


def _metadata(
    layers: Sequence[Mapping[str, Any]], ids: np.ndarray, classes: Sequence[str]
) -> dict[str, str]:
    first = layers[0]
    texts = (
        {"layer": str(first["layer"]), "pooling": str(first["pooling"])} if len(layers) == 1 else {}
    )
    return texts | {
        "ids": json.dumps(list(ids)),
        "classes": json.dumps(list(classes)),
        "layers": json.dumps([dict(la) for la in layers]),
    }
