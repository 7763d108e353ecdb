"""CUB-200-2011 on a small tree of its layout: what is read, and what each error says."""

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

from seedbed.data.formats import open_source, parse_data
from seedbed.data.pack import pack

BIRDS = ("001.Black_footed_Albatross", "002.Laysan_Albatross")


def _write_cub200(root: Path, encode: Encode) -> Path:
    """Two species of three images, the first of each for test; one file name has spaces and an
    accent."""
    files = [
        f"{bird}/{name}" for bird in BIRDS for name in ("a_1.jpg", "b \u00e9 2.jpg", "c_3.jpg")
    ]
    for i, file in enumerate(files):
        write_file(root / "images" / file, encode(i, (16, 16), "JPEG"))
    (root / "images.txt").write_text(
        "".join(f"{i} {file}\n" for i, file in enumerate(files, 1)), encoding="utf-8"
    )
    (root / "image_class_labels.txt").write_text("1 1\n2 1\n3 1\n4 2\n5 2\n6 2\n")
    (root / "classes.txt").write_text(f"1 {BIRDS[0]}\n2 {BIRDS[1]}\n")
    (root / "train_test_split.txt").write_text("1 0\n2 1\n3 1\n4 0\n5 1\n6 1\n")
    (root / "bounding_boxes.txt").write_text("".join(f"{i} 1.0 1.0 8.0 8.0\n" for i in range(1, 7)))
    return root


def test_reading_cub200(tmp_path: Path, encode: Encode) -> None:
    source = open_source(str(_write_cub200(tmp_path, encode)))
    assert source.classes == BIRDS
    assert source.named(BIRDS[0]) == "Black footed Albatross"
    splits = split_of_ids(source)
    assert splits["images/001.Black_footed_Albatross/a_1.jpg"] == "test"
    assert splits["images/002.Laysan_Albatross/b \u00e9 2.jpg"] == "train"
    assert sorted(splits.values()) == ["test"] * 2 + ["train"] * 4
    assert {label.split(".")[0] for label in label_of_ids(source).values()} == {"001", "002"}
    assert all(label in id_ for id_, label in label_of_ids(source).items())
    assert pack(source, tmp_path / "x.store", size_px=8).num_unreadable == 0


def test_the_tables_of_cub_with_windows_line_ends_are_the_same_source(
    tmp_path: Path, encode: Encode
) -> None:
    root = _write_cub200(tmp_path, encode)
    before = open_source(str(root))
    for path in root.glob("*.txt"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    after = open_source(str(root))
    assert (split_of_ids(after), label_of_ids(after), after.listing) == (
        split_of_ids(before),
        label_of_ids(before),
        before.listing,
    )


@pytest.mark.parametrize(
    "name",
    ["images.txt", "image_class_labels.txt", "classes.txt", "train_test_split.txt", "images"],
)
def test_a_missing_part_of_cub_is_named(tmp_path: Path, encode: Encode, name: str) -> None:
    root = _write_cub200(tmp_path, encode)
    shutil.rmtree(root / name) if name == "images" else (root / name).unlink()
    error = open_error(f"cub200({str(root)!r})")
    assert (
        f"{root} has no folder images/"
        if name == "images"
        else f"cannot read {root / name}: No such file"
    ) in error.message
    assert "data.caltech.edu (CUB-200-2011)" in error.hint


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        (
            "images.txt",
            "1 001",
            "one 001",
            "images.txt, line 1: 'one 001.Black_footed_Albatross/a_1.jpg' is not a row of this "
            "table",
        ),
        ("images.txt", "2 001", "1 001", "images.txt, line 2: number 1 is there twice, first in"),
        (
            "images.txt",
            "a_1.jpg",
            "a_9.jpg",
            "line 1 names 'images/001.Black_footed_Albatross/a_9.jpg', which is not in",
        ),
        (
            "images.txt",
            "c_3.jpg",
            "a_1.jpg",
            "line 3, for train, names 'images/001.Black_footed_Albatross/a_1.jpg', which",
        ),
        ("images.txt", "a_1.jpg", "../a_1.jpg", "is not the path of an image"),
        ("image_class_labels.txt", "6 2\n", "", "images.txt, line 6: image 6 has no row in"),
        (
            "train_test_split.txt",
            "6 1\n",
            "6 1\n7 1\n",
            "train_test_split.txt, line 7: image 7 has no row in",
        ),
        (
            "train_test_split.txt",
            "1 0",
            "1 2",
            "train_test_split.txt, line 1: '2' is neither 1 (training) nor 0 (test)",
        ),
        (
            "train_test_split.txt",
            "1 0",
            "1 1",
            "names an image of class '001.Black_footed_Albatross', of which no image is listed "
            "for test",
        ),
        (
            "image_class_labels.txt",
            "1 1",
            "1 0",
            "image_class_labels.txt, line 1: class 0 is not in classes.txt, which has 2",
        ),
        (
            "image_class_labels.txt",
            "1 1",
            "1 2",
            "images.txt, line 1: the image is in folder '001.Black_footed_Albatross', but",
        ),
        (
            "classes.txt",
            "2 002.Laysan_Albatross\n",
            "2 002.Laysan_Albatross\n3 003.Sooty_Albatross\n",
            "line 3: class 3 ('003",
        ),
        (
            "classes.txt",
            "1 001.Black_footed_Albatross\n",
            "",
            "image_class_labels.txt, line 1: class 1 is not in classes.txt",
        ),
    ],
)
def test_faults_of_cub200_are_named(
    tmp_path: Path, encode: Encode, name: str, old: str, new: str, message: str
) -> None:
    root = _write_cub200(tmp_path, encode)
    edit_file(root / name, old, new)
    error = open_error(f"cub200({str(root)!r})")
    assert message in error.message
    assert "data.caltech.edu (CUB-200-2011)" in error.hint


def test_two_classes_of_one_name_are_refused(tmp_path: Path, encode: Encode) -> None:
    root = _write_cub200(tmp_path, encode)
    edit_file(root / "classes.txt", f"2 {BIRDS[1]}\n", f"2 {BIRDS[1]}\n3 {BIRDS[0]}\n")
    edit_file(root / "image_class_labels.txt", "3 1", "3 3")
    assert (
        f"classes.txt, line 3: class {BIRDS[0]!r} is there twice, first in"
        in open_error(str(root)).message
    )


def test_another_split_of_the_same_images_changes_the_listing(
    tmp_path: Path, encode: Encode
) -> None:
    root = _write_cub200(tmp_path, encode)
    before = open_source(str(root))
    edit_file(root / "train_test_split.txt", "2 1", "2 0")
    after = open_source(str(root))
    assert after.ids.tolist() == before.ids.tolist()
    assert after.listing != before.listing


def test_nabirds_is_not_recognised_as_cub200(tmp_path: Path, encode: Encode) -> None:
    """NABirds has tables of the same names, with other numbers."""
    root = _write_cub200(tmp_path, encode)
    assert parse_data(str(root)).name == "cub200"
    edit_file(root / "images.txt", "1 001.Black_footed_Albatross", "0000139e-21dc-4d0c-bfe1 0817")
    assert parse_data(str(root)).name == "folder"
