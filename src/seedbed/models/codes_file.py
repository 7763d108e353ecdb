"""Write and read safetensors files through memory-mapped arrays, for codes that exceed memory.

In: names, types, shapes, metadata. Out: writable arrays in the file. All safetensors readers can
open it.

    <file>.safetensors   length of the header, 8 bytes, little-endian
                         header: JSON, padded with blanks to a multiple of 8 bytes:
                         {"__metadata__": {name: text}, name: {"dtype", "shape", "data_offsets"}}
                         tensors, one after another
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from seedbed.base.artifacts import atomic_file, preallocate

_NAMES = {np.dtype(np.float16): "F16", np.dtype(np.float32): "F32", np.dtype(np.int64): "I64"}
Shapes = Mapping[str, tuple[type[np.generic], tuple[int, ...]]]


@contextmanager
def create_array_file(
    path: Path, shapes: Shapes, metadata: Mapping[str, str]
) -> Iterator[dict[str, np.ndarray]]:
    """Yield arrays to fill; they become the file on success, and are removed otherwise."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    offsets, start = {}, 0
    for name, (kind, shape) in shapes.items():
        num_bytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(kind).itemsize
        header[name] = {
            "dtype": _NAMES[np.dtype(kind)],
            "shape": list(shape),
            "data_offsets": [start, start + num_bytes],
        }
        offsets[name] = start
        start += num_bytes
    text = json.dumps(header, ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    with atomic_file(path) as aside:
        with aside.open("wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            file.truncate(8 + len(text) + start)
        preallocate(aside)
        maps = {
            name: np.memmap(aside, kind, "r+", 8 + len(text) + offsets[name], shape)
            if np.prod(shape)
            else np.empty(shape, kind)
            for name, (kind, shape) in shapes.items()
        }
        yield dict(maps)
        for array in maps.values():
            if isinstance(array, np.memmap):
                array.flush()


def map_array_file(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of such a file, memory-mapped and read-only."""
    with Path(path).open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    kinds = {name: kind for kind, name in _NAMES.items()}
    return {
        name: np.memmap(
            path, kinds[row["dtype"]], "r", 8 + length + row["data_offsets"][0], tuple(row["shape"])
        )
        for name, row in header.items()
        if name != "__metadata__" and row["data_offsets"][1] > row["data_offsets"][0]
    }
