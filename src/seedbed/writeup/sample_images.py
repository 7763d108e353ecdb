"""Sample images of each arm: a strip of training images with their labels in that arm.

In: views by arm. Out: a PNG per arm as bytes, and the labels of its images. Arms show the same
classes and the same images where they contain them.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from seedbed.data.view import View

NUM_IMAGES = 12
_MAX_TILE_PX, _GAP_PX = 96, 2


@dataclass(frozen=True, kw_only=True)
class Strip:
    """The images of one arm, left to right, and their labels."""

    png: bytes
    width_px: int
    height_px: int
    labels: tuple[str, ...]


def sample_strips(views: Mapping[str, View]) -> dict[str, Strip]:
    """A strip per arm; all views are of one store."""
    leaves = _shared_leaves(list(views.values()))
    shared = _shared_rows(list(views.values()))
    return {arm: _strip(view, _pick(view, leaves, shared)) for arm, view in views.items()}


def _shared_leaves(views: Sequence[View]) -> np.ndarray:
    """Leaves that every view contains, at most NUM_IMAGES, evenly spaced."""
    shared = np.unique(views[0].leaves)
    for view in views[1:]:
        shared = np.intersect1d(shared, view.leaves)
    return _spread(shared)


def _shared_rows(views: Sequence[View]) -> np.ndarray:
    """Rows that every view contains."""
    shared = views[0].rows
    for view in views[1:]:
        shared = np.intersect1d(shared, view.rows, assume_unique=True)
    return shared


def _spread(values: np.ndarray) -> np.ndarray:
    """At most NUM_IMAGES of the values, evenly spaced."""
    if len(values) <= NUM_IMAGES:
        return values
    return values[np.linspace(0, len(values) - 1, NUM_IMAGES).round().astype(int)]


def _pick(view: View, leaves: np.ndarray, shared: np.ndarray) -> list[int]:
    """Positions in the view's rows, leaf by leaf; images that all arms contain come first."""
    if len(leaves) < min(NUM_IMAGES, len(np.unique(view.leaves))):
        leaves = np.concatenate([leaves, _spread(np.setdiff1d(view.leaves, leaves))])[:NUM_IMAGES]
    is_shared = np.isin(view.rows, shared)
    order = np.lexsort((np.arange(len(view.rows)), ~is_shared))
    by_leaf = [order[view.leaves[order] == leaf] for leaf in leaves]
    num_per_leaf = -(-NUM_IMAGES // max(1, len(leaves)))
    picked = [int(p) for positions in by_leaf for p in positions[:num_per_leaf]]
    return picked[:NUM_IMAGES]


def _strip(view: View, positions: Sequence[int]) -> Strip:
    from PIL import Image

    tile_px = min(view.store.size_px, _MAX_TILE_PX)
    width = len(positions) * (tile_px + _GAP_PX) - _GAP_PX
    strip = Image.new("RGBA", (width, tile_px), (0, 0, 0, 0))
    for i, position in enumerate(positions):
        tile = Image.fromarray(np.asarray(view.store.pixels[view.rows[position]]))
        strip.paste(
            tile if tile_px == view.store.size_px else tile.resize((tile_px, tile_px)),
            (i * (tile_px + _GAP_PX), 0),
        )
    png = io.BytesIO()
    strip.save(png, "PNG", optimize=True)
    classes: list[str] = [view.classes[view.labels[p]] for p in positions]
    labels = [view.store.names.get(c, c) for c in classes]
    return Strip(png=png.getvalue(), width_px=width, height_px=tile_px, labels=tuple(labels))
