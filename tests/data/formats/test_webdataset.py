"""WebDataset shards: labels, splits, and tars that are damaged or cut off."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from format_trees import (
    write_tar,
)

from seedbed.base.errors import BadDataError
from seedbed.data.formats import open_source


def test_a_damaged_archive_is_named(tmp_path: Path, encode) -> None:
    write_tar(tmp_path / "train-0.tar", {f"{i}.jpg": encode(i, (16, 16), "JPEG") for i in range(9)})
    whole = (tmp_path / "train-0.tar").read_bytes()
    (tmp_path / "train-0.tar").write_bytes(b"not a tar at all" + whole[16:])
    with pytest.raises(BadDataError, match=r"train-0\.tar cannot be read as an uncompressed tar"):
        open_source(f"webdataset({str(tmp_path)!r})")


def _write_shards(root: Path, encode, label: str = ".json", value: object = "cat") -> Path:
    root.mkdir()
    for shard in ("train-000", "train-001"):
        files = {}
        for i in range(3):
            data = (
                json.dumps({"label": value if i else "dog", "w": 16})
                if label == ".json"
                else str(value)
            )
            files |= {
                f"x/{shard[-1]}{i}.png": encode(i + ord(shard[-1])),
                f"x/{shard[-1]}{i}{label}": data.encode(),
            }
        write_tar(root / f"{shard}.tar", files)
    return root


def test_webdataset_shards_by_braces_with_json_labels(tmp_path: Path, encode) -> None:
    root = _write_shards(tmp_path / "w", encode)
    source = open_source(f"webdataset({str(root / 'train-{000..001}.tar')!r})")
    assert source.classes == ("cat", "dog")
    assert sorted(source.ids) == [f"train-00{s}/x/{s}{i}.png" for s in range(2) for i in range(3)]
    with pytest.raises(BadDataError, match="there is no shard"):
        open_source(f"webdataset({str(root / 'train-{000..004}.tar')!r})")


def test_a_sample_without_a_label_is_named(tmp_path: Path, encode) -> None:
    root = _write_shards(tmp_path / "w", encode)
    write_tar(root / "train-002.tar", {"7.png": encode(7)})
    with pytest.raises(BadDataError, match="sample '7' has no label"):
        open_source(str(root))


def test_a_class_number_without_a_name_is_refused(tmp_path: Path, encode) -> None:
    root = _write_shards(tmp_path / "w", encode, ".cls", 5)
    (root / "classes.txt").write_text("cat\ndog\n")
    with pytest.raises(BadDataError, match="class 5 of 'x/00' has no name"):
        open_source(str(root))


@pytest.mark.parametrize("cut_at", ["between members", "in a header", "before the mark of the end"])
def test_a_truncated_archive_is_named(tmp_path: Path, encode, cut_at: str) -> None:
    """After an interrupted download; Python's own reader accepts each of these archives."""
    write_tar(
        tmp_path / "train-0.tar",
        {f"{i}.jpg": encode(i, (16, 16), "JPEG") for i in range(9)}
        | {f"{i}.cls": b"0" for i in range(9)},
    )
    data = (tmp_path / "train-0.tar").read_bytes()
    end = len(data.rstrip(b"\0"))
    places = {
        "between members": 3 * 1024,
        "in a header": 3 * 1024 + 300,
        "before the mark of the end": -(-end // 512) * 512,
    }
    (tmp_path / "train-0.tar").write_bytes(data[: places[cut_at]])
    with pytest.raises(
        BadDataError, match=r"train-0\.tar cannot be read .*: it ends after [\d,]+ bytes"
    ):
        open_source(f"webdataset({str(tmp_path)!r})")
