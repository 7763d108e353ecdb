"""SUN397 on a small tree of its layout: what is read, and what each error says."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from format_trees import (
    Encode,
    edit_file,
    label_of_ids,
    open_error,
    split_of_ids,
    write_file,
)

from seedbed.base.errors import UsageError
from seedbed.data.formats import open_source, parse_data

SUN_CLASSES = ("a/abbey", "c/church/indoor", "c/church/outdoor", "c/control_tower/outdoor")


def _write_sun397(root: Path, encode: Encode, lists: str = "") -> Path:
    """Four classes of five images: partition p trains on the images p and p + 1 modulo 5, and tests
    on the next two."""
    for k, folder in enumerate(SUN_CLASSES):
        for i in range(5):
            write_file(root / folder / f"sun_{i}.jpg", encode(10 * k + i, (16, 16), "JPEG"))
    (root / "ClassName.txt").write_text("".join(f"/{folder}\n" for folder in SUN_CLASSES))
    for p in (1, 2):
        for kind, first in (("Training", p), ("Testing", p + 2)):
            lines = [
                f"/{folder}/sun_{i % 5}.jpg" for folder in SUN_CLASSES for i in (first, first + 1)
            ]
            write_file(root / lists / f"{kind}_{p:02d}.txt", "\n".join(lines).encode())
    return root


@pytest.mark.parametrize("lists", ["", "Partitions"])
def test_reading_sun397(tmp_path: Path, encode: Encode, lists: str) -> None:
    source = open_source(str(_write_sun397(tmp_path / "in", encode, lists)))
    assert source.name == str(tmp_path / "in")
    assert source.classes == ("abbey", "church/indoor", "church/outdoor", "control_tower/outdoor")
    splits = {1: "train", 2: "train", 3: "test", 4: "test"}
    assert split_of_ids(source) == {
        f"{folder}/sun_{i}.jpg": split for folder in SUN_CLASSES for i, split in splits.items()
    }
    assert label_of_ids(source)["c/church/indoor/sun_4.jpg"] == "church/indoor"
    assert source.named("control_tower/outdoor") == "outdoor control tower"
    assert source.named("abbey") == "abbey"


def test_nested_classes_of_sun397_give_a_hierarchy(tmp_path: Path, encode: Encode) -> None:
    hierarchy = open_source(str(_write_sun397(tmp_path, encode))).hierarchy
    assert hierarchy is not None
    assert hierarchy.chain("church/indoor") == (".", "church", "church/indoor")
    assert hierarchy.chain("abbey") == (".", "abbey")
    assert hierarchy.distance("church/indoor", "church/outdoor") == 2


def test_partitions_of_sun397_are_different_sources(tmp_path: Path, encode: Encode) -> None:
    root = str(_write_sun397(tmp_path, encode))
    one, two = open_source(root), open_source(f"sun397({root!r}, partition=2)")
    assert sorted(split_of_ids(two))[:2] == ["a/abbey/sun_0.jpg", "a/abbey/sun_2.jpg"]
    assert one.name != two.name
    assert one.listing != two.listing
    for wrong in (0, 11):
        with pytest.raises(UsageError, match=f"partition = {wrong}: there are ten, 1 to 10"):
            open_source(f"sun397({root!r}, partition={wrong})")
    error = open_error(f"sun397({root!r}, partition=3)")
    assert "has no Training_03.txt" in error.message
    assert "vision.princeton.edu/projects/2010/SUN" in error.hint


def test_lists_of_sun397_next_to_its_images(tmp_path: Path, encode: Encode) -> None:
    """Both archives unpacked into one folder; Partitions.zip has ClassName.txt too."""
    tree = _write_sun397(tmp_path / "SUN397", encode, "Partitions")
    shutil.move(tree / "Partitions", tmp_path / "Partitions")
    shutil.move(tree / "ClassName.txt", tmp_path / "Partitions")
    assert parse_data(str(tmp_path)).name == "sun397"
    assert parse_data(str(tree)).name == "folder"
    source = open_source(str(tmp_path))
    assert source.ids[0] == "a/abbey/sun_1.jpg"
    assert source.num_images == 16


def test_sun397_without_lists_is_refused(tmp_path: Path, encode: Encode) -> None:
    root = _write_sun397(tmp_path, encode, "Partitions")
    shutil.rmtree(root / "Partitions")
    error = open_error(str(root))
    assert f"{root} has no Training_01.txt, and none in Partitions/" in error.message
    assert "Partitions.zip" in error.hint
    (root / "ClassName.txt").unlink()
    assert "has no ClassName.txt" in open_error(f"sun397({str(root)!r})").message


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        (
            "Training_01.txt",
            "abbey/sun_1",
            "abbey/sun_9",
            "Training_01.txt, line 1 names 'a/abbey/sun_9.jpg', which is not in",
        ),
        (
            "Training_01.txt",
            "/a/abbey/sun_1",
            "/a/abbay/sun_1",
            "Training_01.txt, line 1: '/a/abbay/sun_1.jpg' is in no class of",
        ),
        (
            "Training_01.txt",
            "/a/abbey/sun_1",
            "../a/abbey/sun_1",
            "line 1: '../a/abbey/sun_1.jpg' is in no class of",
        ),
        ("Training_01.txt", "/a/abbey/sun_1", "/a/abbey/x\\sun_1", "is not the path of an image"),
        (
            "Training_01.txt",
            "/a/abbey/sun_1.jpg\n",
            "",
            "names 1 images of class 'abbey' and 2 of 'church/indoor'",
        ),
        (
            "Training_01.txt",
            "/a/abbey/sun_1.jpg\n/a/abbey/sun_2.jpg\n",
            "",
            "names no image of class 'abbey' of",
        ),
        (
            "Testing_01.txt",
            "abbey/sun_3",
            "abbey/sun_2",
            "Testing_01.txt, line 1, for test, names 'a/abbey/sun_2.jpg', which",
        ),
        ("ClassName.txt", "/a/abbey", "abbey", "ClassName.txt, line 1: 'abbey' is not a class"),
        (
            "ClassName.txt",
            "/c/church/outdoor",
            "/c/church/indoor",
            "ClassName.txt, line 3: class 'church/indoor' is there twice",
        ),
        (
            "ClassName.txt",
            "/a/abbey",
            "/c/church",
            "line 2: class 'church/indoor' is below 'church', which is a class too",
        ),
        (
            "ClassName.txt",
            "/a/abbey",
            "/a/abbey\n/z/zoo/inner",
            "names no image of class 'zoo/inner'",
        ),
    ],
)
def test_faults_of_sun397_are_named(
    tmp_path: Path, encode: Encode, name: str, old: str, new: str, message: str
) -> None:
    root = _write_sun397(tmp_path, encode)
    edit_file(root / name, old, new)
    error = open_error(str(root))
    assert message in error.message
    assert "vision.princeton.edu/projects/2010/SUN" in error.hint
