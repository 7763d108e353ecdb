"""UKBench on a small tree of its layout: queries, answers, and what each error says."""

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

UKBENCH = tuple(f"full/ukbench{i:05d}.jpg" for i in (*range(8), *range(10196, 10200)))


def test_reading_ukbench(tmp_path: Path, encode: Encode) -> None:
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


def test_ukbench_whose_sorted_ids_are_not_in_the_order_of_numbers(
    tmp_path: Path, encode: Encode
) -> None:
    files = [f"{folder}/ukbench{i:05d}.jpg" for i, folder in enumerate("dacbbdac")]
    root = write_images(tmp_path, files, encode)
    write_file(root / "index.html", "objects")
    source = open_source(f"ukbench({str(root)!r})")
    assert_source(source, "ukbench")
    assert source.ids.tolist() == sorted(files) != files
    assert answers_of(source.ids, source.annotations) == {
        i: dict.fromkeys(group, 1) for group in (files[:4], files[4:]) for i in group
    }


def test_unreadable_images_of_ukbench_are_removed(tmp_path: Path, encode: Encode) -> None:
    root = write_images(tmp_path / "in", UKBENCH, encode)
    lost = {UKBENCH[2], UKBENCH[9]}
    for file in lost:
        write_file(root / file, b"")
    assert_packed_without(open_source(str(root)), lost, tmp_path)


@pytest.mark.parametrize(
    ("removed", "added", "message"),
    [
        (
            ["full/ukbench00005.jpg"],
            [],
            "ukbench00005.jpg is not in {}: ukbench00004.jpg is, and 00004 to 00007 are of one "
            "object",
        ),
        (["full/ukbench00004.jpg"], [], "ukbench00004.jpg is not in {}: ukbench00005.jpg is"),
        ([], ["full/ukbench10200.jpg"], "ukbench10201.jpg is not in {}: ukbench10200.jpg is"),
        (
            [],
            ["full/again/ukbench00003.jpg"],
            "image 00003 is in {} twice, in full/again/ (ukbench00003.jpg) and in full/ "
            "(ukbench00003",
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
def test_faults_of_ukbench_are_named(
    tmp_path: Path, encode: Encode, removed: Iterable[str], added: Iterable[str], message: str
) -> None:
    root = write_images(tmp_path, UKBENCH, encode)
    for file in removed:
        (root / file).unlink()
    for file in added:
        write_file(root / file, encode(99, (16, 12), "JPEG"))
    error = open_error(f"ukbench({str(root)!r})")
    assert message.format(root) in error.message
    assert "archive.org/details/ukbench" in error.hint


def test_thumbnails_of_ukbench_are_ignored(tmp_path: Path, encode: Encode) -> None:
    root = write_images(tmp_path, UKBENCH, encode)
    for file in UKBENCH:
        write_file(root / file.replace("full/", "thumbnails/"), encode(99, (16, 12), "JPEG"))
    assert open_source(str(root)).ids.tolist() == list(UKBENCH)


def test_recognising_ukbench(tmp_path: Path, encode: Encode) -> None:
    root = write_images(tmp_path, UKBENCH, encode)
    assert parse_data(str(root)).name == parse_data(str(root / "full")).name == "ukbench"
    (root / "full" / "ukbench00000.jpg").unlink()
    assert parse_data(str(root)).name == parse_data(str(root / "full")).name == "folder"
