"""Packing: a store is complete or does not exist, and no unreadable image is dropped silently."""

from __future__ import annotations

import csv
import importlib
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

from seedbed.base.errors import BadDataError, UsageError
from seedbed.base.randomness import content_hash, item_hashes
from seedbed.data.decode import decode
from seedbed.data.pack import pack
from seedbed.data.store import Store

WRITE_STORE = importlib.import_module("seedbed.data.write_store")


def _file_times(folder: Path) -> dict[str, int]:
    return {p.name: p.stat().st_mtime_ns for p in folder.iterdir()}


def _file_bytes(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def _read_list(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def _damaged_paths(count: int, label: str = "a") -> list[str]:
    return [f"{label}/{i:03d}.png" for i in range(count)]


def test_the_layout_opens_with_plain_tools(make_tree, tmp_path: Path) -> None:
    import pandas as pd
    import pyarrow.parquet as pq

    root = make_tree({"b": 4, "a/x": 6})
    pack(str(root), tmp_path / "s.store", size_px=8)
    pixels = np.load(tmp_path / "s.store" / "pixels.npy", mmap_mode="r")
    rows = pd.read_parquet(tmp_path / "s.store" / "rows.parquet")
    card = json.loads((tmp_path / "s.store" / "store.json").read_text(encoding="utf-8"))
    assert (pixels.shape, pixels.dtype) == ((10, 8, 8, 3), np.uint8)
    assert list(rows.columns) == [
        "id",
        "id_hash",
        "leaf",
        "split",
        "width_px",
        "height_px",
        "checksum",
        "group",
    ]
    assert pq.read_table(tmp_path / "s.store" / "rows.parquet").num_rows == card["num_images"] == 10
    assert rows["id"].tolist() == sorted(rows["id"])
    assert rows["leaf"].astype(str).tolist() == ["a/x"] * 6 + ["b"] * 4
    assert rows["id_hash"].tolist() == item_hashes(rows["id"]).tolist()
    assert set(zip(rows["width_px"], rows["height_px"], strict=True)) == {(12, 10)}
    for pixel, row in zip(pixels, rows.itertuples(), strict=True):
        data = (root / row.id).read_bytes()
        assert row.checksum == content_hash(data)
        assert (pixel == decode(data, 8)[0]).all()


def test_a_store_has_the_labels_and_splits_of_its_source(make_tree, tmp_path: Path) -> None:
    pack(
        str(make_tree({"train/b": 3, "train/a/x": 2, "val/b": 2, "test/a/x": 1})),
        tmp_path / "s.store",
        size_px=8,
    )
    store = Store.open(tmp_path / "s.store")
    assert store.classes == ("a/x", "b")
    assert [store.classes[i] for i in store.leaves] == [
        i.split("/", 1)[1].rsplit("/", 1)[0] for i in store.ids
    ]
    assert [("train", "val", "test")[i] for i in store.splits] == [
        i.split("/")[0] for i in store.ids
    ]
    assert store.hierarchy is not None
    assert store.hierarchy.depth("a/x") == 2
    assert store.card["splits"] == {"train": 5, "val": 2, "test": 1}
    assert store.card["derived_splits"] == {}


def test_a_second_pack_does_nothing(make_tree, tmp_path: Path) -> None:
    root = make_tree({"a": 5, "b": 5})
    first = pack(str(root), tmp_path / "s.store", size_px=8)
    before = _file_times(tmp_path / "s.store")
    second = pack(str(root), tmp_path / "s.store", size_px=8)
    assert _file_times(tmp_path / "s.store") == before
    assert first.images_per_s is not None
    assert second.images_per_s is None
    assert second.store.digest == first.store.digest


def test_a_changed_source_is_packed_again(make_tree, tmp_path: Path, encode) -> None:
    root = make_tree({"a": 5, "b": 5})
    digests = [pack(str(root), tmp_path / "s.store", size_px=8).store.digest]
    (root / "b" / "new.png").write_bytes(encode(123))
    digests.append(pack(str(root), tmp_path / "s.store", size_px=8).store.digest)
    (root / "a" / "000.png").write_bytes(encode(124))
    digests.append(pack(str(root), tmp_path / "s.store", size_px=8).store.digest)
    (root / "a" / "001.png").unlink()
    packed = pack(str(root), tmp_path / "s.store", size_px=8)
    assert len({*digests, packed.store.digest}) == 4
    assert packed.store.num_images == len(packed.store.pixels) == 10


def test_a_store_of_another_size_or_of_other_data_is_not_replaced(
    make_tree, tmp_path: Path
) -> None:
    root, other = make_tree({"a": 5, "b": 5}), make_tree({"a": 6, "b": 5}, root="other")
    small = pack(str(root), tmp_path / "s.store", size_px=8).store.digest
    for source, size_px in ((root, 16), (other, 8)):
        with pytest.raises(UsageError, match="is a store of .* at 8 px, and not of") as caught:
            pack(str(source), tmp_path / "s.store", size_px=size_px)
        assert "Name another folder" in caught.value.hint
    assert Store.open(tmp_path / "s.store").digest == small
    assert pack(f"{root}/.", tmp_path / "s.store", size_px=8).store.digest == small


def test_a_damaged_store_raises_bad_data_error(make_tree, tmp_path: Path) -> None:
    pack(str(make_tree({"a": 5, "b": 5})), tmp_path / "s.store", size_px=8)
    (tmp_path / "s.store" / "rows.parquet").write_text("<html>")
    with pytest.raises(BadDataError, match="is damaged: rows.parquet"):
        _ = Store.open(tmp_path / "s.store").leaves


def test_the_digest_depends_on_content_not_on_the_folder(make_tree, tmp_path: Path) -> None:
    digests = [
        pack(
            str(make_tree({"a": 4, "b": 4}, root=name)), tmp_path / f"{name}.store", size_px=8
        ).store.digest
        for name in ("x", "y")
    ]
    assert digests[0] == digests[1]


def test_two_percent_of_unreadable_images_are_refused_and_listed(make_tree, tmp_path: Path) -> None:
    root = make_tree({"a": 50, "b": 50}, damaged=_damaged_paths(2))
    with pytest.raises(BadDataError, match=r"2 of 100 images are unreadable \(2\.0%") as caught:
        pack(str(root), tmp_path / "s.store", size_px=8)
    list_path = tmp_path / "s.store.unreadable.csv"
    assert caught.value.exit_status == 3
    assert str(list_path) in caught.value.hint
    assert "--allow-unreadable 0.02" in caught.value.hint
    rows = _read_list(list_path)
    assert [r["id"] for r in rows] == _damaged_paths(2)
    assert all(r["reason"] for r in rows)
    assert not (tmp_path / "s.store").exists()


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_the_share_that_the_hint_names_is_enough(make_tree, tmp_path: Path, count: int) -> None:
    root = make_tree({"a": 20, "b": 13}, damaged=_damaged_paths(count))
    with pytest.raises(BadDataError) as caught:
        pack(str(root), tmp_path / "s.store", size_px=8)
    match = re.search(r"--allow-unreadable ([\d.]+)\.", caught.value.hint)
    assert match is not None
    assert (
        pack(
            str(root), tmp_path / "s.store", size_px=8, allow_unreadable=float(match[1])
        ).num_unreadable
        == count
    )


def test_unreadable_images_that_are_allowed_are_listed_and_left_out(
    make_tree, tmp_path: Path
) -> None:
    root = make_tree({"a": 50, "b": 50}, damaged=[*_damaged_paths(1), *_damaged_paths(1, "b")])
    packed = pack(str(root), tmp_path / "s.store", size_px=8, allow_unreadable=0.02)
    assert packed.unreadable == tmp_path / "s.store" / "unreadable.csv"
    assert [r["id"] for r in _read_list(packed.unreadable)] == ["a/000.png", "b/000.png"]
    assert (packed.num_unreadable, packed.store.num_images, len(packed.store.pixels)) == (2, 98, 98)
    for row, name in enumerate(packed.store.ids):
        assert (packed.store.pixels[row] == decode((root / name).read_bytes(), 8)[0]).all()


def test_half_a_percent_of_unreadable_images_is_allowed(make_tree, tmp_path: Path) -> None:
    root = make_tree({"a": 100, "b": 100}, damaged=_damaged_paths(1))
    packed = pack(str(root), tmp_path / "s.store", size_px=8)
    assert (packed.num_unreadable, packed.store.num_images) == (1, 199)
    assert not (tmp_path / "s.store.unreadable.csv").exists()


def test_a_second_pack_with_a_stricter_limit_is_refused(make_tree, tmp_path: Path) -> None:
    root = make_tree({"a": 50, "b": 50}, damaged=_damaged_paths(2))
    pack(str(root), tmp_path / "s.store", size_px=8, allow_unreadable=0.02)
    with pytest.raises(BadDataError, match="2 of 100"):
        pack(str(root), tmp_path / "s.store", size_px=8)


def test_a_class_of_damaged_images_counts_as_unreadable_images(make_tree, tmp_path: Path) -> None:
    root = make_tree({"a": 10, "b": 10}, damaged=_damaged_paths(10))
    with pytest.raises(BadDataError, match="10 of 20 images are unreadable"):
        pack(str(root), tmp_path / "s.store", size_px=8)
    assert (tmp_path / "s.store.unreadable.csv").is_file()


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_data_without_readable_images_are_refused(make_tree, tmp_path: Path, share: float) -> None:
    root = make_tree({"a": 3, "b": 3}, damaged=[*_damaged_paths(3), *_damaged_paths(3, "b")])
    with pytest.raises(BadDataError):
        pack(str(root), tmp_path / "s.store", size_px=8, allow_unreadable=share)
    assert not (tmp_path / "s.store").exists()


def test_a_class_with_one_image_is_named(make_tree, tmp_path: Path) -> None:
    with pytest.raises(BadDataError, match=r"class 'b' of .* has 1 readable image\n"):
        pack(str(make_tree({"a": 5, "b": 1})), tmp_path / "s.store", size_px=8)
    assert list(tmp_path.glob("s.store*")) == []


def test_the_refused_class_and_its_count_agree(make_tree, tmp_path: Path) -> None:
    root = make_tree({"a": 1, "b": 5, "c": 3}, damaged=_damaged_paths(3, "c"))
    with pytest.raises(BadDataError) as caught:
        pack(str(root), tmp_path / "s.store", size_px=8, allow_unreadable=1.0)
    assert ("'a'" in caught.value.message) == (" 1 readable" in caught.value.message)


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_an_interrupted_pack_leaves_no_store(
    make_tree, tmp_path: Path, monkeypatch, failure
) -> None:
    root = make_tree({"a": 20, "b": 20})
    monkeypatch.setattr(WRITE_STORE, "_BATCH", 10)

    def interrupt(done: int, total: int) -> None:
        if done >= total / 2:
            raise failure

    with pytest.raises(failure):
        pack(str(root), tmp_path / "s.store", size_px=8, progress=interrupt)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["photos"]
    assert pack(str(root), tmp_path / "s.store", size_px=8).store.num_images == 40


def test_an_interrupted_second_pack_keeps_the_first_store(make_tree, tmp_path: Path) -> None:
    root = make_tree({"a": 5, "b": 5})
    pack(str(root), tmp_path / "s.store", size_px=8)
    before = _file_bytes(tmp_path / "s.store")
    (root / "a" / "000.png").unlink()

    def interrupt(done: int, total: int) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        pack(str(root), tmp_path / "s.store", size_px=8, progress=interrupt)
    assert _file_bytes(tmp_path / "s.store") == before


@pytest.mark.parametrize("what", ["folder", "file", "empty folder"])
def test_a_path_that_is_not_a_store_is_not_replaced(make_tree, tmp_path: Path, what: str) -> None:
    target = tmp_path / "precious"
    if what == "file":
        target.write_text("thesis")
    else:
        target.mkdir()
    if what == "folder":
        (target / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="exists and is not a store"):
        pack(str(make_tree({"a": 2, "b": 2})), target, size_px=8)
    assert target.is_file() == (what == "file")
    assert [p.name for p in target.glob("*")] == (["thesis.txt"] if what == "folder" else [])


@pytest.mark.parametrize(
    "settings",
    [
        {"size_px": 7},
        {"size_px": 1025},
        {"allow_unreadable": 2.0},
        {"allow_unreadable": -0.1},
        {"allow_unreadable": float("nan")},
    ],
)
def test_settings_out_of_range_are_refused(tmp_path: Path, settings: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        pack("digits()", tmp_path / "s.store", **settings)
    assert list(tmp_path.iterdir()) == []


def test_progress_ends_at_all_images(
    make_tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WRITE_STORE, "_BATCH", 4)
    seen: list[tuple[int, int]] = []
    pack(
        str(make_tree({"a": 5, "b": 5})),
        tmp_path / "s.store",
        size_px=8,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == sorted(seen)
    assert seen[-1] == (10, 10)
    assert len(seen) >= 3


def test_pixels_of_a_store_are_read_only(make_tree, tmp_path: Path) -> None:
    store = pack(str(make_tree({"a": 3, "b": 3})), tmp_path / "s.store", size_px=8).store
    before = (store.path / "pixels.npy").read_bytes()
    with pytest.raises(ValueError, match="read-only"):
        store.pixels[:] = 0
    assert (store.path / "pixels.npy").read_bytes() == before


def test_opening_another_folder_says_how_to_make_a_store(tmp_path: Path) -> None:
    with pytest.raises(BadDataError, match="is not a store") as caught:
        Store.open(tmp_path)
    assert "seedbed pack" in caught.value.hint


def test_another_layout_version_is_refused_and_packed_again(make_tree, tmp_path: Path) -> None:
    root = make_tree({"a": 3, "b": 3})
    path = pack(str(root), tmp_path / "s.store", size_px=8).store.path / "store.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": 99}))
    with pytest.raises(BadDataError, match="layout 99"):
        Store.open(tmp_path / "s.store")
    assert pack(str(root), tmp_path / "s.store", size_px=8).store.card["version"] != 99


def test_a_read_only_folder_raises_storage_error(make_tree, tmp_path: Path) -> None:
    from seedbed.base.errors import StorageError

    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(StorageError):
        pack(str(make_tree({"a": 3, "b": 3})), tmp_path / "locked" / "s.store", size_px=8)
