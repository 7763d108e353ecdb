"""Hugging Face's ImageFolder: train/ and test/ with a metadata file are splits and no classes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest
from format_trees import label_of_ids, open_error, split_of_ids, write_file

from seedbed.data.formats import open_source, parse_data
from seedbed.data.pack import pack


def _rows(first: int, num: int = 4, prefix: str = "") -> list[dict[str, str]]:
    return [
        {"file_name": f"{prefix}{i}.png", "text": f"a photo, {i}", "label": ("cat", "dog")[i % 2]}
        for i in range(first, first + num)
    ]


def _write_table(folder: Path, rows: list[dict], suffix: str = ".csv") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame(rows)
    if suffix == ".csv":
        frame.to_csv(folder / "metadata.csv", index=False)
    elif suffix == ".jsonl":
        write_file(folder / "metadata.jsonl", "\n".join(map(json.dumps, rows)))
    else:
        frame.to_parquet(folder / "metadata.parquet")


def _write_images(folder: Path, encode, first: int, num: int = 4) -> None:
    for i in range(first, first + num):
        write_file(folder / f"{i}.png", encode(i))


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("place", ["in each split", "at the root"])
def test_splits_with_metadata_are_read_as_what_they_are(
    tmp_path: Path, encode, suffix: str, place: str
) -> None:
    root, rows = tmp_path / "set", []
    for split, first in (("train", 0), ("validation", 4), ("test", 8)):
        _write_images(root / split, encode, first)
        if place == "in each split":
            _write_table(root / split, _rows(first), suffix)
        rows += _rows(first, prefix=f"{split}/")
    if place == "at the root":
        _write_table(root, rows, suffix)
    assert parse_data(str(root)).name == "imagefolder"
    source = open_source(str(root))
    assert label_of_ids(source) == {row["file_name"]: row["label"] for row in rows}
    assert split_of_ids(source) == {
        row["file_name"]: row["file_name"].split("/")[0].replace("validation", "val")
        for row in rows
    }
    assert source.skipped == ()
    assert pack(source, tmp_path / "x.store", size_px=8).num_unreadable == 0


def test_images_without_splits_beside_their_metadata(tmp_path: Path, encode) -> None:
    _write_images(tmp_path / "set" / "images", encode, 0, 8)
    _write_table(tmp_path / "set", _rows(0, 8, "images/"))
    source = open_source(str(tmp_path / "set"))
    assert source.classes == ("cat", "dog")
    assert set(split_of_ids(source).values()) == {"train"}


def test_a_split_without_metadata_is_counted(tmp_path: Path, encode) -> None:
    _write_images(tmp_path / "set" / "train", encode, 0)
    _write_images(tmp_path / "set" / "test", encode, 4)
    _write_table(tmp_path / "set" / "train", _rows(0))
    source = open_source(str(tmp_path / "set"))
    assert source.num_images == 4
    assert [(r.reason, r.num, r.example) for r in source.skipped] == [
        ("not in the table", 4, "test/4.png")
    ]


@pytest.mark.parametrize("with_labels", [True, False])
def test_class_folders_with_metadata_remain_folders(make_tree, with_labels: bool) -> None:
    root = make_tree({"train/cat": 3, "train/dog": 3})
    rows = [
        {"file_name": f"{c}/00{i}.png", "text": "x", **({"label": c} if with_labels else {})}
        for c in ("cat", "dog")
        for i in range(3)
    ]
    _write_table(root / "train", rows)
    assert parse_data(str(root)).name == "folder"


def test_folders_that_hold_several_labels_are_no_classes(tmp_path: Path, encode) -> None:
    rows = [{**row, "file_name": f"{i % 3}/{i}.png"} for i, row in enumerate(_rows(0, 9))]
    for i, row in enumerate(rows):
        write_file(tmp_path / "set" / row["file_name"], encode(i))
    _write_table(tmp_path / "set", rows)
    assert open_source(str(tmp_path / "set")).classes == ("cat", "dog")


def test_captions_alone_name_the_columns_and_the_advice_works(tmp_path: Path, encode) -> None:
    rows = [{"file_name": r["file_name"], "text": r["text"], "kind": r["label"]} for r in _rows(0)]
    _write_images(tmp_path / "set" / "train", encode, 0)
    _write_table(tmp_path / "set" / "train", rows)
    error = open_error(str(tmp_path / "set"))
    assert "has no label column" in error.text
    call = re.search(r"imagefolder\(.*\)", error.hint)
    assert call and open_source(call[0]).classes == ("cat", "dog")


def test_a_folder_without_metadata_points_to_folder(make_tree) -> None:
    root = make_tree({"cat": 3, "dog": 3})
    error = open_error(f"imagefolder({str(root)!r})")
    call = re.search(r"folder\(.*\)", error.hint)
    assert call and open_source(call[0]).classes == ("cat", "dog")


def test_a_missing_label_names_its_file_and_line(tmp_path: Path, encode) -> None:
    _write_images(tmp_path / "set" / "train", encode, 0)
    rows = _rows(0)
    rows[2]["label"] = ""
    _write_table(tmp_path / "set" / "train", rows)
    assert "train/metadata.csv, line 4: 'label' is empty" in open_error(str(tmp_path / "set")).text
