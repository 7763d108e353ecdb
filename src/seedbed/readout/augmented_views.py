"""Sixteen views of an image, for codes that are summed over them (Razavian et al. 2014, section
3.3: CNNaug-SVM).

In: a batch of images as a network takes them. Out: one of its views. The whole image, five crops of
4/9 of its area (the corners and the centre) and two rotations, each also mirrored. The paper gives
no angle: here 10 degrees either way, what comes in from outside being the border reflected. Knows
    nothing of networks.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as nnf

NUM_VIEWS = 16
_SIDE = 2 / 3  # of a crop: 4/9 of the area
_DEGREES = 10.0
# down, across: share of the room that a crop leaves
_PLACES = ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0), (0.5, 0.5))


def view(images: torch.Tensor, which: int) -> torch.Tensor:
    """View `which` in 0..15 of images float [b, 3, h, w], at the same size; 8..15 are 0..7
    mirrored."""
    kind = which % 8
    if kind == 0:
        seen = images
    elif kind < 6:
        seen = _crop(images, *_PLACES[kind - 1])
    else:
        seen = _rotated(images, _DEGREES if kind == 6 else -_DEGREES)
    return seen.flip(-1) if which >= 8 else seen


def _crop(images: torch.Tensor, down: float, across: float) -> torch.Tensor:
    height, width = images.shape[-2:]
    tall, wide = max(1, round(height * _SIDE)), max(1, round(width * _SIDE))
    top, left = round((height - tall) * down), round((width - wide) * across)
    part = images[..., top : top + tall, left : left + wide]
    return nnf.interpolate(part, size=(height, width), mode="bilinear", align_corners=False)


def _rotated(images: torch.Tensor, degrees: float) -> torch.Tensor:
    angle = math.radians(degrees)
    turn = images.new_tensor(
        [[math.cos(angle), -math.sin(angle), 0.0], [math.sin(angle), math.cos(angle), 0.0]]
    )
    grid = nnf.affine_grid(
        turn.expand(images.shape[0], 2, 3), list(images.shape), align_corners=False
    )
    return nnf.grid_sample(
        images, grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )
