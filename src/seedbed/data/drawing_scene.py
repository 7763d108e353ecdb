"""Everything of a drawn image that says nothing about its class: pose, colours, textures, clutter,
noise.

Comes in: one uint64 seed per image, the picture's size, and for `paint` the shapes' coverage masks.
Goes out: shape coordinates and wobbles for the shape functions, then uint8 pictures.
Does not know: classes or shapes. The same seed gives the same scene behind every class, so colour
cannot tell them.

Every number is a hash of (seed, stream, position), never the next output of a generator: image i
does not depend on image i - 1. The hash is splitmix64 (Steele, Lea and Flood 2014, "Fast splittable
pseudorandom number generators", section 4); unlike them we hash the seed once before counting, so
that near seeds do not share shifted sequences.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from seedbed.data.drawing_shapes import NUM_WOBBLES, Array

Seeds = NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_POSE, _WOBBLE, _SOFTNESS, _PAINT, _CLUTTER, _TILE = range(6)
_TILE_SIZES = 8
_NUM_LINES = 2


@dataclass(frozen=True, kw_only=True)
class SceneSettings:
    """How far scenes differ; the defaults make the 60 classes neither trivial nor hopeless for a
    small network."""

    radius: tuple[float, float] = (0.26, 0.52)
    """Range of the shape's radius, in picture widths."""
    shift: float = 0.1
    """Largest move from the middle along either axis, in picture widths."""
    stretch: float = 0.08
    """Largest relative lengthening along x, with the same shortening along y."""
    softness: float = 0.14
    """Largest width over which an edge fades, in picture widths; most edges are much sharper."""
    contrast: tuple[float, float] = (0.2, 0.95)
    """Range of the brightness step from background to shape; 1 is black to white."""
    chroma: float = 0.22
    """Largest deviation of a colour channel from the brightness."""
    texture: float = 0.2
    """Largest amplitude of a texture on shape or background."""
    clutter: float = 0.3
    """Largest brightness step of a distracting line."""
    noise: tuple[float, float] = (0.0, 0.08)
    """Range of the pixel noise's standard deviation."""


def uniform(seeds: Seeds, stream: int, count: int) -> Array:
    """Numbers in [0, 1), [count, n, 1, 1], each a hash of its image's seed, the stream and its
    position."""
    base = _mix(seeds)
    with np.errstate(over="ignore"):
        positions = (
            np.arange(stream * 1024 + 1, stream * 1024 + 1 + count, dtype=np.uint64) * _GOLDEN
        )
        hashes = _mix(base[None, :] + positions[:, None])
    numbers = (hashes >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)
    return numbers[:, :, None, None]


def place(
    seeds: Seeds, size_px: int, rotation: Array, settings: SceneSettings
) -> tuple[Array, Array, Array]:
    """Where each pixel lies on the shape's own plane, both [n, size_px, size_px], and one unit's
    length in pixels.

    Args:
        seeds: [n].
        size_px: The picture's width and height.
        rotation: [n, 1, 1], the largest turn either way that keeps the class, in turns.
        settings: How far scenes differ.
    """
    turn, x_shift, y_shift, growth, stretch = uniform(seeds, _POSE, 5)
    angle = (2 * np.pi) * (rotation * (2 * turn - 1)).astype(np.float64)
    # The trigonometry is done in float64 and rounded, which hides last-bit differences between
    # maths libraries.
    cosine, sine = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
    unit_px = np.float32(size_px) * _between(growth, settings.radius)
    stretching = 1 + np.float32(settings.stretch) * (2 * stretch - 1)
    axis = np.arange(size_px, dtype=np.float32) - np.float32((size_px - 1) / 2)
    across = axis[None, None, :] - np.float32(2 * settings.shift * size_px) * (
        x_shift - np.float32(0.5)
    )
    down = axis[None, :, None] - np.float32(2 * settings.shift * size_px) * (
        y_shift - np.float32(0.5)
    )
    x_scale, y_scale = 1 / (unit_px * stretching), stretching / unit_px
    x = across * (cosine * x_scale) + down * (sine * x_scale)
    y = down * (cosine * y_scale) - across * (sine * y_scale)
    return x, y, unit_px


def coverage(seeds: Seeds, distance: Array, unit_px: Array, settings: SceneSettings) -> Array:
    """The part of each pixel that the shape covers, from the distance to its edge; overwrites
    `distance`."""
    draw = uniform(seeds, _SOFTNESS, 1)[0]
    # An edge at least one pixel wide is anti-aliased.
    width_px = np.maximum(
        np.float32(settings.softness * distance.shape[1]) * (draw * draw * draw), 1
    )
    distance *= -unit_px / width_px
    distance += np.float32(0.5)
    np.maximum(distance, 0, out=distance)
    return np.minimum(distance, 1, out=distance)


def wobbles(seeds: Seeds) -> Array:
    """Numbers in [-1, 1) that deform the shapes, [NUM_WOBBLES, n, 1, 1]."""
    return 2 * uniform(seeds, _WOBBLE, NUM_WOBBLES) - 1


def paint(seeds: Seeds, mask: Array, settings: SceneSettings) -> NDArray[np.uint8]:
    """Colour the shapes and everything behind them.

    Args:
        seeds: [n].
        mask: [n, size_px, size_px], the part of each pixel that the shape covers.
        settings: How far scenes differ.

    Returns:
        [n, size_px, size_px, 3].
    """
    size_px = mask.shape[1]
    draws = uniform(seeds, _PAINT, 42)
    behind, front = _colours(draws[0:9], settings)
    ground = _texture(draws[9:19], size_px, settings)
    ground += _clutter(uniform(seeds, _CLUTTER, 6 * _NUM_LINES), size_px, settings)
    figure = _texture(draws[19:29], size_px, settings)
    sigma = _between(draws[29], settings.noise)
    tints = np.float32(0.6) + np.float32(0.8) * draws[30:36]
    pixels = np.empty((*mask.shape, 3), np.uint8)
    for channel in range(3):
        layer = ground * tints[channel]
        layer += behind[channel]
        over = figure * tints[3 + channel]
        over += front[channel]
        over -= layer
        over *= mask
        layer += over
        noise = _crop(_white_tile(size_px), draws[36 + channel], draws[39 + channel], size_px)
        noise *= sigma
        layer += noise
        layer *= 255
        np.minimum(layer, 255, out=layer)
        np.maximum(layer, 0, out=layer)
        pixels[..., channel] = layer
    return pixels


def _mix(words: Seeds) -> Seeds:
    with np.errstate(over="ignore"):
        words = words + _GOLDEN
        words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def _between(draw: Array, bounds: tuple[float, float]) -> Array:
    return np.float32(bounds[0]) + np.float32(bounds[1] - bounds[0]) * draw


def _colours(draws: Array, settings: SceneSettings) -> tuple[Array, Array]:
    """Colours behind and of the shape, both [3, n, 1, 1]; which is the brighter is a coin toss."""
    step = (np.rint(draws[0]) - np.float32(0.5)) * _between(draws[1], settings.contrast)
    middle = np.float32(0.5) + np.float32(0.3) * (draws[2:3] - np.float32(0.5))
    hues = np.float32(2 * settings.chroma) * (draws[3:9] - np.float32(0.5))
    return middle - step + hues[:3], middle + step + hues[3:]


def _texture(draws: Array, size_px: int, settings: SceneSettings) -> Array:
    """A gradient, stripes and cloudy noise, each absent from half of the images."""
    weights = np.maximum(2 * draws[0:3] - 1, 0) * np.float32(settings.texture)
    axis = (np.arange(size_px, dtype=np.float32) + np.float32(0.5)) / np.float32(
        size_px
    ) - np.float32(0.5)
    across, down = axis[None, None, :], axis[None, :, None]
    slope_x, slope_y = 2 * draws[3:5] - 1
    texture = across * (2 * weights[0] * slope_x) + down * (2 * weights[0] * slope_y)
    waves_x, waves_y = 7 * (2 * draws[5:7] - 1)
    stripes = _wave(across * waves_x + (down * waves_y + draws[7]))
    stripes *= weights[1]
    texture += stripes
    clouds = _crop(_cloud_tile(size_px), draws[8], draws[9], size_px)
    clouds *= weights[2]
    texture += clouds
    return texture


def _wave(phase: Array) -> Array:
    """About sin(2 pi phase), made of parabolas."""
    phase -= np.rint(phase)
    height = np.abs(phase)
    height *= -16
    height += 8
    height *= phase
    return height


def _clutter(draws: Array, size_px: int, settings: SceneSettings) -> Array:
    """Straight lines through the picture, brighter or darker than what is behind, about half of
    them invisible."""
    axis = (np.arange(size_px, dtype=np.float32) + np.float32(0.5)) / np.float32(
        size_px
    ) - np.float32(0.5)
    total: Array = np.zeros((draws.shape[1], size_px, size_px), np.float32)
    for normal_x, normal_y, offset, width, strength, sign in draws.reshape(_NUM_LINES, 6, -1, 1, 1):
        normal_x, normal_y = 2 * normal_x - 1, 2 * normal_y - 1
        inverse = np.float32(size_px) / np.sqrt(
            np.maximum(normal_x**2 + normal_y**2, np.float32(1e-3))
        )
        shift = np.float32(size_px) * (offset - np.float32(0.5))
        line = axis[None, None, :] * (normal_x * inverse) + (
            axis[None, :, None] * (normal_y * inverse) - shift
        )
        np.abs(line, out=line)
        np.subtract(np.float32(size_px / 32) * (1 + width) + np.float32(0.5), line, out=line)
        np.maximum(line, 0, out=line)
        np.minimum(line, 1, out=line)
        line *= (
            (2 * np.rint(sign) - 1) * np.maximum(2 * strength - 1, 0) * np.float32(settings.clutter)
        )
        total += line
    return total


def _crop(tile: Array, row: Array, column: Array, size_px: int) -> Array:
    """One window of `tile` per image, [n, size_px, size_px]."""
    room = np.float32(len(tile) - size_px)
    rows, columns = (row * room).astype(np.int64).ravel(), (column * room).astype(np.int64).ravel()
    return sliding_window_view(tile, (size_px, size_px))[rows, columns]


@functools.lru_cache(maxsize=4)
def _white_tile(size_px: int) -> Array:
    """Nearly normal white noise, [8 size_px, 8 size_px]; cutting windows out of it is cheaper than
    drawing noise."""
    width_px = _TILE_SIZES * size_px
    rows = uniform(np.arange(4 * width_px, dtype=np.uint64), _TILE, width_px)[:, :, 0, 0]
    sums = rows.reshape(width_px, 4, width_px).sum(axis=1) - 2
    return np.ascontiguousarray(sums * np.float32(3**0.5))


@functools.lru_cache(maxsize=4)
def _cloud_tile(size_px: int) -> Array:
    """White noise blurred over about an eighth of the picture, [8 size_px, 8 size_px], unit
    variance."""
    tile = _white_tile(size_px).astype(np.float64)
    for axis in (0, 1):
        for _ in range(3):
            tile = sum(
                (np.roll(tile, step, axis) for step in range(max(2, size_px // 8))),
                np.zeros_like(tile),
            )
    return (tile / tile.std()).astype(np.float32)
