"""Codes with their labels and ids, in memory or in a file: what the verb `codes` gives.

In: a backbone, images, layer names, labels and ids. Out: one record that saves itself. Knows
nothing of stores.
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
    """Codes of n images at one or several layers, with their labels and ids; `codes["layer4.1"]` is
    one layer's, [n, d]."""

    arrays: Mapping[str, np.ndarray]  # layer -> float32 or float16 [n, d]
    layers: tuple[Mapping[str, Any], ...]  # layer, dim, pooling, after_relu of each
    labels: np.ndarray  # int64 [n], index into classes
    ids: np.ndarray  # str objects [n]
    classes: tuple[str, ...]
    images_per_s: float

    def __repr__(self) -> str:
        shown = "; ".join(
            f"{la['dim']} dimensions of {la['layer']} ({la['pooling']})" for la in self.layers
        )
        return f"Codes: {len(self.labels):,} images x {shown}, {len(self.classes)} classes"

    def __getitem__(self, layer: str) -> np.ndarray:
        if layer not in self.arrays:
            raise unknown("layer", layer, self.arrays, "these codes")
        return self.arrays[layer]

    @property
    def codes(self) -> np.ndarray:
        """[n, d] of the only layer; raises UsageError where there are several."""
        if len(self.arrays) > 1:
            raise UsageError(
                "these are codes of several layers",
                f"Name one: codes[{next(iter(self.arrays))!r}].",
            )
        return next(iter(self.arrays.values()))

    @property
    def layer(self) -> str:
        """The only layer, or the first."""
        return str(self.layers[0]["layer"])

    @property
    def pooling(self) -> str:
        return str(self.layers[0]["pooling"])

    def save(self, path: str | Path) -> Path:
        """Write codes and labels as safetensors: ids, class names and what the layers are in its
        metadata, as JSON."""
        from seedbed.models.codes_file import create_array_file

        path, shapes = (
            codes_path(path),
            {name: (a.dtype.type, a.shape) for name, a in self._named().items()},
        )
        with create_array_file(
            path, shapes, _metadata(self.layers, self.ids, self.classes)
        ) as places:
            for name, array in self._named().items():
                places[name][...] = array
        return path

    def _named(self) -> dict[str, np.ndarray]:
        return {tensor_name(n, len(self.arrays)): a for n, a in self.arrays.items()} | {
            "labels": self.labels
        }


def codes_path(path: str | Path) -> Path:
    """Where codes may be written; raises UsageError for another kind of file, before anything is
    computed."""
    path = Path(path)
    if path.suffix != ".safetensors":
        raise UsageError(
            f"{path} is not named as a safetensors file", "Name it like codes.safetensors."
        )
    return path


def tensor_name(layer: str, num_layers: int) -> str:
    """What a layer's codes are called in a file: `codes` where it is alone, else `codes.LAYER`."""
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
    """Codes of some layers in one pass, in memory, or in the file `out`, which then stays
    mapped."""
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
    place = (
        create_array_file(
            path, shapes | {"labels": (np.int64, labels.shape)}, _metadata(facts, ids, classes)
        )
        if path
        else nullcontext(
            {n: np.empty(shape, kind) for n, (kind, shape) in shapes.items()} | {"labels": labels}
        )
    )
    with place as places:
        fill_codes(
            backbone,
            images,
            {la: places[n] for la, n in names.items()},
            flatten=flatten,
            on_progress=on_progress,
        )
        places["labels"][...] = labels
    rate = len(images) / max(time.perf_counter() - started, 1e-9)
    held = map_array_file(path) if path else places
    return Codes(
        arrays={la: held[n] for la, n in names.items()},
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
