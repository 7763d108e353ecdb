"""Implicit functions of the drawn shapes: which points of the plane belong to a triangle, a ring, a
glyph.

Comes in: coordinates `x`, `y` float32 [n, h, w], where the shape lies within about one unit of the
origin and y points down, and `wobble` float32 [NUM_WOBBLES, n, 1, 1], numbers in [-1, 1] that bend
each image's shape a little. Goes out: float32 [n, h, w], negative inside the shape and about the
distance to its edge near it. Does not know: class names, pixels, colours, where on the picture the
shape lies.

Only sums, products, roots and comparisons touch the pixels. IEEE 754 rounds those alike in every
vector width, so an image does not depend on the batch it was computed in.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Shape = Callable[[Array, Array, Array], Array]
Point = tuple[float, float]

NUM_WOBBLES = 32


def regular(num_corners: int) -> Shape:
    """A regular polygon with slightly irregular sides."""
    apothem = 1.05 * math.cos(math.pi / num_corners)
    turns = [2 * math.pi * corner / num_corners for corner in range(num_corners)]
    return convex([(math.sin(turn), math.cos(turn), apothem) for turn in turns], side_wobble=0.04)


def convex(half_planes: Sequence[tuple[float, float, float]], side_wobble: float = 0.06) -> Shape:
    """The points where nx * x + ny * y < offset for every (nx, ny, offset), the normals being of
    unit length."""

    def shape(x: Array, y: Array, wobble: Array) -> Array:
        distance = np.full_like(x, -np.inf)
        for (normal_x, normal_y, offset), shift in zip(half_planes, wobble, strict=False):
            side = np.float32(normal_x) * x
            side += np.float32(normal_y) * y
            side -= np.float32(offset) + np.float32(side_wobble) * shift
            np.maximum(distance, side, out=distance)
        return distance

    return shape


def rectangle(aspect: float) -> Shape:
    """A rectangle `aspect` times as long as it is high, of an area that does not depend on the
    aspect."""
    half_length, half_height = 0.72 * math.sqrt(aspect), 0.72 / math.sqrt(aspect)
    return convex(
        [(1, 0, half_length), (-1, 0, half_length), (0, 1, half_height), (0, -1, half_height)], 0.03
    )


def slanted(left_slope: float, right_slope: float, half_height: float) -> Shape:
    """A quadrilateral with level top and bottom; a positive slope leans that side outwards at the
    bottom."""

    def side(sign: float, slope: float) -> tuple[float, float, float]:
        length = math.hypot(1.0, slope)
        return sign / length, -slope / length, 0.72 / length

    return convex(
        [side(1, right_slope), side(-1, left_slope), (0, 1, half_height), (0, -1, half_height)]
    )


def rhombus(half_length: float, half_height: float) -> Shape:
    """A quadrilateral standing on a corner."""
    length = math.hypot(half_length, half_height)
    normal_x, normal_y = half_height / length, half_length / length
    offset = half_length * half_height / length
    return convex(
        [(sx * normal_x, sy * normal_y, offset) for sx in (-1, 1) for sy in (-1, 1)], 0.04
    )


def without_disc(whole: Shape, x_centre: float, y_centre: float, radius: float) -> Shape:
    """`whole` less a disc: a hole if it lies inside, a notch if it lies on the edge."""

    def shape(x: Array, y: Array, wobble: Array) -> Array:
        distance = whole(x, y, wobble)
        hole = np.float32(radius) * (1 + np.float32(0.15) * wobble[-1])
        hole = hole - _length(x - np.float32(x_centre), y - np.float32(y_centre))
        return np.maximum(distance, hole, out=distance)

    return shape


def ellipse(aspect: float) -> Shape:
    """An ellipse of an area that does not depend on its aspect."""
    long, short = np.float32(0.85 * math.sqrt(aspect)), np.float32(0.85 / math.sqrt(aspect))

    def shape(x: Array, y: Array, wobble: Array) -> Array:
        distance = _length(
            x / (long + np.float32(0.02) * wobble[0]), y / (short - np.float32(0.02) * wobble[0])
        )
        distance -= 1
        distance *= short
        return distance

    return shape


def ring(thickness: float) -> Shape:
    """A circular band, `thickness` being the part of the radius that it takes."""

    def shape(x: Array, y: Array, wobble: Array) -> Array:
        half = np.float32(0.48 * thickness) * (1 + np.float32(0.15) * wobble[0])
        distance = _length(x, y)
        distance -= np.float32(0.96) - half
        np.abs(distance, out=distance)
        distance -= half
        return distance

    return shape


def target(num_rings: int) -> Shape:
    """A dot within `num_rings` concentric rings."""
    period = np.float32(0.98 / (num_rings + 0.25))

    def shape(x: Array, y: Array, wobble: Array) -> Array:
        radius = _length(x, y)
        distance = radius / period
        distance -= np.rint(distance)
        np.abs(distance, out=distance)
        distance -= np.float32(0.27) + np.float32(0.05) * wobble[0]
        distance *= period
        radius -= np.float32(0.98)
        return np.maximum(distance, radius, out=distance)

    return shape


def moon(phase: float) -> Shape:
    """The lit part of a disc: its terminator is half an ellipse, `phase` -1 for a new moon and 1
    for a full one."""

    def shape(x: Array, y: Array, wobble: Array) -> Array:
        limb = np.sqrt(np.maximum(np.float32(0.9) - y * y, 0))
        limb *= np.float32(phase) + np.float32(0.08) * wobble[0]
        limb += x
        np.negative(limb, out=limb)
        disc = _length(x, y)
        disc -= np.float32(0.95)
        return np.maximum(disc, limb, out=disc)

    return shape


def flower(num_petals: int) -> Shape:
    """A wavy disc: radius 0.7 (1 + depth cos(num_petals * angle))."""

    def shape(x: Array, y: Array, wobble: Array) -> Array:
        radius = _length(x, y)
        wave = _cos_of_multiple(x, y, radius, num_petals)
        wave *= np.float32(0.7) * (np.float32(0.3) + np.float32(0.07) * wobble[0])
        radius -= np.float32(0.7)
        radius -= wave
        return radius

    return shape


def spokes(num_spokes: int, half_width: float) -> Shape:
    """Bars of one length that meet in the middle: a plus sign with four, an asterisk with more."""

    def shape(x: Array, y: Array, wobble: Array) -> Array:
        half = np.float32(half_width) * (1 + np.float32(0.15) * wobble[0])
        distance = np.full_like(x, np.inf)
        for along, across in _rays(x, y, num_spokes):
            across -= half
            np.maximum(across, along - np.float32(0.98), out=across)
            np.negative(along, out=along)
            np.maximum(across, along, out=across)
            np.minimum(distance, across, out=distance)
        return distance

    return shape


def star(num_points: int) -> Shape:
    """Thin triangles that point outwards from the middle."""

    def shape(x: Array, y: Array, wobble: Array) -> Array:
        slope = np.float32(0.42) + np.float32(0.05) * wobble[0]
        distance = np.full_like(x, np.inf)
        for along, across in _rays(x, y, num_points):
            across += slope * (along - np.float32(1.1))
            np.negative(along, out=along)
            np.maximum(across, along, out=across)
            np.minimum(distance, across, out=distance)
        return distance

    return shape


def glyph(
    lines: Sequence[Sequence[Point]], rings: Sequence[tuple[float, float, float]] = ()
) -> Shape:
    """Pen strokes: polylines through `lines`, and circles (x, y, radius); slant, corners and pen
    width vary."""

    def shape(x: Array, y: Array, wobble: Array) -> Array:
        pen = np.float32(0.18) + np.float32(0.09) * wobble[-1]
        jitter = np.float32(0.13) * wobble
        x = x + np.float32(0.2) * wobble[-2] * y
        distance = np.full_like(x, np.inf)
        for start, stop in _segments(lines, jitter):
            np.minimum(distance, _squared_distance(x, y, start, stop), out=distance)
        np.sqrt(distance, out=distance)
        for (x_centre, y_centre, radius), shift in zip(rings, jitter[::-1], strict=False):
            circle = _length(x - np.float32(x_centre), y - (np.float32(y_centre) + shift))
            circle -= np.float32(radius) + shift
            np.minimum(distance, np.abs(circle, out=circle), out=distance)
        distance -= pen
        return distance

    return shape


def arc(
    x_centre: float, y_centre: float, radius: float, start: float, stop: float, num_segments: int
) -> list[Point]:
    """Points along a circle, from angle `start` to `stop` in turns; a quarter turn is straight
    down."""
    angles = [
        2 * math.pi * (start + (stop - start) * step / num_segments)
        for step in range(num_segments + 1)
    ]
    return [
        (x_centre + radius * math.cos(angle), y_centre + radius * math.sin(angle))
        for angle in angles
    ]


def _length(x: Array, y: Array) -> Array:
    squares = x * x
    squares += y * y
    return np.sqrt(squares, out=squares)


def _cos_of_multiple(x: Array, y: Array, radius: Array, factor: int) -> Array:
    """cos(factor * angle) by repeated complex multiplication, which needs no arc tangent."""
    unit = np.maximum(radius, np.float32(1e-3))
    first_cos: Array = np.divide(x, unit)
    first_sin: Array = np.divide(y, unit)
    cosine: Array = first_cos
    sine: Array = first_sin
    for _ in range(factor - 1):
        next_cosine, next_sine = cosine * first_cos, sine * first_cos
        next_cosine -= sine * first_sin
        next_sine += cosine * first_sin
        cosine, sine = next_cosine, next_sine
    return cosine


def _rays(x: Array, y: Array, num_rays: int) -> Iterator[tuple[Array, Array]]:
    """For each of evenly spread directions: the coordinate along it and the distance across it."""
    for ray in range(num_rays):
        turn = 2 * math.pi * ray / num_rays
        cosine, sine = np.float32(math.cos(turn)), np.float32(math.sin(turn))
        along = cosine * x
        along += sine * y
        across = cosine * y
        across -= sine * x
        yield along, np.abs(across, out=across)


def _segments(
    lines: Sequence[Sequence[Point]], jitter: Array
) -> Iterator[tuple[tuple[Array, Array], ...]]:
    """The segments of the polylines, each corner moved by its own two jitters."""
    shifts = iter(jitter)
    for line in lines:
        corners = [(np.float32(x) + next(shifts), np.float32(y) + next(shifts)) for x, y in line]
        yield from itertools.pairwise(corners)


def _squared_distance(
    x: Array, y: Array, start: tuple[Array, Array], stop: tuple[Array, Array]
) -> Array:
    """To the segment between two points, each coordinate being [n, 1, 1]."""
    run, rise = stop[0] - start[0], stop[1] - start[1]
    inverse = 1 / np.maximum(run * run + rise * rise, np.float32(1e-4))
    from_x, from_y = x - start[0], y - start[1]
    part = from_x * (run * inverse)
    part += from_y * (rise * inverse)
    np.maximum(part, 0, out=part)
    np.minimum(part, 1, out=part)
    from_x -= part * run
    part *= rise
    from_y -= part
    from_x *= from_x
    from_y *= from_y
    from_x += from_y
    return from_x
