"""Holidays on a small tree of its layout: queries, answers, and what each error says."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from format_trees import Encode, open_error, write_file
from retrieval_sets import (
    answers_of,
    assert_packed,
    assert_packed_without,
    assert_source,
    gallery_of,
    write_images,
)

from seedbed.data.formats import open_source, parse_data

HOLIDAYS = (
    "jpg/100000.jpg",
    "jpg/100001.jpg",
    "jpg/100002.jpg",
    "jpg/100100.jpg",
    "jpg/100101.jpg",
    "jpg/149900.jpg",
    "jpg/149911.jpg",
)


def test_reading_holidays(tmp_path: Path, encode: Encode) -> None:
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


def test_holidays_whose_sorted_ids_are_not_in_the_order_of_numbers(
    tmp_path: Path, encode: Encode
) -> None:
    """Rows are in the order of ids; a group may be in two folders; hidden files and other files are
    ignored."""
    root = write_images(
        tmp_path, ("z/100000.jpg", "a/100100.jpg", "z/100101.jpg", "a/100001.jpg"), encode
    )
    for name in ("README.txt", "z/100000.siftgeo", "z/._100000.jpg", "__MACOSX/x.jpg"):
        write_file(root / name, "no image")
    source = open_source(f"holidays({str(root)!r})")
    assert_source(source, "holidays")
    assert source.ids.tolist() == ["a/100001.jpg", "a/100100.jpg", "z/100000.jpg", "z/100101.jpg"]
    assert answers_of(source.ids, source.annotations) == {
        "a/100100.jpg": {"z/100101.jpg": 1},
        "z/100000.jpg": {"a/100001.jpg": 1},
    }


def test_unreadable_images_of_holidays_are_removed(tmp_path: Path, encode: Encode) -> None:
    root = write_images(tmp_path / "in", HOLIDAYS, encode)
    for lost in ("jpg/100002.jpg", "jpg/149900.jpg"):
        write_file(root / lost, "<html>302 Found</html>")
    source = open_source(str(root))
    assert_packed_without(source, {"jpg/100002.jpg", "jpg/149900.jpg"}, tmp_path)


@pytest.mark.parametrize(
    ("removed", "added", "message"),
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
def test_faults_of_holidays_are_named(
    tmp_path: Path, encode: Encode, removed: Iterable[str], added: Iterable[str], message: str
) -> None:
    root = write_images(tmp_path, HOLIDAYS, encode)
    for file in removed:
        (root / file).unlink()
    for file in added:
        write_file(root / file, encode(99, (16, 12), "JPEG"))
    error = open_error(f"holidays({str(root)!r})")
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
def test_recognising_holidays(
    tmp_path: Path, encode: Encode, files: tuple[str, ...], name: str
) -> None:
    write_file(write_images(tmp_path, files, encode) / "README.txt", "photographs")
    assert parse_data(str(tmp_path)).name == name


def test_holidays_in_a_linked_folder(tmp_path: Path, encode: Encode) -> None:
    write_images(tmp_path / "elsewhere", HOLIDAYS, encode)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "photos").symlink_to(tmp_path / "elsewhere" / "jpg")
    assert parse_data(str(tmp_path / "in")).name == "holidays"
    assert open_source(str(tmp_path / "in")).ids[0] == "photos/100000.jpg"
