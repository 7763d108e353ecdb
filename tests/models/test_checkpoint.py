"""Saved and loaded backbones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tiny import built, digits_store, same_weights, trained, weights_of
from torch import nn

from seedbed.base.errors import BadDataError
from seedbed.data.images import Resident
from seedbed.models.backbone import Backbone
from seedbed.models.checkpoint import CARD, WEIGHTS, load_backbone, read_card, save_backbone
from seedbed.models.codes import codes, logits


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_backbone(trained().backbone, tmp_path)
    return tmp_path


def test_a_loaded_backbone_gives_the_same_codes_bit_for_bit(saved: Path) -> None:
    import numpy as np

    images = Resident(digits_store().pixels, np.arange(50), None)
    loaded, original = load_backbone(saved), trained().backbone
    assert same_weights(weights_of(loaded.module), weights_of(original.module))
    for layer in ("penultimate", "stage2"):
        assert torch.equal(codes(loaded, images, layer), codes(original, images, layer))
    assert torch.equal(logits(loaded, images), logits(original, images))
    assert not loaded.module.training
    assert (loaded.classes, loaded.size_px, loaded.layers) == (
        original.classes,
        original.size_px,
        original.layers,
    )


def test_the_card_describes_the_backbone(saved: Path) -> None:
    card = json.loads((saved / CARD).read_text())
    assert card["architecture"] == "small(width=4)"
    assert card["size_px"] == 8
    assert card["classes"] == [str(i) for i in range(10)]
    assert card["num_parameters"] == trained().backbone.num_parameters
    assert {layer["name"] for layer in card["layers"]} == {
        "stage1",
        "stage2",
        "stage3",
        "stage4",
        "pool",
    }
    assert read_card(saved) == card


def test_a_folder_without_a_card_is_not_a_backbone(tmp_path: Path) -> None:
    with pytest.raises(BadDataError, match=r"is not a backbone: it has no card\.json") as caught:
        load_backbone(tmp_path)
    assert "seedbed pretrain" in caught.value.hint


@pytest.mark.parametrize("damage", ["truncated", "garbage", "missing", "other"])
def test_weights_that_cannot_be_used_are_bad_data(saved: Path, damage: str, tmp_path: Path) -> None:
    weights = saved / WEIGHTS
    if damage == "truncated":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif damage == "garbage":
        weights.write_bytes(b"garbage " * 50)
    elif damage == "missing":
        weights.unlink()
    else:
        other = tmp_path / "other"
        other.mkdir()
        save_backbone(built("small(width=2)"), other)
        weights.write_bytes((other / WEIGHTS).read_bytes())
    with pytest.raises(BadDataError, match="the weights in .* cannot be used"):
        load_backbone(saved)


def test_a_damaged_card_is_bad_data(saved: Path) -> None:
    (saved / CARD).write_text('{"architecture": "small(wid')
    with pytest.raises(BadDataError, match=r"card\.json"):
        load_backbone(saved)


def test_a_card_that_lacks_what_loading_needs_is_bad_data(saved: Path) -> None:
    card = json.loads((saved / CARD).read_text())
    del card["classes"]
    (saved / CARD).write_text(json.dumps(card))
    with pytest.raises(BadDataError, match="classes"):
        load_backbone(saved)


def test_weights_have_the_permissions_of_any_new_file(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "new").touch()
    assert {p.stat().st_mode for p in saved.iterdir()} == {(tmp_path / "new").stat().st_mode}


def test_tied_weights_are_saved_and_loaded(tmp_path: Path) -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.head = nn.Linear(192, 192), nn.Linear(192, 192), nn.Linear(192, 10)
            self.b.weight = self.a.weight

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.head(self.b(torch.relu(self.a(images.flatten(1)))))

    net = Backbone.wrap(Tied(), size_px=8)
    save_backbone(net, tmp_path)
    loaded = load_backbone(tmp_path, module=Tied())
    assert same_weights(weights_of(loaded.module), weights_of(net.module))
