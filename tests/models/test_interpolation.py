"""Networks of libraries see images resized as they were trained; others bilinear."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import seedbed as sb
from seedbed.models.zoo import BACKBONES

VIT = "timm('test_vit', weights='random', size_px=32)"


def _photos(root: Path) -> Path:
    rng = np.random.default_rng(0)
    for label in "ab":
        (root / label).mkdir(parents=True)
        for i in range(12):
            level = 60 if label == "a" else 160
            pixels = rng.integers(level, level + 60, (48, 64, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / label / f"{i}.png")
    return root


@pytest.mark.parametrize(
    ("network", "interpolation"),
    [
        ("small(width=2)", "bilinear"),
        ("torchvision('resnet18')", "bilinear"),
        ("timm('test_vit')", "bicubic"),
        ("efficientnet_lite0", "bicubic"),
        ("torchvision('swin_t')", "bicubic"),
    ],
)
def test_the_interpolation_is_that_of_the_library(network: str, interpolation: str) -> None:
    net = BACKBONES.make(network).build(("a", "b"), 224)
    assert net.preprocessing.interpolation == interpolation
    assert ("interpolation" in net.preprocessing.to_dict()) == (interpolation == "bicubic")


def test_transfer_packs_by_the_interpolation_of_the_network(tmp_path: Path) -> None:
    photos = _photos(tmp_path / "photos")
    measured = sb.transfer(
        VIT, photos, "probe(c=[1.0])", out=tmp_path / "model", workspace=tmp_path / "ws"
    )
    [store] = [sb.Store.open(p.parent) for p in (tmp_path / "ws").glob("stores/*/store.json")]
    assert store.fit == "crop_bicubic"
    assert "data_notes" in measured.facts  # of the derived split
    assert not any("interpolation" in note for note in measured.facts["data_notes"])

    # A new photo goes through the same resizing: the scores of a test image are those of the store.
    model = sb.load(tmp_path / "model")
    row = int(np.flatnonzero(store.splits == 2)[0])
    [of_file] = sb.predict(model, photos / store.ids[row])
    [of_store] = sb.predict(model, Image.fromarray(store.pixels[row]))
    assert of_file.probability == pytest.approx(of_store.probability, abs=1e-6)


def test_a_store_of_another_interpolation_is_noted(tmp_path: Path) -> None:
    store = sb.pack(_photos(tmp_path / "photos"), tmp_path / "store", size_px=32)
    measured = sb.transfer(VIT, store, "probe(c=[1.0])", workspace=tmp_path / "ws")
    assert any("--fit crop_bicubic" in note for note in measured.facts["data_notes"])
    fitted = sb.pack(tmp_path / "photos", tmp_path / "cubic", size_px=32, fit="crop_bicubic")
    measured = sb.transfer(VIT, fitted, "probe(c=[1.0])", workspace=tmp_path / "ws")
    assert not any("interpolation" in note for note in measured.facts["data_notes"])


def test_a_network_that_is_trained_here_keeps_the_resizing_of_its_store(tmp_path: Path) -> None:
    store = sb.pack(_photos(tmp_path / "photos"), tmp_path / "store", size_px=32)
    trained = sb.pretrain(
        store,
        "timm('test_vit', size_px=32)",
        tmp_path / "net",
        images_seen=32,
        batch_size=8,
        workspace=tmp_path / "ws",
    )
    assert trained.backbone.preprocessing.interpolation == "bilinear"
