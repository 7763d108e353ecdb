"""Pairs of images with similar codes: mirrored copies are found, other images are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from seedbed.data.audit import audit_store
from seedbed.data.formats import open_source
from seedbed.data.pack import pack
from seedbed.data.store import Store
from seedbed.data.toy_drawing import render
from seedbed.models.zoo import BACKBONES
from seedbed.readout.code_duplicates import add_code_pairs, find_code_pairs


def _store(folder: Path, pictures: dict[str, np.ndarray]) -> Store:
    for name, pixels in pictures.items():
        path = folder / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return pack(open_source(str(folder / "images")), folder / "packed", size_px=32).store


def test_mirrored_copies_are_found(tmp_path: Path) -> None:
    images = list(render(np.arange(24), np.arange(24, dtype=np.uint64), 32))
    first = _store(
        tmp_path / "a", {f"{'xy'[i % 2]}/{i:02d}.png": p for i, p in enumerate(images[:12])}
    )
    copies = {f"x/copy{i:02d}.png": images[i][:, ::-1] for i in range(4)}
    others = {f"y/new{i:02d}.png": p for i, p in enumerate(images[12:])}
    second = _store(tmp_path / "b", copies | others)
    assert not audit_store(
        first, second
    ).shared_with  # perceptual hashes do not find mirrored images
    backbone = BACKBONES.make("small(width=16)").build(["a", "b"], 32)
    matches = find_code_pairs(backbone, first, np.arange(12), second, np.arange(second.num_images))
    pairs = {
        (str(first.ids[i])[-6:-4], str(second.ids[j]))
        for i, j in zip(matches.rows, matches.others, strict=True)
    }
    expected = {(f"{i:02d}", f"x/copy{i:02d}.png") for i in range(4)}
    # By its definition, one in twenty copies is below the threshold.
    assert len(expected & pairs) >= 3
    assert len(pairs - expected) <= 3
    assert np.all(np.diff(matches.similarities) <= 0)
    assert matches.similarities.min() > matches.threshold


def test_known_duplicates_are_left_out_and_lookalikes_are_counted(tmp_path: Path) -> None:
    images = list(render(np.arange(12), np.arange(12, dtype=np.uint64), 32))
    first = _store(tmp_path / "a", {f"{'xy'[i % 2]}/{i:02d}.png": p for i, p in enumerate(images)})
    second = _store(
        tmp_path / "b",
        {
            "x/same.png": images[0],
            "x/new.png": images[11][:, ::-1],
            "y/m1.png": images[1][:, ::-1],
            "y/m2.png": images[2][:, ::-1],
        },
    )
    backbone = BACKBONES.make("small(width=16)").build(["a", "b"], 32)
    audit = audit_store(first, second)
    assert [row["near"] for row in audit.shared_with] == [["x/same.png"]]
    extended = add_code_pairs(audit, backbone, first, second)
    pairs = {(row["id"], row["near"]) for row in extended.near_by_codes}
    assert (audit.shared_with[0]["id"], "x/same.png") not in pairs and pairs
    assert extended.codes_lookalikes is not None and 0 <= extended.codes_lookalikes < 0.5
    twins = _store(
        tmp_path / "c",
        {f"x/{i}{j}.png": images[i] for i in range(3) for j in range(2)}
        | {"y/0.png": images[5], "y/1.png": images[8]},
    )
    assert find_code_pairs(backbone, twins, np.arange(8), second, np.arange(4)).lookalikes >= 6 / 8
