"""The embedded image source: drawn shapes with a class tree of families, kinds and variants.

Comes in: class indices and seeds. Goes out: uint8 pictures, each a function of its own (class,
seed, size) alone. Does not know: splits, how many images a study takes, files (but for the picture
that `python -m` writes).

Classes are told apart by outline only. Pose, colours, textures and clutter are drawn from the seed
without looking at the class. No class is another's mirror image, so horizontal flips are a safe
augmentation. Some glyphs resemble
letters and digits: written characters are a near target.

    python -m seedbed.data.drawing OUT.png
"""

from __future__ import annotations

import struct
import sys
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seedbed.data import drawing_shapes as shapes
from seedbed.data.drawing_scene import SceneSettings, Seeds, coverage, paint, place, wobbles
from seedbed.data.drawing_shapes import Array, Shape

_CHUNK = 128
"""Images painted at once: their arrays, 0.5 MB each at 32 px, stay in a core's cache."""

_MAX_TURN = {"polygon": 0.5, "round": 0.5, "star": 0.5, "line": 0.055, "curve": 0.055}
"""In turns; glyphs stay within 20 degrees of upright, since an N on its side is a Z."""


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """One fine class."""

    name: str
    """Path in the tree, "family/kind/variant"."""
    shape: Shape
    """The outline."""
    max_turn: float
    """Largest rotation either way, in turns."""


_TRIANGLE = shapes.regular(3)

_OUTLINES: Mapping[str, Mapping[str, Mapping[str, Shape]]] = {
    "polygon": {
        "triangle": {
            "plain": _TRIANGLE,
            "notched": shapes.without_disc(_TRIANGLE, 0, 0.52, 0.3),
            "holed": shapes.without_disc(_TRIANGLE, 0, 0, 0.25),
        },
        "rectangle": {
            "square": shapes.rectangle(1.0),
            "oblong": shapes.rectangle(1.5),
            "plank": shapes.rectangle(2.25),
        },
        "regular": {
            "pentagon": shapes.regular(5),
            "hexagon": shapes.regular(6),
            "octagon": shapes.regular(8),
        },
        "slanted": {
            "rhombus": shapes.rhombus(1.15, 0.7),
            "trapezium": shapes.slanted(0.5, 0.5, 0.6),
            "parallelogram": shapes.slanted(0.6, -0.6, 0.6),
        },
    },
    "round": {
        "ellipse": {
            "circle": shapes.ellipse(1.0),
            "oval": shapes.ellipse(1.4),
            "long": shapes.ellipse(2.0),
        },
        "ring": {"thin": shapes.ring(0.24), "medium": shapes.ring(0.44), "thick": shapes.ring(0.7)},
        "target": {
            "one-ring": shapes.target(1),
            "two-rings": shapes.target(2),
            "three-rings": shapes.target(3),
        },
        "moon": {
            "crescent": shapes.moon(-0.45),
            "half": shapes.moon(0.0),
            "gibbous": shapes.moon(0.45),
        },
    },
    "star": {
        "cross": {
            "slender": shapes.spokes(4, 0.15),
            "plain": shapes.spokes(4, 0.26),
            "stout": shapes.spokes(4, 0.4),
        },
        "pointed": {"four": shapes.star(4), "five": shapes.star(5), "six": shapes.star(6)},
        "flower": {"three": shapes.flower(3), "four": shapes.flower(4), "five": shapes.flower(5)},
        "asterisk": {
            "five": shapes.spokes(5, 0.13),
            "six": shapes.spokes(6, 0.13),
            "eight": shapes.spokes(8, 0.11),
        },
    },
    "line": {
        "bend": {
            "corner": shapes.glyph([[(-0.5, -0.9), (-0.5, 0.8), (0.65, 0.8)]]),
            "wedge": shapes.glyph([[(-0.7, -0.85), (0, 0.85), (0.7, -0.85)]]),
            "channel": shapes.glyph([[(-0.6, -0.8), (-0.6, 0.8), (0.6, 0.8), (0.6, -0.8)]]),
        },
        "branch": {
            "tee": shapes.glyph([[(-0.75, -0.8), (0.75, -0.8)], [(0, -0.8), (0, 0.9)]]),
            "fork": shapes.glyph([[(-0.7, -0.85), (0, 0), (0.7, -0.85)], [(0, 0), (0, 0.9)]]),
            "rake": shapes.glyph([[(0.7, -0.8), (-0.5, -0.8), (-0.5, 0.9)], [(-0.5, 0), (0.5, 0)]]),
        },
        "bridge": {
            "ladder": shapes.glyph(
                [[(-0.6, -0.9), (-0.6, 0.9)], [(0.6, -0.9), (0.6, 0.9)], [(-0.6, 0), (0.6, 0)]]
            ),
            "gable": shapes.glyph(
                [[(-0.75, 0.9), (0, -0.9), (0.75, 0.9)], [(-0.45, 0.3), (0.45, 0.3)]]
            ),
            "chair": shapes.glyph(
                [[(0.1, -0.95), (-0.65, 0.25), (0.8, 0.25)], [(0.35, -0.2), (0.35, 0.95)]]
            ),
        },
        "zigzag": {
            "three": shapes.glyph([[(-0.6, -0.75), (0.6, -0.75), (-0.6, 0.75), (0.6, 0.75)]]),
            "four": shapes.glyph(
                [[(-0.95, -0.7), (-0.5, 0.7), (0, -0.5), (0.5, 0.7), (0.95, -0.7)]]
            ),
            "five": shapes.glyph(
                [[(-0.6, -0.9), (0.6, -0.7), (-0.6, -0.2), (0.6, 0.2), (-0.6, 0.7), (0.6, 0.9)]]
            ),
        },
    },
    "curve": {
        "bow": {
            "arch": shapes.glyph(
                [[(-0.6, 0.9), *shapes.arc(0, -0.2, 0.6, 0.5, 1.0, 5), (0.6, 0.9)]]
            ),
            "open": shapes.glyph([shapes.arc(0.15, 0, 0.85, 0.14, 0.86, 7)]),
            "pair": shapes.glyph(
                [
                    [
                        *shapes.arc(0, -0.45, 0.46, 0.55, 1.2, 5),
                        *shapes.arc(0, 0.45, 0.48, 0.8, 1.45, 5),
                    ]
                ]
            ),
        },
        "curl": {
            "hook": shapes.glyph([[(0.45, -0.95), *shapes.arc(0, 0.45, 0.45, 0, 0.5, 5)]]),
            "serpent": shapes.glyph(
                [
                    [
                        *shapes.arc(0, -0.42, 0.44, -0.08, -0.75, 5),
                        *shapes.arc(0, 0.45, 0.44, -0.25, 0.42, 5),
                    ]
                ]
            ),
            "swan": shapes.glyph(
                [[*shapes.arc(0, -0.4, 0.5, 0.5, 1.1, 5), (-0.6, 0.85), (0.65, 0.85)]]
            ),
        },
        "loop": {
            "tailed": shapes.glyph([shapes.arc(0.5, 0.25, 1.0, 0.5, 0.72, 4)], [(0, 0.4, 0.5)]),
            "double": shapes.glyph([], [(0, -0.46, 0.4), (0, 0.46, 0.46)]),
            "barred": shapes.glyph([[(-0.85, 0), (0.85, 0)]], [(0, 0, 0.8)]),
        },
        "stem": {
            "key": shapes.glyph([[(0, -0.1), (0, 0.95)]], [(0, -0.5, 0.42)]),
            "flag": shapes.glyph([[(-0.5, -0.95), (-0.5, 0.95)]], [(0, 0.45, 0.46)]),
            "arrow": shapes.glyph(
                [[(0, -0.95), (0, 0.9)], shapes.arc(0, -0.05, 0.75, 0.05, 0.45, 5)]
            ),
        },
    },
}

TREE: tuple[Leaf, ...] = tuple(
    Leaf(name=f"{family}/{kind}/{variant}", shape=shape, max_turn=_MAX_TURN[family])
    for family, kinds in _OUTLINES.items()
    for kind, variants in kinds.items()
    for variant, shape in variants.items()
)
"""The fine classes; a class index is a position in this tuple."""


def render(
    class_index: NDArray[np.integer],
    seeds: Seeds,
    size_px: int = 32,
    settings: SceneSettings | None = None,
) -> NDArray[np.uint8]:
    """Draw one picture for each class and seed.

    Args:
        class_index: [n], positions in `TREE`.
        seeds: [n], uint64. One seed gives the same scene whatever the class.
        size_px: Width and height, at least 8.
        settings: How far scenes differ; None means the defaults.

    Returns:
        uint8 [n, size_px, size_px, 3]. Picture i depends on class_index[i], seeds[i], size_px and
        settings only.

    Raises:
        ValueError: An index lies outside the tree, the lengths differ or the size is too small.

    >>> render(np.array([0, 1]), np.array([7, 7], np.uint64)).shape
    (2, 32, 32, 3)
    """
    classes, seeds = np.asarray(class_index), np.asarray(seeds).astype(np.uint64, casting="safe")
    _check(classes, seeds, size_px)
    pixels = np.empty((len(classes), size_px, size_px, 3), np.uint8)
    order = np.argsort(classes, kind="stable")
    for start in range(0, len(order), _CHUNK):
        chosen = order[start : start + _CHUNK]
        pixels[chosen] = _render_sorted(
            classes[chosen], seeds[chosen], size_px, settings or SceneSettings()
        )
    return pixels


def contact_sheet(size_px: int = 32, per_class: int = 8) -> NDArray[np.uint8]:
    """A picture of all the classes, [height, width, 3]: a column of blocks per family, a row of
    examples per class."""
    gap_px = max(2, size_px // 8)
    families = [_family_block(family, size_px, per_class) for family in _OUTLINES]
    height = max(block.shape[0] for block in families)
    columns: list[NDArray[np.uint8]] = []
    for block in families:
        missing = height - block.shape[0]
        columns.append(np.pad(block, ((0, missing), (0, gap_px), (0, 0)), constant_values=255))
    return np.concatenate(columns, axis=1)[:, :-gap_px]


def write_png(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write an RGB picture, [height, width, 3], as PNG (ISO/IEC 15948) with a palette of 6 x 7 x 6
    colours.

    Pixel noise does not compress; a palette makes the file a quarter of the size and the noise
    hides its steps.
    """
    height, width, _ = pixels.shape
    levels = np.array([5, 6, 5])
    red, green, blue = np.moveaxis((pixels * levels + 127) // 255, 2, 0)
    # Each line starts with its filter's number; 0 is none, as PNG advises for palettes.
    lines = np.pad((red * 7 + green) * 6 + blue, ((0, 0), (1, 0))).astype(np.uint8)
    palette = (np.indices((6, 7, 6)).reshape(3, -1).T * 255 // levels).astype(np.uint8)
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = {
        b"IHDR": header,
        b"PLTE": palette.tobytes(),
        b"IDAT": zlib.compress(lines.tobytes(), 9),
        b"IEND": b"",
    }
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + b"".join(_png_chunk(name, body) for name, body in parts.items())
    )


def main(arguments: list[str]) -> int:
    """Write the contact sheet to the file named by the only argument."""
    if len(arguments) != 1:
        print("usage: python -m seedbed.data.drawing OUT.png", file=sys.stderr)
        return 2
    write_png(Path(arguments[0]), contact_sheet(per_class=5))
    return 0


def _check(classes: NDArray[np.integer], seeds: Seeds, size_px: int) -> None:
    if classes.ndim != 1 or classes.shape != seeds.shape:
        raise ValueError(
            f"class_index {classes.shape} and seeds {seeds.shape} must be vectors of one length"
        )
    if len(classes) and (classes.min() < 0 or classes.max() >= len(TREE)):
        raise ValueError(
            f"class_index reaches from {classes.min()} to {classes.max()}; give positions in TREE, 0 to {len(TREE) - 1}"
        )
    if size_px < 8:
        raise ValueError(
            f"size_px is {size_px}; choose at least 8, since smaller shapes cannot be told apart"
        )


def _render_sorted(
    classes: NDArray[np.integer], seeds: Seeds, size_px: int, settings: SceneSettings
) -> NDArray[np.uint8]:
    rotation = np.array([leaf.max_turn for leaf in TREE], np.float32)[classes][:, None, None]
    x, y, unit_px = place(seeds, size_px, rotation, settings)
    wobble = wobbles(seeds)
    distance: Array = np.empty_like(x)
    present, starts = np.unique(classes, return_index=True)
    for index, start, stop in zip(present, starts, [*starts[1:], len(classes)], strict=True):
        part = slice(start, stop)
        distance[part] = TREE[index].shape(x[part], y[part], wobble[:, part])
    return paint(seeds, coverage(seeds, distance, unit_px, settings), settings)


def _family_block(family: str, size_px: int, per_class: int) -> NDArray[np.uint8]:
    """A row of examples per class, with one blank pixel between pictures and more between kinds."""
    indices = [index for index, leaf in enumerate(TREE) if leaf.name.startswith(f"{family}/")]
    rows: list[NDArray[np.uint8]] = []
    for place_in_family, index in enumerate(indices):
        seeds = np.arange(per_class, dtype=np.uint64) + np.uint64(1000 * index)
        pictures = render(np.full(per_class, index), seeds, size_px)
        same_kind = place_in_family and _kind(indices[place_in_family - 1]) == _kind(index)
        above_px = 1 if same_kind or not place_in_family else max(2, size_px // 8)
        framed = np.pad(pictures, ((0, 0), (above_px, 0), (0, 1), (0, 0)), constant_values=255)
        rows.append(np.concatenate(list(framed), axis=1))
    return np.concatenate(rows, axis=0)


def _kind(index: int) -> str:
    return TREE[index].name.rpartition("/")[0]


def _png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
