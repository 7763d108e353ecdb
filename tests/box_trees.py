"""Helpers of the tests of boxes: write images, COCO's JSON files and YOLO's labels."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 64, 48
Box = tuple[float, float, float, float]  # left, top, right, bottom, edges from 0


def write_images(
    root: Path, paths: Sequence[str], size: tuple[int, int] = (WIDTH, HEIGHT), tag: int = 0
) -> None:
    """Write images of noise, with an orientation tag if there is one."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(sum(map(ord, path)))
        pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        exif = Image.Exif()
        if tag:
            exif[0x0112] = tag
        Image.fromarray(pixels).save(root / path, exif=exif)


def coco_document(
    images: Sequence[str],
    boxes: Sequence[tuple[int, str, Box]],
    names: Sequence[str] = ("cat", "dog"),
    size: tuple[int, int] = (WIDTH, HEIGHT),
) -> dict[str, Any]:
    """A COCO document; a box is (position of its image, class, edges). Ids have gaps."""
    return {
        "info": {"description": "test"},
        "images": [
            {"id": 10 * i + 7, "file_name": name, "width": size[0], "height": size[1]}
            for i, name in enumerate(images)
        ],
        "annotations": [
            {
                "id": 3 * i + 1,
                "image_id": 10 * image + 7,
                "category_id": 5 * names.index(name) + 2,
                "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]],
                "iscrowd": 0,
            }
            for i, (image, name, box) in enumerate(boxes)
        ],
        "categories": [{"id": 5 * i + 2, "name": name} for i, name in enumerate(names)],
    }


def write_json(path: Path, document: Any) -> None:
    """Write a JSON file, and make its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document), encoding="utf-8")


def yolo_line(number: int, box: Box, size: tuple[int, int] = (WIDTH, HEIGHT)) -> str:
    """The line of an object."""
    left, top, right, bottom = box
    values = (
        (left + right) / 2 / size[0],
        (top + bottom) / 2 / size[1],
        (right - left) / size[0],
        (bottom - top) / size[1],
    )
    return f"{number} {' '.join(f'{value:.8f}' for value in values)}\n"


def write_texts(root: Path, files: Mapping[str, str]) -> None:
    """Write text files, and make their folders."""
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
