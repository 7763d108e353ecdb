"""Resized crops: Pillow's pixels, and boxes inside the image."""

from __future__ import annotations

import numpy as np
import torch
from tiny import random_pixels


def test_resized_crops_equal_pillows_resize_of_the_same_box() -> None:
    """Up to rounding: Pillow's filter is antialiased bilinear too."""
    from PIL import Image

    from seedbed.data.augment import crop_boxes, resized_crop

    pixels, counters = random_pixels(6, 24), np.arange(6, dtype=np.uint64)
    crops = resized_crop(torch.from_numpy(pixels), torch.arange(6), counters, 3, 16).numpy()
    boxes, flip = crop_boxes(counters, 3, 24, 24)
    assert 0 < flip.sum() < 6
    for image, (top, left, height, width), mirrored, crop in zip(
        pixels, boxes, flip, crops, strict=True
    ):
        box = (left, top, left + width, top + height)
        expected = np.asarray(
            Image.fromarray(image).resize((16, 16), Image.Resampling.BILINEAR, box)
        ).astype(float)
        assert np.abs(crop - (expected[:, ::-1] if mirrored else expected)).max() < 1.5


def test_boxes_of_resized_crops_are_inside_the_image_and_vary() -> None:
    from seedbed.data.augment import MAX_ASPECT, MIN_AREA, crop_boxes

    boxes, flip = crop_boxes(np.arange(4000, dtype=np.uint64), 1, 40, 60)
    top, left, height, width = boxes.T
    assert (top >= 0).all() and (left >= 0).all()
    assert (top + height <= 40 + 1e-9).all() and (left + width <= 60 + 1e-9).all()
    area = height * width / 2400
    assert area.min() >= MIN_AREA * 0.7  # where a box is clipped to the image, it may be smaller
    assert area.max() <= 1
    ratio = np.log(width / height)[(height < 40) & (width < 60)]
    assert np.abs(ratio).max() <= np.log(MAX_ASPECT) + 1e-9
    assert np.abs(ratio.mean()) < 0.05
    assert 0.45 < flip.mean() < 0.55
