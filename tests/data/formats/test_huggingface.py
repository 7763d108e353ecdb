"""Hugging Face data sets as Parquet files: columns, splits, and what each error says."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from format_trees import (
    split_of_ids,
    write_tar,
)

from seedbed.base.errors import BadDataError
from seedbed.data.formats import open_source
from seedbed.data.pack import pack
from seedbed.data.source import SPLITS


def _write_parquet(path: Path, columns: dict, metadata: dict | None = None) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(columns)
    pq.write_table(table.replace_schema_metadata(metadata) if metadata else table, path)


def test_parquet_without_features_has_numbers_for_classes(tmp_path: Path, encode) -> None:
    images = [{"bytes": encode(i), "path": None} for i in range(4)]
    _write_parquet(
        tmp_path / "train.parquet",
        {"img": images, "fine_label": [3, 3, 8, 8], "coarse_label": [0, 0, 1, 1]},
    )
    source = open_source(str(tmp_path))
    assert source.classes == ("3", "8")
    coarse = open_source(f"huggingface({str(tmp_path)!r}, label_column='coarse_label')")
    assert coarse.classes == ("0", "1")
    assert coarse.listing != source.listing


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"image": [{"bytes": b"x", "path": ""}] * 2, "what": [0, 1]}, "has no label column"),
        ({"text": ["a", "b"], "label": [0, 1]}, "has no image column"),
        ({"image": [{"bytes": b"x", "path": ""}] * 2, "label": [0, -1]}, "row 1: no label"),
    ],
)
def test_faults_of_parquet_files_are_named(tmp_path: Path, columns: dict, message: str) -> None:
    _write_parquet(tmp_path / "train.parquet", columns)
    with pytest.raises(BadDataError, match=message):
        open_source(f"huggingface({str(tmp_path)!r})")


def test_images_without_bytes_are_reported(tmp_path: Path, encode) -> None:
    images = [{"bytes": encode(i), "path": f"{i}.png"} for i in range(7)] + [
        {"bytes": None, "path": "7.png"}
    ]
    _write_parquet(tmp_path / "train.parquet", {"image": images, "label": ["a", "b"] * 4})
    packed = pack(str(tmp_path), tmp_path / "x.store", size_px=8, allow_unreadable=0.2)
    assert packed.num_unreadable == 1
    assert packed.unreadable is not None
    assert "stored elsewhere" in packed.unreadable.read_text()


def test_files_of_one_name_in_several_folders_are_all_read(tmp_path: Path, encode) -> None:
    for k, split in enumerate(("train", "test")):
        (tmp_path / "p" / split).mkdir(parents=True)
        images = [{"bytes": encode(10 * k + i), "path": None} for i in range(4)]
        _write_parquet(
            tmp_path / "p" / split / "0000.parquet",
            {"image": images, "label": ["a", "a", "b", "b"]},
        )
        (tmp_path / "w" / split).mkdir(parents=True)
        files = {f"{i}.png": encode(10 * k + i) for i in range(4)} | {
            f"{i}.cls": b"ab"[i // 2 : i // 2 + 1] for i in range(4)
        }
        write_tar(tmp_path / "w" / split / "000000.tar", files)
    for root, name in ((tmp_path / "p", "huggingface"), (tmp_path / "w", "webdataset")):
        source = open_source(str(root), format_name=name)
        assert source.num_images == len(set(source.ids)) == 8
        loaded = source.pixels.load(np.arange(8), 8).checksums
        assert len(set(loaded.tolist())) == 8
        assert sorted(set(split_of_ids(source).values())) == ["test", "train"]


def test_a_part_of_parquet_pixels_reads_only_its_files(tmp_path: Path, encode) -> None:
    images = [encode(i) for i in range(12)]
    for k in range(3):
        rows = [{"bytes": data, "path": None} for data in images[4 * k : 4 * k + 4]]
        _write_parquet(tmp_path / f"train-{k}.parquet", {"image": rows, "label": [0, 0, 1, 1]})
    pixels = open_source(str(tmp_path)).pixels
    part = pickle.loads(pickle.dumps(pixels.part(np.arange(5, 8))))
    assert [Path(f).name for f in part.files] == ["train-1.parquet"]
    for k in (0, 2):
        (tmp_path / f"train-{k}.parquet").unlink()
    assert [part.read(i) for i in range(3)] == images[5:8]


def test_a_manifest_of_plain_bytes_points_to_the_format_that_reads_it(
    tmp_path: Path, encode
) -> None:
    columns = {"id": ["p", "q", "r", "s"], "photo": [encode(i) for i in range(4)]}
    _write_parquet(tmp_path / "named.parquet", columns | {"category": ["a", "a", "b", "b"]})
    with pytest.raises(BadDataError, match="has no path column") as caught:
        open_source(str(tmp_path / "named.parquet"))
    assert "label_column='category'" in caught.value.hint
    _write_parquet(
        tmp_path / "raw.parquet",
        {"photo": [encode(i) for i in range(4)], "species": ["a", "a", "b", "b"]},
    )
    with pytest.raises(BadDataError) as caught:
        open_source(str(tmp_path / "raw.parquet"))
    assert (
        f"huggingface('{tmp_path}/raw.parquet', image_column='photo', label_column='species')"
        in caught.value.hint
    )
    source = open_source(caught.value.hint.partition("Its images are in it: ")[2].rstrip("."))
    assert source.classes == ("a", "b")
    assert pack(source, tmp_path / "s.store", size_px=8).num_unreadable == 0


def test_a_split_column_of_parquet_gives_the_splits(tmp_path: Path, encode) -> None:
    rows = {"image": [{"bytes": encode(i), "path": None} for i in range(8)], "label": [0, 1] * 4}
    _write_parquet(tmp_path / "all.parquet", rows | {"split": ["train"] * 6 + ["test"] * 2})
    assert [SPLITS[i] for i in open_source(str(tmp_path)).splits] == ["train"] * 6 + ["test"] * 2
