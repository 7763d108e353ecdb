"""Near by codes: mirrored copies that a perceptual hash misses are found, other images are not."""

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
    drawn = list(render(np.arange(24), np.arange(24, dtype=np.uint64), 32))
    mine = _store(
        tmp_path / "a", {f"{'xy'[i % 2]}/{i:02d}.png": p for i, p in enumerate(drawn[:12])}
    )
    copies = {f"x/copy{i:02d}.png": drawn[i][:, ::-1] for i in range(4)}
    others = {f"y/new{i:02d}.png": p for i, p in enumerate(drawn[12:])}
    theirs = _store(tmp_path / "b", copies | others)
    assert not audit_store(mine, theirs).shared_with  # the first look does not see mirrored images
    backbone = BACKBONES.make("small(width=16)").build(["a", "b"], 32)
    found = find_code_pairs(backbone, mine, np.arange(12), theirs, np.arange(theirs.num_images))
    pairs = {
        (str(mine.ids[i])[-6:-4], str(theirs.ids[j]))
        for i, j in zip(found.rows, found.others, strict=True)
    }
    wanted = {(f"{i:02d}", f"x/copy{i:02d}.png") for i in range(4)}
    # one in twenty copies falls short of the threshold, by what it is
    assert len(wanted & pairs) >= 3
    assert len(pairs - wanted) <= 3
    assert np.all(np.diff(found.similarities) <= 0) and found.similarities.min() > found.threshold


def test_known_duplicates_are_left_out_and_lookalikes_are_counted(tmp_path: Path) -> None:
    drawn = list(render(np.arange(12), np.arange(12, dtype=np.uint64), 32))
    mine = _store(tmp_path / "a", {f"{'xy'[i % 2]}/{i:02d}.png": p for i, p in enumerate(drawn)})
    theirs = _store(
        tmp_path / "b",
        {
            "x/same.png": drawn[0],
            "x/new.png": drawn[11][:, ::-1],
            "y/m1.png": drawn[1][:, ::-1],
            "y/m2.png": drawn[2][:, ::-1],
        },
    )
    backbone = BACKBONES.make("small(width=16)").build(["a", "b"], 32)
    seen = audit_store(mine, theirs)
    assert [row["near"] for row in seen.shared_with] == [["x/same.png"]]
    found = add_code_pairs(seen, backbone, mine, theirs)
    pairs = {(row["id"], row["near"]) for row in found.near_by_codes}
    assert (seen.shared_with[0]["id"], "x/same.png") not in pairs and pairs
    assert found.codes_lookalikes is not None and 0 <= found.codes_lookalikes < 0.5
    twins = _store(
        tmp_path / "c",
        {f"x/{i}{j}.png": drawn[i] for i in range(3) for j in range(2)}
        | {"y/0.png": drawn[5], "y/1.png": drawn[8]},
    )
    assert find_code_pairs(backbone, twins, np.arange(8), theirs, np.arange(4)).lookalikes >= 6 / 8
