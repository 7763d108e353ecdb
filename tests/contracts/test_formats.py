"""The same checks over every registered format. A new one brings an example below."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from seedbed.data.formats import FORMATS, Format
from seedbed.data.source import SPLITS, Source, from_records


def _tiny_imagenet(root: Path, encode: Callable[..., bytes]) -> str:
    for synset in ("n01", "n02"):
        (root / "train" / synset / "images").mkdir(parents=True)
        for i in range(3):
            (root / "train" / synset / "images" / f"{synset}_{i}.JPEG").write_bytes(encode(i, (16, 16), "JPEG"))
    (root / "val" / "images").mkdir(parents=True)
    for i in range(2):
        (root / "val" / "images" / f"val_{i}.JPEG").write_bytes(encode(10 + i, (16, 16), "JPEG"))
    (root / "val" / "val_annotations.txt").write_text("val_0.JPEG\tn01\t0\t0\t1\t1\nval_1.JPEG\tn02\t0\t0\t1\t1\n")
    (root / "wnids.txt").write_text("n01\nn02\n")
    return f"tiny_imagenet({str(root)!r})"


def _folder(root: Path, encode: Callable[..., bytes]) -> str:
    for label in ("a/x", "a/y", "b"):
        (root / label).mkdir(parents=True)
        for i in range(3):
            (root / label / f"{i}.png").write_bytes(encode(i))
    return f"folder({str(root)!r})"


EXAMPLES: dict[str, Callable[[Path, Callable[..., bytes]], str]] = {
    "digits": lambda root, encode: "digits()",
    "folder": _folder,
    "tiny_imagenet": _tiny_imagenet,
    "toy": lambda root, encode: "toy(per_class=2, test_per_class=1)",
}


@pytest.fixture(params=sorted(EXAMPLES))
def call(request: pytest.FixtureRequest, tmp_path: Path, encode) -> str:
    """A call of each format, with files where it needs some."""
    return EXAMPLES[request.param](tmp_path / "data", encode)


def _read(call: str) -> Source:
    return FORMATS.make(call).read()


def test_every_registered_format_has_an_example() -> None:
    assert set(EXAMPLES) == set(FORMATS.names())


def test_the_class_is_a_format_with_a_summary(call: str) -> None:
    name = call.split("(")[0]
    assert issubclass(FORMATS.get(name), Format)
    assert next(row["summary"] for row in FORMATS.describe() if row["name"] == name)


def test_reading_twice_gives_the_same_records(call: str) -> None:
    one, two = _read(call), _read(call)
    assert one.ids.tolist() == two.ids.tolist()
    assert one.leaves.tolist() == two.leaves.tolist()
    assert one.splits.tolist() == two.splits.tolist()
    assert one.listing == two.listing


def test_ids_are_unique_sorted_posix_paths(call: str) -> None:
    ids = _read(call).ids.tolist()
    assert ids == sorted(set(ids))
    assert not [i for i in ids if i.startswith("/") or "\\" in i or ".." in i.split("/")]


def test_columns_index_sorted_classes_and_splits(call: str) -> None:
    source = _read(call)
    assert list(source.classes) == sorted(set(source.classes))
    assert (source.class_sizes > 0).all()
    assert source.splits.max() < len(SPLITS)
    assert set(source.names) <= set(source.classes)
    if source.hierarchy:
        assert {source.hierarchy.depth(c) > 0 for c in source.classes} == {True}


def test_each_row_has_pixels_of_its_own_whatever_the_batch(call: str) -> None:
    pixels = _read(call).pixels
    together = pixels.load(np.array([4, 0, 2]), 16)
    assert together.pixels.shape == (3, 16, 16, 3)
    for place, row in enumerate((4, 0, 2)):
        alone = pixels.load(np.array([row]), 16)
        assert (alone.pixels[0] == together.pixels[place]).all()
        assert alone.checksums[0] == together.checksums[place]


def test_records_in_another_order_are_the_same_source(call: str) -> None:
    source = _read(call)
    records = [(i, source.classes[c], int(s)) for i, c, s in zip(source.ids, source.leaves, source.splits, strict=True)]
    again = from_records(source.name, records[::-1], pixels=source.pixels, listing=source.listing)
    assert again.ids.tolist() == source.ids.tolist()
    assert again.leaves.tolist() == source.leaves.tolist()
