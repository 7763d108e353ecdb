"""The 102 flowers on a small tree of their layout: what is read, and what each error says."""

from __future__ import annotations

import io
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from format_trees import (
    Encode,
    label_of_ids,
    open_error,
    split_of_ids,
    write_file,
)
from PIL import Image
from scipy.io import savemat

from seedbed.data.formats import open_source

FLOWER_LABELS = (102, 1, 1, 102, 60, 60, 60, 1, 102)  # one-based, of the images 1 to 9


FLOWER_SETS: Mapping[str, tuple[int, ...]] = {
    "trnid": (3, 1, 5),
    "valid": (9, 7, 2),
    "tstid": (4, 6, 8),
}


FLOWER_NAMES = {1: "pink primrose", 60: "pink-yellow dahlia?", 102: "blackberry lily"}


FLOWER_SPLITS = {"trnid": "train", "valid": "val", "tstid": "test"}


def _write_flowers102(
    root: Path, encode: Encode, labels: object = FLOWER_LABELS, **sets: object
) -> Path:
    for i in range(1, len(FLOWER_LABELS) + 1):
        write_file(root / "jpg" / f"image_{i:05d}.jpg", encode(i, (16, 16), "JPEG"))
    savemat(root / "imagelabels.mat", {"labels": np.array(labels, np.uint8)})
    savemat(
        root / "setid.mat",
        {
            key: np.array(ids, np.uint16)
            for key, ids in {**FLOWER_SETS, **sets}.items()
            if ids is not None
        },
    )
    return root


def test_reading_flowers102(tmp_path: Path, encode: Encode) -> None:
    source = open_source(str(_write_flowers102(tmp_path, encode)))
    assert source.classes == tuple(sorted(FLOWER_NAMES.values()))
    file = "jpg/image_{:05d}.jpg".format
    assert label_of_ids(source) == {
        file(i): FLOWER_NAMES[label] for i, label in enumerate(FLOWER_LABELS, 1)
    }
    assert split_of_ids(source) == {
        file(i): FLOWER_SPLITS[key] for key, ids in FLOWER_SETS.items() for i in ids
    }
    row = source.ids.tolist().index(file(6))
    expected = np.asarray(Image.open(io.BytesIO(encode(6, (16, 16), "JPEG"))))
    assert np.array_equal(source.pixels.load(np.array([row]), 16).pixels[0], expected)


def test_flowers_read_by_torchvision_are_the_same(
    tmp_path: Path, encode: Encode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torchvision's root is the folder of flowers-102/. It checks checksums of the tables, which a
    small tree cannot have."""
    _write_flowers102(tmp_path / "flowers-102", encode)
    call = f"torchvision('Flowers102', {str(tmp_path)!r})"
    error = open_error(call)
    assert "torchvision does not find Flowers102" in error.message
    assert "download=True" in error.hint
    monkeypatch.setattr("torchvision.datasets.flowers102.check_integrity", lambda *_: True)
    by_torchvision, direct = open_source(call), open_source(f"flowers102({str(tmp_path)!r})")
    assert by_torchvision.classes == direct.classes
    prefixes = {"trnid": "train", "valid": "val", "tstid": "test"}
    for key, numbers in FLOWER_SETS.items():
        for i, number in enumerate(numbers):
            there, here = f"{prefixes[key]}/{i:07d}", f"jpg/image_{number:05d}.jpg"
            assert (
                split_of_ids(by_torchvision)[there]
                == split_of_ids(direct)[here]
                == FLOWER_SPLITS[key]
            )
            assert (
                label_of_ids(by_torchvision)[there]
                == label_of_ids(direct)[here]
                == FLOWER_NAMES[FLOWER_LABELS[number - 1]]
            )
            rows = [
                source.ids.tolist().index(id_)
                for source, id_ in ((by_torchvision, there), (direct, here))
            ]
            pixels = [
                s.pixels.load(np.array([row]), 16).pixels
                for s, row in zip((by_torchvision, direct), rows, strict=True)
            ]
            assert np.array_equal(*pixels)


def test_a_missing_part_of_the_flowers_is_named(tmp_path: Path, encode: Encode) -> None:
    for name, message in (
        ("imagelabels.mat", "cannot read {}: No such file or directory"),
        ("setid.mat", "cannot read {}: No such file or directory"),
        ("jpg", "trnid, entry 2 names 'jpg/image_00001.jpg', which is not in"),
    ):
        root = _write_flowers102(tmp_path / f"without-{name}", encode)
        shutil.rmtree(root / name) if name == "jpg" else (root / name).unlink()
        error = open_error(f"flowers102({str(root)!r})")
        assert message.format(root / name) in error.message
        assert "robots.ox.ac.uk/~vgg/data/flowers/102" in error.hint
        assert "torchvision('Flowers102', 'FOLDER', download=True)" in error.hint


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"labels": (0, *FLOWER_LABELS[1:])},
            "imagelabels.mat, labels, entry 1: 0 is not the number of a class",
        ),
        (
            {"labels": (*FLOWER_LABELS[:8], 103)},
            "imagelabels.mat, labels, entry 9: 103 is not the number of a class",
        ),
        ({"labels": (*FLOWER_LABELS, 1)}, "setid.mat names image 10 in no set (1 such images)"),
        (
            {"labels": FLOWER_LABELS[:8]},
            "setid.mat, valid, entry 1: 9 is not the number of an image that has a label",
        ),
        (
            {"tstid": (4, 6, 0)},
            "setid.mat, tstid, entry 3: 0 is not the number of an image that has a label",
        ),
        (
            {"tstid": (4, 6, 8, 1)},
            "setid.mat, tstid, entry 4, for test, names 'jpg/image_00001.jpg', which",
        ),
        ({"tstid": None}, "setid.mat has no 'tstid'; it has: trnid, valid"),
        ({"tstid": ()}, "setid.mat: 'tstid' is not a list of whole numbers"),
        (
            {"labels": (*FLOWER_LABELS[:7], 60, 102)},
            "of class 'pink primrose', of which no image is listed for test",
        ),
    ],
)
def test_faults_of_the_flowers_are_named(
    tmp_path: Path, encode: Encode, changes: dict, message: str
) -> None:
    error = open_error(str(_write_flowers102(tmp_path, encode, **changes)))
    assert message in error.message
    assert "robots.ox.ac.uk/~vgg/data/flowers/102" in error.hint


def test_a_truncated_table_of_the_flowers_is_named(tmp_path: Path, encode: Encode) -> None:
    root = _write_flowers102(tmp_path, encode)
    data = (root / "setid.mat").read_bytes()
    for cut in (len(data) - 30, 140, 60, 0):
        (root / "setid.mat").write_bytes(data[:cut])
        assert str(root / "setid.mat") in open_error(str(root)).message
