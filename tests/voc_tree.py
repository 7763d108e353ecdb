"""A folder as PASCAL VOC has it, made on the spot: bright squares and dark bars on noise, with
their boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from seedbed.data.annotations import Boxes, Marks
from seedbed.data.source import Source

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
    height, width, depth = pixels.shape
    size = f"<width>{width}</width><height>{height}</height><depth>{depth}</depth>"
    (root / "Annotations" / f"{name}.xml").write_text(
        f"<annotation><filename>wrong.jpg</filename><size>{size}</size>{''.join(objects)}</annotation>",
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
    objects: list[tuple[str, Box]] = []
    left, top = int(rng.integers(0, 30)), int(rng.integers(0, 26))
    pixels[top : top + 20, left : left + 20] = (250, 250, 60)
    objects.append(("square", (left + 1, top + 1, left + 20, top + 20)))
    if seed % 2:
        left = int(rng.integers(52, 56))
        pixels[6:44, left : left + 8] = (10, 10, 90)
        objects.append(("bar", (left + 1, 7, left + 8, 44)))
    return pixels, objects


def scenes_tree(
    root: Path, num_train: int = 12, num_val: int = 4, num_test: int = 6, shade: float = 1.0
) -> Path:
    """A folder of such pictures with image sets train, val and test; `shade` darkens them."""
    sets: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for i in range(num_train + num_val + num_test):
        name = f"scene_{i:03d}"
        pixels, objects = scene(i)
        write_image(
            root,
            name,
            [object_xml(label, box) for label, box in objects],
            (pixels * shade).astype(np.uint8),
        )
        sets["train" if i < num_train else "val" if i < num_train + num_val else "test"].append(
            name
        )
    write_sets(root, {**sets, "trainval": sets["train"] + sets["val"]})
    return root


def four_images(root: Path) -> Path:
    """Four images: two for training, one for validation, one for test; a cat, a dog, a difficult
    dog."""
    cat, dog = object_xml("cat", (1, 1, 10, 20)), object_xml("dog", (5, 6, 5, 6), difficult=None)
    write_image(root, "a", [cat, dog])
    write_image(root, "b", [object_xml("dog", (2, 3, 64, 48), difficult=1)])
    write_image(root, "ümläut 7", [object_xml("cat", (1.5, 2.5, 30.25, 40.75))], suffix=".jpg")
    write_image(root, "d", [])
    sets = {"train": ["a", "b"], "val": ["ümläut 7"], "test": ["d"]}
    write_sets(root, {**sets, "trainval": [*sets["train"], *sets["val"]]})
    return root


def persons_tree(root: Path) -> Path:
    """Three images with persons; one person is second in its annotation, after a horse."""
    actions = "<actions><running>1</running><walking>0</walking></actions>"
    person = object_xml("person", (21, 11, 40, 30), extra=actions)
    write_image(root, "p1", [object_xml("horse", (1, 1, 20, 20)), person])
    actions = "<actions><reading>1</reading></actions>"
    write_image(root, "p2", [object_xml("person", (1, 1, 64, 48), extra=actions)])
    actions = "<actions><walking>1</walking></actions>"
    write_image(root, "p3", [object_xml("person", (3, 3, 20, 20), difficult=1, extra=actions)])
    write_sets(root, {"train": ["p1"], "val": ["p2"]})
    write_sets(root, {"train": ["p1 2"], "val": ["p2 1", "p3 1"]}, "Action")
    return root


def move_next_to_images(root: Path, folder: str = "") -> None:
    """Put each .xml file next to its image and remove the image sets, as LabelImg leaves them."""
    (root / folder).mkdir(exist_ok=True)
    for path in [*(root / "JPEGImages").iterdir(), *(root / "Annotations").iterdir()]:
        path.rename(root / folder / path.name)
    for name in ("JPEGImages", "Annotations", "ImageSets/Main", "ImageSets"):
        for path in (root / name).glob("*.txt"):
            path.unlink()
        (root / name).rmdir()


def boxes_of_image(source: Source, image: str) -> list[tuple[str, list[float], bool]]:
    """Class, edges and difficulty of each box of an image."""
    boxes = source.annotations
    assert isinstance(boxes, Boxes)
    return [
        (source.classes[boxes.labels[i]], boxes.corners[i].tolist(), bool(boxes.difficult[i]))
        for i in boxes.boxes_of_image(source.ids.tolist().index(image))
    ]


def marks_of_images(source: Source) -> dict[str, dict[str, int]]:
    """Image -> class -> mark."""
    assert isinstance(source.annotations, Marks)
    return {
        str(image): dict(zip(source.classes, marks.tolist(), strict=True))
        for image, marks in zip(source.ids, source.annotations.marks, strict=True)
    }
