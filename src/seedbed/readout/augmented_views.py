"""Sixteen views of an image, whose responses are summed (CNNaug-SVM; Razavian et al. 2014, section
3.3).

In: a batch of preprocessed images. Out: one of their views: the whole image, five crops of 4/9 of
its area (corners and centre), two rotations, and the mirrored version of each. The paper does not
state the angle; we rotate by 10 degrees in both directions, with the border reflected.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as nnf

NUM_VIEWS = 16
_CROP_SIDE = 2 / 3  # 4/9 of the area
_DEGREES = 10.0
# Vertical and horizontal positions of the crops, as shares of the free space.
_CROP_POSITIONS = ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0), (0.5, 0.5))


def view(images: torch.Tensor, which: int) -> torch.Tensor:
    """View `which` in 0..15 of images float [b, 3, h, w], at the same size; 8..15 are 0..7
    mirrored."""
    kind = which % 8
    if kind == 0:
        result = images
    elif kind < 6:
        result = _crop(images, *_CROP_POSITIONS[kind - 1])
    else:
        result = _rotate(images, _DEGREES if kind == 6 else -_DEGREES)
    return result.flip(-1) if which >= 8 else result


def _crop(images: torch.Tensor, down: float, across: float) -> torch.Tensor:
    height, width = images.shape[-2:]
    crop_height = max(1, round(height * _CROP_SIDE))
    crop_width = max(1, round(width * _CROP_SIDE))
    top, left = round((height - crop_height) * down), round((width - crop_width) * across)
    part = images[..., top : top + crop_height, left : left + crop_width]
    return nnf.interpolate(part, size=(height, width), mode="bilinear", align_corners=False)


def _rotate(images: torch.Tensor, degrees: float) -> torch.Tensor:
    angle = math.radians(degrees)
    rotation = images.new_tensor(
        [[math.cos(angle), -math.sin(angle), 0.0], [math.sin(angle), math.cos(angle), 0.0]]
    )
    grid = nnf.affine_grid(
        rotation.expand(images.shape[0], 2, 3), list(images.shape), align_corners=False
    )
    return nnf.grid_sample(
        images, grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )
