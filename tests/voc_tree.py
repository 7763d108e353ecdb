"""A folder as PASCAL VOC has it, made on the spot: bright squares and dark bars on noise, with
their boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

Box = tuple[int, int, int, int]  # xmin, ymin, xmax, ymax, px from 1, both ends included
WIDTH, HEIGHT = 64, 48


def object_xml(name: str, box: Sequence[float], difficult: int | None = 0, extra: str = "") -> str:
    """One object; `difficult` None leaves the tag out. The tags stand in another order than VOC's
    own, which nobody promises."""
    corners = "".join(
        f"<{tag}>{value:g}</{tag}>"
        for tag, value in zip(("ymax", "xmin", "ymin", "xmax"), _turned(box), strict=True)
    )
    tag = "" if difficult is None else f"<difficult>{difficult}</difficult>"
    return f"<object><bndbox>{corners}</bndbox><name>{name}</name>{tag}{extra}</object>"


def _turned(box: Sequence[float]) -> tuple[float, float, float, float]:
    left, top, right, bottom = box
    return bottom, left, top, right


def write_image(
    root: Path,
    name: str,
    objects: Sequence[str],
    pixels: np.ndarray | None = None,
    suffix: str = ".png",
) -> None:
    """An image with its annotation."""
    for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    if pixels is None:
        seed = sum(map(ord, name))
        pixels = np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(root / "JPEGImages" / f"{name}{suffix}")
    size = f"<size><width>{pixels.shape[1]}</width><height>{pixels.shape[0]}</height><depth>3</depth></size>"
    (root / "Annotations" / f"{name}.xml").write_text(
        f"<annotation><filename>wrong.jpg</filename>{size}{''.join(objects)}</annotation>",
        encoding="utf-8",
    )


def write_sets(
    root: Path, sets: Mapping[str, Sequence[str]], folder: str = "Main", end: str = "\n"
) -> None:
    """Image sets by name: lines as they shall stand."""
    (root / "ImageSets" / folder).mkdir(parents=True, exist_ok=True)
    for name, lines in sets.items():
        (root / "ImageSets" / folder / f"{name}.txt").write_bytes(
            "".join(f"{line}{end}" for line in lines).encode()
        )


def scene(seed: int) -> tuple[np.ndarray, list[tuple[str, Box]]]:
    """A picture with one bright square and perhaps a dark bar, and where they are."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(90, 140, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    found: list[tuple[str, Box]] = []
    left, top = int(rng.integers(0, 30)), int(rng.integers(0, 26))
    pixels[top : top + 20, left : left + 20] = (250, 250, 60)
    found.append(("square", (left + 1, top + 1, left + 20, top + 20)))
    if seed % 2:
        left = int(rng.integers(52, 56))
        pixels[6:44, left : left + 8] = (10, 10, 90)
        found.append(("bar", (left + 1, 7, left + 8, 44)))
    return pixels, found


def scenes_tree(
    root: Path, num_train: int = 12, num_val: int = 4, num_test: int = 6, shade: float = 1.0
) -> Path:
    """A folder of such pictures with image sets train, val and test; `shade` darkens them."""
    sets: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for i in range(num_train + num_val + num_test):
        name = f"scene_{i:03d}"
        pixels, found = scene(i)
        write_image(
            root,
            name,
            [object_xml(label, box) for label, box in found],
            (pixels * shade).astype(np.uint8),
        )
        sets["train" if i < num_train else "val" if i < num_train + num_val else "test"].append(
            name
        )
    write_sets(root, {**sets, "trainval": sets["train"] + sets["val"]})
    return root
