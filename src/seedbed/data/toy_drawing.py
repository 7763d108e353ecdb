"""Draw the images of `toy()`: outlines of 60 classes in a tree of families, kinds and variants.

In: classes and seeds. Out: uint8 images, each a function of (class, seed, size) alone.
Only the outline depends on the class; pose, colours, textures, clutter and noise are hashes of the
seed. No class is the mirror image of another, so flips are a safe augmentation. Only sums,
products, roots and comparisons touch the pixels: IEEE 754 rounds them alike in every vector width,
so an image does not depend on its batch.

A `Shape` takes coordinates x, y [n, h, w] (it lies within about one unit of the origin, y points
down) and wobble [32, n, 1, 1] in [-1, 1), which deforms it. It returns about the distance of each
pixel to the edge, negative inside.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Array = np.ndarray  # float32
Seeds = NDArray[np.uint64]
Shape = Callable[[Array, Array, Array], Array]

_CHUNK = 128  # images drawn at once: their arrays, 0.5 MB each at 32 px, fit in a core's cache
_POSE, _WOBBLE, _SOFTNESS, _PAINT, _CLUTTER, _TILE = range(6)  # streams of random numbers
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def render(classes: NDArray[np.integer], seeds: Seeds, size_px: int = 32) -> NDArray[np.uint8]:
    """Draw an image for each class (a position in `TREE`) and seed: uint8 [n, size_px, size_px, 3].

    A seed gives the same background and pose for every class. Raises ValueError for a class outside
    the tree, for two lengths, and for a size below 8.

    >>> render(np.array([0, 1]), np.array([7, 7], np.uint64)).shape
    (2, 32, 32, 3)
    """
    if classes.shape != seeds.shape:
        raise ValueError(f"classes {classes.shape} and seeds {seeds.shape} must have one length")
    if len(classes) and not 0 <= classes.min() <= classes.max() < len(TREE):
        raise ValueError(f"classes must be positions in TREE, 0 to {len(TREE) - 1}")
    if size_px < 8:
        raise ValueError(f"size_px must be at least 8, got {size_px}")
    pixels = np.empty((len(classes), size_px, size_px, 3), np.uint8)
    order = np.argsort(classes, kind="stable")
    for start in range(0, len(order), _CHUNK):
        rows = order[start : start + _CHUNK]
        pixels[rows] = _paint(seeds[rows], _coverage(classes[rows], seeds[rows], size_px))
    return pixels


def uniform(seeds: Seeds, stream: int, count: int) -> Array:
    """Numbers in [0, 1), [count, n, 1, 1]: hashes of the image's seed, the stream and the position.

    The hash is splitmix64 (Steele, Lea and Flood 2014, section 4). Unlike them we hash the seed
    once before counting, so that near seeds do not share shifted sequences.
    """
    with np.errstate(over="ignore"):
        positions = np.arange(1, count + 1, dtype=np.uint64) + np.uint64(stream * 1024)
        hashes = _splitmix64(_splitmix64(seeds)[None, :] + (positions * _GOLDEN)[:, None])
    return ((hashes >> np.uint64(40)).astype(np.float32) * 2.0**-24)[:, :, None, None]


def _splitmix64(words: Seeds) -> Seeds:
    with np.errstate(over="ignore"):
        words = words + _GOLDEN
        words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def _coverage(classes: NDArray[np.integer], seeds: Seeds, size_px: int) -> Array:
    """The part of each pixel that the shape covers, [n, size_px, size_px]; classes ascend."""
    turn, x_shift, y_shift, growth, stretch = uniform(seeds, _POSE, 5)
    # In turns. Lines and curves stay within 20 degrees of upright: an N on its side is a Z.
    max_turns = [0.055 if name.startswith(("line/", "curve/")) else 0.5 for name in TREE]
    max_turn = np.array(max_turns, np.float32)[classes][:, None, None]
    # Computed in float64 and rounded: maths libraries differ in the last bit.
    angle = (2 * np.pi) * (max_turn * (2 * turn - 1)).astype(np.float64)
    cosine, sine = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
    unit_px, stretching = size_px * (0.26 + 0.26 * growth), 1 + 0.08 * (2 * stretch - 1)
    axis = np.arange(size_px, dtype=np.float32) - (size_px - 1) / 2
    across = axis[None, None, :] - 0.2 * size_px * (x_shift - 0.5)
    down = axis[None, :, None] - 0.2 * size_px * (y_shift - 0.5)
    x_scale, y_scale = 1 / (unit_px * stretching), stretching / unit_px
    x = across * (cosine * x_scale) + down * (sine * x_scale)
    y = down * (cosine * y_scale) - across * (sine * y_scale)
    wobble, distance = 2 * uniform(seeds, _WOBBLE, 32) - 1, np.empty_like(x)
    present, starts = np.unique(classes, return_index=True)
    for index, start, stop in zip(present, starts, [*starts[1:], len(classes)], strict=True):
        part = slice(start, stop)
        distance[part] = _SHAPES[TREE[index]](x[part], y[part], wobble[:, part])
    # The edge fades over at least one pixel: it is anti-aliased.
    softness = uniform(seeds, _SOFTNESS, 1)[0]
    width_px = np.maximum(0.14 * size_px * (softness * softness * softness), 1)
    return np.clip(distance * (-unit_px / width_px) + 0.5, 0, 1)


def _paint(seeds: Seeds, mask: Array) -> NDArray[np.uint8]:
    """Colour shape and background, either one the brighter; mask [n, h, w] is the coverage."""
    size_px, draws = mask.shape[1], uniform(seeds, _PAINT, 42)
    step = (np.rint(draws[0]) - 0.5) * (0.2 + 0.75 * draws[1])
    middle, hues = 0.5 + 0.3 * (draws[2:3] - 0.5), 0.44 * (draws[3:9] - 0.5)
    behind, front = middle - step + hues[:3], middle + step + hues[3:]
    ground = _texture(draws[9:19], size_px) + _clutter(uniform(seeds, _CLUTTER, 12), size_px)
    figure = _texture(draws[19:29], size_px)
    sigma, tints, (white, _) = 0.08 * draws[29], 0.6 + 0.8 * draws[30:36], _noise_tiles(size_px)
    pixels = np.empty((*mask.shape, 3), np.uint8)
    for channel in range(3):
        layer = ground * tints[channel] + behind[channel]
        layer += (figure * tints[3 + channel] + front[channel] - layer) * mask
        layer += _crop(white, draws[36 + channel], draws[39 + channel], size_px) * sigma
        pixels[..., channel] = np.clip(layer * 255, 0, 255)
    return pixels


def _axes(size_px: int) -> tuple[Array, Array]:
    """Coordinates of the columns and of the rows, -0.5 to 0.5."""
    axis = (np.arange(size_px, dtype=np.float32) + 0.5) / size_px - 0.5
    return axis[None, None, :], axis[None, :, None]


def _texture(draws: Array, size_px: int) -> Array:
    """A gradient, stripes and cloudy noise, each absent from half of the images."""
    weights, (across, down) = np.maximum(2 * draws[0:3] - 1, 0) * 0.2, _axes(size_px)
    (slope_x, slope_y), (waves_x, waves_y) = 2 * draws[3:5] - 1, 7 * (2 * draws[5:7] - 1)
    texture = across * (2 * weights[0] * slope_x) + down * (2 * weights[0] * slope_y)
    phase = across * waves_x + (down * waves_y + draws[7])
    phase -= np.rint(phase)
    texture += (8 - 16 * np.abs(phase)) * phase * weights[1]  # parabolas: about sin(2 pi phase)
    return texture + _crop(_noise_tiles(size_px)[1], draws[8], draws[9], size_px) * weights[2]


def _clutter(draws: Array, size_px: int) -> Array:
    """Two straight lines, brighter or darker than the background; half of them are invisible."""
    across, down = _axes(size_px)
    total = np.zeros((draws.shape[1], size_px, size_px), np.float32)
    for normal_x, normal_y, offset, width, strength, sign in draws.reshape(2, 6, -1, 1, 1):
        normal_x, normal_y = 2 * normal_x - 1, 2 * normal_y - 1
        inverse = size_px / np.sqrt(np.maximum(normal_x**2 + normal_y**2, 1e-3))
        shift = size_px * (offset - 0.5)
        line = across * (normal_x * inverse) + (down * (normal_y * inverse) - shift)
        line = np.clip(size_px / 32 * (1 + width) + 0.5 - np.abs(line), 0, 1)
        total += line * ((2 * np.rint(sign) - 1) * np.maximum(2 * strength - 1, 0) * 0.3)
    return total


def _crop(tile: Array, row: Array, column: Array, size_px: int) -> Array:
    """One window of `tile` for each image: [n, size_px, size_px]."""
    room = len(tile) - size_px
    rows, columns = (row * room).astype(np.int64).ravel(), (column * room).astype(np.int64).ravel()
    return sliding_window_view(tile, (size_px, size_px))[rows, columns]


@functools.lru_cache(maxsize=4)
def _noise_tiles(size_px: int) -> tuple[Array, Array]:
    """White noise, and clouds: it blurred over an eighth of the image; [8 size_px, 8 size_px] each.

    Windows of a tile are cheaper than new noise. Both have variance 1.
    """
    width_px = 8 * size_px
    rows = uniform(np.arange(4 * width_px, dtype=np.uint64), _TILE, width_px)[:, :, 0, 0]
    white = (rows.reshape(width_px, 4, width_px).sum(axis=1) - 2) * np.float32(3**0.5)
    clouds = white.astype(np.float64)
    for axis in (0, 0, 0, 1, 1, 1):
        shifted = (np.roll(clouds, step, axis) for step in range(max(2, size_px // 8)))
        clouds = functools.reduce(np.add, shifted)
    return white, (clouds / clouds.std()).astype(np.float32)


def _length(x: Array, y: Array) -> Array:
    return np.sqrt(x * x + y * y)


def _convex(half_planes: Sequence[tuple[float, float, float]], side_wobble: float) -> Shape:
    """The points where nx * x + ny * y < offset for every (nx, ny, offset), normals of length 1."""

    def shape(x: Array, y: Array, wobble: Array) -> Array:
        planes = zip(half_planes, wobble, strict=False)
        sides = (nx * x + ny * y - (offset + side_wobble * w) for (nx, ny, offset), w in planes)
        return functools.reduce(np.maximum, sides)

    return shape


def _regular(num_corners: int) -> Shape:
    apothem = 1.05 * math.cos(math.pi / num_corners)
    turns = [2 * math.pi * corner / num_corners for corner in range(num_corners)]
    return _convex([(math.sin(turn), math.cos(turn), apothem) for turn in turns], 0.04)


def _rectangle(aspect: float) -> Shape:
    length, height = 0.72 * math.sqrt(aspect), 0.72 / math.sqrt(aspect)
    return _convex([(1, 0, length), (-1, 0, length), (0, 1, height), (0, -1, height)], 0.03)


def _slanted(left: float, right: float) -> Shape:
    """A quadrilateral with level top and bottom; a side of positive slope leans outwards below."""
    slope, offset = math.hypot(1, left), 0.72 / math.hypot(1, left)
    sides = [(1 / slope, -right / slope, offset), (-1 / slope, -left / slope, offset)]
    return _convex([*sides, (0, 1, 0.6), (0, -1, 0.6)], 0.06)


def _rhombus(half_length: float, half_height: float) -> Shape:
    length = math.hypot(half_length, half_height)
    nx, ny, offset = half_height / length, half_length / length, half_length * half_height / length
    return _convex([(sx * nx, sy * ny, offset) for sx in (-1, 1) for sy in (-1, 1)], 0.04)


def _pierced(y_centre: float, radius: float, x: Array, y: Array, wobble: Array) -> Array:
    """A triangle without a disc: a hole inside it, or a notch at its edge."""
    hole = radius * (1 + 0.15 * wobble[-1]) - _length(x, y - y_centre)
    return np.maximum(_regular(3)(x, y, wobble), hole)


def _ellipse(aspect: float, x: Array, y: Array, wobble: Array) -> Array:
    long, short = 0.85 * math.sqrt(aspect), 0.85 / math.sqrt(aspect)
    return (_length(x / (long + 0.02 * wobble[0]), y / (short - 0.02 * wobble[0])) - 1) * short


def _ring(thickness: float, x: Array, y: Array, wobble: Array) -> Array:
    half = 0.48 * thickness * (1 + 0.15 * wobble[0])
    return np.abs(_length(x, y) - (0.96 - half)) - half


def _target(num_rings: int, x: Array, y: Array, wobble: Array) -> Array:
    """A dot within concentric rings."""
    period, radius = 0.98 / (num_rings + 0.25), _length(x, y)
    phase = radius / period
    band = (np.abs(phase - np.rint(phase)) - (0.27 + 0.05 * wobble[0])) * period
    return np.maximum(band, radius - 0.98)


def _moon(phase: float, x: Array, y: Array, wobble: Array) -> Array:
    """The lit part of a disc, bounded by half an ellipse; phase -1 is new moon, 1 full moon."""
    limb = np.sqrt(np.maximum(0.9 - y * y, 0)) * (phase + 0.08 * wobble[0]) + x
    return np.maximum(_length(x, y) - 0.95, -limb)


def _flower(num_petals: int, x: Array, y: Array, wobble: Array) -> Array:
    """A disc of radius 0.7 (1 + depth cos(num_petals * angle)), by complex multiplication."""
    radius = _length(x, y)
    unit_x, unit_y = x / np.maximum(radius, 1e-3), y / np.maximum(radius, 1e-3)
    cosine, sine = unit_x, unit_y
    for _ in range(num_petals - 1):
        cosine, sine = cosine * unit_x - sine * unit_y, sine * unit_x + cosine * unit_y
    return radius - 0.7 - cosine * (0.7 * (0.3 + 0.07 * wobble[0]))


def _spokes(num: int, half_width: float, x: Array, y: Array, wobble: Array) -> Array:
    """Bars that meet in the middle: a plus sign with four, an asterisk with more."""
    half, rays = half_width * (1 + 0.15 * wobble[0]), _rays(x, y, num)
    bars = (np.maximum(np.maximum(across - half, along - 0.98), -along) for along, across in rays)
    return functools.reduce(np.minimum, bars)


def _star(num: int, x: Array, y: Array, wobble: Array) -> Array:
    """Thin triangles that point outwards from the middle."""
    slope, rays = 0.42 + 0.05 * wobble[0], _rays(x, y, num)
    points = (np.maximum(across + slope * (along - 1.1), -along) for along, across in rays)
    return functools.reduce(np.minimum, points)


def _rays(x: Array, y: Array, num: int) -> Iterator[tuple[Array, Array]]:
    """For evenly spread directions: the coordinate along each and the distance across it."""
    for turn in (2 * math.pi * ray / num for ray in range(num)):
        cosine, sine = math.cos(turn), math.sin(turn)
        yield cosine * x + sine * y, np.abs(cosine * y - sine * x)


def _glyph(
    *lines: Sequence[tuple[float, float]], rings: Sequence[tuple[float, float, float]] = ()
) -> Shape:
    """Pen strokes: polylines, and circles (x, y, radius); slant, corners and pen width vary."""

    def shape(x: Array, y: Array, wobble: Array) -> Array:
        jitter, x = 0.13 * wobble, x + 0.2 * wobble[-2] * y
        shifts, distance = iter(jitter), np.full_like(x, np.inf)
        for line in lines:
            corners = [(px + next(shifts), py + next(shifts)) for px, py in line]
            for start, stop in itertools.pairwise(corners):
                np.minimum(distance, _squared_distance(x, y, *start, *stop), out=distance)
        np.sqrt(distance, out=distance)
        for (x_centre, y_centre, radius), shift in zip(rings, jitter[::-1], strict=False):
            circle = _length(x - x_centre, y - (y_centre + shift)) - (radius + shift)
            np.minimum(distance, np.abs(circle), out=distance)
        return distance - (0.18 + 0.09 * wobble[-1])

    return shape


def _squared_distance(x: Array, y: Array, x1: Array, y1: Array, x2: Array, y2: Array) -> Array:
    """From each pixel to the segment between two points, whose coordinates are [n, 1, 1]."""
    run, rise, x, y = x2 - x1, y2 - y1, x - x1, y - y1
    inverse = 1 / np.maximum(run * run + rise * rise, 1e-4)
    part = np.clip(x * (run * inverse) + y * (rise * inverse), 0, 1)
    x -= part * run
    y -= part * rise
    return x * x + y * y


def _arc(
    x: float, y: float, radius: float, start: float, stop: float, num: int = 5
) -> list[tuple[float, float]]:
    """`num` segments of a circle, from angle `start` to `stop` in turns; 0.25 is straight down."""
    angles = [2 * math.pi * (start + (stop - start) * step / num) for step in range(num + 1)]
    return [(x + radius * math.cos(angle), y + radius * math.sin(angle)) for angle in angles]


def _variants(
    kind: str, shape: Callable[..., Array], parameters: Mapping[str, float]
) -> dict[str, Shape]:
    return {f"{kind}/{name}": partial(shape, value) for name, value in parameters.items()}


_SHAPES: dict[str, Shape] = {
    "polygon/triangle/plain": _regular(3),
    "polygon/triangle/notched": partial(_pierced, 0.52, 0.3),
    "polygon/triangle/holed": partial(_pierced, 0, 0.25),
    "polygon/rectangle/square": _rectangle(1),
    "polygon/rectangle/oblong": _rectangle(1.5),
    "polygon/rectangle/plank": _rectangle(2.25),
    "polygon/regular/pentagon": _regular(5),
    "polygon/regular/hexagon": _regular(6),
    "polygon/regular/octagon": _regular(8),
    "polygon/slanted/rhombus": _rhombus(1.15, 0.7),
    "polygon/slanted/trapezium": _slanted(0.5, 0.5),
    "polygon/slanted/parallelogram": _slanted(0.6, -0.6),
    **_variants("round/ellipse", _ellipse, {"circle": 1, "oval": 1.4, "long": 2}),
    **_variants("round/ring", _ring, {"thin": 0.24, "medium": 0.44, "thick": 0.7}),
    **_variants("round/target", _target, {"one-ring": 1, "two-rings": 2, "three-rings": 3}),
    **_variants("round/moon", _moon, {"crescent": -0.45, "half": 0, "gibbous": 0.45}),
    "star/cross/slender": partial(_spokes, 4, 0.15),
    "star/cross/plain": partial(_spokes, 4, 0.26),
    "star/cross/stout": partial(_spokes, 4, 0.4),
    **_variants("star/pointed", _star, {"four": 4, "five": 5, "six": 6}),
    **_variants("star/flower", _flower, {"three": 3, "four": 4, "five": 5}),
    "star/asterisk/five": partial(_spokes, 5, 0.13),
    "star/asterisk/six": partial(_spokes, 6, 0.13),
    "star/asterisk/eight": partial(_spokes, 8, 0.11),
    "line/bend/corner": _glyph([(-0.5, -0.9), (-0.5, 0.8), (0.65, 0.8)]),
    "line/bend/wedge": _glyph([(-0.7, -0.85), (0, 0.85), (0.7, -0.85)]),
    "line/bend/channel": _glyph([(-0.6, -0.8), (-0.6, 0.8), (0.6, 0.8), (0.6, -0.8)]),
    "line/branch/tee": _glyph([(-0.75, -0.8), (0.75, -0.8)], [(0, -0.8), (0, 0.9)]),
    "line/branch/fork": _glyph([(-0.7, -0.85), (0, 0), (0.7, -0.85)], [(0, 0), (0, 0.9)]),
    "line/branch/rake": _glyph([(0.7, -0.8), (-0.5, -0.8), (-0.5, 0.9)], [(-0.5, 0), (0.5, 0)]),
    "line/bridge/ladder": _glyph(
        [(-0.6, -0.9), (-0.6, 0.9)], [(0.6, -0.9), (0.6, 0.9)], [(-0.6, 0), (0.6, 0)]
    ),
    "line/bridge/gable": _glyph(
        [(-0.75, 0.9), (0, -0.9), (0.75, 0.9)], [(-0.45, 0.3), (0.45, 0.3)]
    ),
    "line/bridge/chair": _glyph(
        [(0.1, -0.95), (-0.65, 0.25), (0.8, 0.25)], [(0.35, -0.2), (0.35, 0.95)]
    ),
    "line/zigzag/three": _glyph([(-0.6, -0.75), (0.6, -0.75), (-0.6, 0.75), (0.6, 0.75)]),
    "line/zigzag/four": _glyph([(-0.95, -0.7), (-0.5, 0.7), (0, -0.5), (0.5, 0.7), (0.95, -0.7)]),
    "line/zigzag/five": _glyph(
        [(-0.6, -0.9), (0.6, -0.7), (-0.6, -0.2), (0.6, 0.2), (-0.6, 0.7), (0.6, 0.9)]
    ),
    "curve/bow/arch": _glyph([(-0.6, 0.9), *_arc(0, -0.2, 0.6, 0.5, 1), (0.6, 0.9)]),
    "curve/bow/open": _glyph(_arc(0.15, 0, 0.85, 0.14, 0.86, 7)),
    "curve/bow/pair": _glyph([*_arc(0, -0.45, 0.46, 0.55, 1.2), *_arc(0, 0.45, 0.48, 0.8, 1.45)]),
    "curve/curl/hook": _glyph([(0.45, -0.95), *_arc(0, 0.45, 0.45, 0, 0.5)]),
    "curve/curl/serpent": _glyph(
        [*_arc(0, -0.42, 0.44, -0.08, -0.75), *_arc(0, 0.45, 0.44, -0.25, 0.42)]
    ),
    "curve/curl/swan": _glyph([*_arc(0, -0.4, 0.5, 0.5, 1.1), (-0.6, 0.85), (0.65, 0.85)]),
    "curve/loop/tailed": _glyph(_arc(0.5, 0.25, 1, 0.5, 0.72, 4), rings=[(0, 0.4, 0.5)]),
    "curve/loop/double": _glyph(rings=[(0, -0.46, 0.4), (0, 0.46, 0.46)]),
    "curve/loop/barred": _glyph([(-0.85, 0), (0.85, 0)], rings=[(0, 0, 0.8)]),
    "curve/stem/key": _glyph([(0, -0.1), (0, 0.95)], rings=[(0, -0.5, 0.42)]),
    "curve/stem/flag": _glyph([(-0.5, -0.95), (-0.5, 0.95)], rings=[(0, 0.45, 0.46)]),
    "curve/stem/arrow": _glyph([(0, -0.95), (0, 0.9)], _arc(0, -0.05, 0.75, 0.05, 0.45)),
}

TREE: tuple[str, ...] = tuple(_SHAPES)
"""The fine classes as family/kind/variant; a class index is a position in this tuple."""
