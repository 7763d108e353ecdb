"""torchvision's data sets by name."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from format_trees import (
    split_of_ids,
)

from seedbed.base.errors import BadDataError, UsageError
from seedbed.data.formats import open_source


def _write_cifar10(root: Path) -> None:
    """Write small batches in CIFAR-10's layout."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    for i, name in enumerate([*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]):
        data = np.random.default_rng(i).integers(0, 256, (4, 3072), dtype=np.uint8)
        (folder / name).write_bytes(pickle.dumps({"data": data, "labels": [0, 1, 2, 3]}))
    names = [
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ]
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": names}))


def test_a_torchvision_set_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write_cifar10(tmp_path)
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)
    source = open_source(f"torchvision('CIFAR10', {str(tmp_path)!r})")
    assert source.num_images == 24
    assert source.classes == ("airplane", "automobile", "bird", "cat")
    assert sum(s == "test" for s in split_of_ids(source).values()) == 4
    from torchvision.datasets import CIFAR10

    expected = np.asarray(CIFAR10(str(tmp_path), train=False)[2][0])
    row = source.ids.tolist().index("test/0000002")
    assert np.array_equal(source.pixels.load(np.array([row]), 32).pixels[0], expected)


def test_a_missing_torchvision_set_says_how_to_download_it(tmp_path: Path) -> None:
    with pytest.raises(BadDataError, match="does not find CIFAR10") as caught:
        open_source(f"torchvision('CIFAR10', {str(tmp_path)!r})")
    assert "download=True" in caught.value.hint
    with pytest.raises(UsageError, match="unknown torchvision data set 'CIFAR'"):
        open_source("torchvision('CIFAR')")
