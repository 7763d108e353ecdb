"""Holidays and UKBench on small trees of their true layouts: queries, answers, and what each error
says."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from retrieval_sets import (
    Encode,
    answers_of,
    assert_packed,
    assert_packed_without,
    assert_source,
    gallery_of,
    refused,
    write,
    write_images,
)

from seedbed.data.formats import open_source, parse_data

# ---- Holidays ----

HOLIDAYS = (
    "jpg/100000.jpg",
    "jpg/100001.jpg",
    "jpg/100002.jpg",
    "jpg/100100.jpg",
    "jpg/100101.jpg",
    "jpg/149900.jpg",
    "jpg/149911.jpg",
)


def test_holidays_by_its_numbers(tmp_path: Path, encode: Encode) -> None:
    source = open_source(str(write_images(tmp_path / "in", HOLIDAYS, encode)))
    assert_source(source, "holidays")
    assert source.name == str(tmp_path / "in")
    assert source.ids.tolist() == list(HOLIDAYS)
    assert source.classes == ("1000", "1001", "1499")
    assert answers_of(source.ids, source.annotations) == {
        "jpg/100000.jpg": {"jpg/100001.jpg": 1, "jpg/100002.jpg": 1},
        "jpg/100100.jpg": {"jpg/100101.jpg": 1},
        "jpg/149900.jpg": {"jpg/149911.jpg": 1},
    }
    assert gallery_of(source.ids, source.annotations) == list(HOLIDAYS)
    assert_packed(source, tmp_path)


def test_holidays_in_folders_whose_order_is_not_that_of_numbers(
    tmp_path: Path, encode: Encode
) -> None:
    """Rows are those of sorted ids; a group may lie in two folders; what is no image, or hidden, is
    passed over."""
    root = write_images(
        tmp_path, ("z/100000.jpg", "a/100100.jpg", "z/100101.jpg", "a/100001.jpg"), encode
    )
    for name in ("README.txt", "z/100000.siftgeo", "z/._100000.jpg", "__MACOSX/x.jpg"):
        write(root / name, "no image")
    source = open_source(f"holidays({str(root)!r})")
    assert_source(source, "holidays")
    assert source.ids.tolist() == ["a/100001.jpg", "a/100100.jpg", "z/100000.jpg", "z/100101.jpg"]
    assert answers_of(source.ids, source.annotations) == {
        "a/100100.jpg": {"z/100101.jpg": 1},
        "z/100000.jpg": {"a/100001.jpg": 1},
    }


def test_holidays_without_what_cannot_be_read(tmp_path: Path, encode: Encode) -> None:
    root = write_images(tmp_path / "in", HOLIDAYS, encode)
    for lost in ("jpg/100002.jpg", "jpg/149900.jpg"):
        write(root / lost, "<html>302 Found</html>")
    source = open_source(str(root))
    assert_packed_without(source, {"jpg/100002.jpg", "jpg/149900.jpg"}, tmp_path)


@pytest.mark.parametrize(
    ("gone", "added", "message"),
    [
        (
            ["jpg/100000.jpg"],
            [],
            "group 1000 in {} has no query: it has image 100001, and not 100000",
        ),
        (
            ["jpg/100101.jpg"],
            [],
            "query 100100 in {} has no other image in its group: none from 100101 to 100199",
        ),
        ([], ["jpg/beach.jpg"], "'jpg/beach.jpg' in {} is not a number of six digits"),
        (
            [],
            ["jpg/1000000.jpg"],
            "'jpg/1000000.jpg' in {} is not a number of six digits",
        ),
        (
            [],
            ["jpg/\u0661\u0660\u0660\u0660\u0660\u0660.jpg"],
            "is not a number of six digits",
        ),
        (
            [],
            ["jpg2/100001.jpg"],
            "image 100001 is in {} twice, as 'jpg/100001.jpg' and as 'jpg2/100001.jpg'",
        ),
        (
            [],
            ["jpg/100001.png"],
            "image 100001 is in {} twice, as 'jpg/100001.jpg' and as 'jpg/100001.png'",
        ),
        (HOLIDAYS, [], "there are no images below {}"),
    ],
)
def test_what_is_wrong_with_holidays_is_named(
    tmp_path: Path, encode: Encode, gone: Iterable[str], added: Iterable[str], message: str
) -> None:
    root = write_images(tmp_path, HOLIDAYS, encode)
    for file in gone:
        (root / file).unlink()
    for file in added:
        write(root / file, encode(99, (16, 12), "JPEG"))
    error = refused(f"holidays({str(root)!r})")
    assert message.format(root) in error.message
    assert "lear.inrialpes.fr/~jegou/data.php" in error.hint


@pytest.mark.parametrize(
    ("files", "name"),
    [
        (HOLIDAYS, "holidays"),
        (("100000.jpg", "100001.jpg"), "holidays"),
        (("jpg/100001.jpg", "jpg/100002.jpg"), "folder"),  # no query
        (("cats/100000.jpg", "dogs/100001.jpg"), "folder"),  # classes
        (("train/cats/100000.jpg", "train/cats/100001.jpg"), "folder"),
        (("jpg/100000.jpg", "jpg/100001.JPG"), "folder"),
        (("jpg/100000.jpg", "jpg/IMG_2.jpg"), "folder"),
        (("jpg/000000.jpg", "jpg/000001.jpg"), "folder"),
        (("jpg/100000.jpg", "jpg/100001.jpg", "jpg/more/100002.jpg"), "folder"),
        (("100000.jpg", "cats/100001.jpg"), "folder"),
        ((), "folder"),
    ],
)
def test_what_is_taken_for_holidays(
    tmp_path: Path, encode: Encode, files: tuple[str, ...], name: str
) -> None:
    write(write_images(tmp_path, files, encode) / "README.txt", "photographs")
    assert parse_data(str(tmp_path)).name == name


def test_holidays_behind_a_link(tmp_path: Path, encode: Encode) -> None:
    write_images(tmp_path / "elsewhere", HOLIDAYS, encode)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "photos").symlink_to(tmp_path / "elsewhere" / "jpg")
    assert parse_data(str(tmp_path / "in")).name == "holidays"
    assert open_source(str(tmp_path / "in")).ids[0] == "photos/100000.jpg"


# ---- UKBench ----

UKBENCH = tuple(f"full/ukbench{i:05d}.jpg" for i in (*range(8), *range(10196, 10200)))


def test_ukbench_by_its_numbers(tmp_path: Path, encode: Encode) -> None:
    source = open_source(str(write_images(tmp_path / "in", UKBENCH, encode)))
    assert_source(source, "ukbench")
    assert source.ids.tolist() == list(UKBENCH)
    assert source.classes == ("00000", "00001", "02549")
    groups = (UKBENCH[:4], UKBENCH[4:8], UKBENCH[8:])
    assert answers_of(source.ids, source.annotations) == {
        i: dict.fromkeys(group, 1) for group in groups for i in group
    }
    assert gallery_of(source.ids, source.annotations) == list(UKBENCH)
    assert_packed(source, tmp_path)


def test_ukbench_in_folders_whose_order_is_not_that_of_numbers(
    tmp_path: Path, encode: Encode
) -> None:
    files = [f"{folder}/ukbench{i:05d}.jpg" for i, folder in enumerate("dacbbdac")]
    root = write_images(tmp_path, files, encode)
    write(root / "index.html", "objects")
    source = open_source(f"ukbench({str(root)!r})")
    assert_source(source, "ukbench")
    assert source.ids.tolist() == sorted(files) != files
    assert answers_of(source.ids, source.annotations) == {
        i: dict.fromkeys(group, 1) for group in (files[:4], files[4:]) for i in group
    }


def test_ukbench_without_what_cannot_be_read(tmp_path: Path, encode: Encode) -> None:
    root = write_images(tmp_path / "in", UKBENCH, encode)
    lost = {UKBENCH[2], UKBENCH[9]}
    for file in lost:
        write(root / file, b"")
    assert_packed_without(open_source(str(root)), lost, tmp_path)


@pytest.mark.parametrize(
    ("gone", "added", "message"),
    [
        (
            ["full/ukbench00005.jpg"],
            [],
            "ukbench00005.jpg is not in {}: ukbench00004.jpg is, and 00004 to 00007 are of one object",
        ),
        (["full/ukbench00004.jpg"], [], "ukbench00004.jpg is not in {}: ukbench00005.jpg is"),
        ([], ["full/ukbench10200.jpg"], "ukbench10201.jpg is not in {}: ukbench10200.jpg is"),
        (
            [],
            ["full/again/ukbench00003.jpg"],
            "image 00003 is in {} twice, in full/again/ (ukbench00003.jpg) and in full/ (ukbench00003",
        ),
        (
            [],
            ["full/ukbench0003.jpg"],
            "'full/ukbench0003.jpg' in {} is not ukbench and five digits",
        ),
        ([], ["full/logo.png"], "'full/logo.png' in {} is not ukbench and five digits"),
        (UKBENCH, [], "there are no images below {}"),
    ],
)
def test_what_is_wrong_with_ukbench_is_named(
    tmp_path: Path, encode: Encode, gone: Iterable[str], added: Iterable[str], message: str
) -> None:
    root = write_images(tmp_path, UKBENCH, encode)
    for file in gone:
        (root / file).unlink()
    for file in added:
        write(root / file, encode(99, (16, 12), "JPEG"))
    error = refused(f"ukbench({str(root)!r})")
    assert message.format(root) in error.message
    assert "archive.org/details/ukbench" in error.hint


def test_ukbench_with_its_thumbnails_beside(tmp_path: Path, encode: Encode) -> None:
    root = write_images(tmp_path, UKBENCH, encode)
    for file in UKBENCH:
        write(root / file.replace("full/", "thumbnails/"), encode(99, (16, 12), "JPEG"))
    assert open_source(str(root)).ids.tolist() == list(UKBENCH)


def test_what_is_taken_for_ukbench(tmp_path: Path, encode: Encode) -> None:
    root = write_images(tmp_path, UKBENCH, encode)
    assert parse_data(str(root)).name == parse_data(str(root / "full")).name == "ukbench"
    (root / "full" / "ukbench00000.jpg").unlink()
    assert parse_data(str(root)).name == parse_data(str(root / "full")).name == "folder"
