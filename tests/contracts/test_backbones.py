"""What every registered backbone owes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import random_pixels

from seedbed.data.loader import Resident
from seedbed.models.backbone import Backbone, initialise
from seedbed.models.checkpoint import load_backbone, save_backbone
from seedbed.models.codes import codes
from seedbed.models.zoo import BACKBONES


def _build(name: str, num_classes: int = 3) -> Backbone:
    backbone = BACKBONES.make(name).build([f"c{i}" for i in range(num_classes)], 32)
    initialise(backbone.module, 1)
    return backbone


@pytest.mark.parametrize("name", BACKBONES.names())
def test_the_layer_table_matches_real_shapes(name: str) -> None:
    backbone = _build(name)
    seen: dict[str, tuple[int, ...]] = {}
    for layer in backbone.layers:
        place = backbone.module.get_submodule(layer.name)
        place.register_forward_hook(lambda _m, _i, out, name=layer.name: seen.__setitem__(name, tuple(out.shape[1:])))
    out = backbone.module.eval()(torch.randn(2, 3, 32, 32))
    assert out.shape == (2, 3)
    assert {layer.name: layer.shape for layer in backbone.layers} == seen
    assert backbone.layer().name == backbone.penultimate


@pytest.mark.parametrize("name", BACKBONES.names())
def test_saved_and_loaded_it_gives_the_same_codes(name: str, tmp_path: Path) -> None:
    backbone = _build(name)
    save_backbone(backbone, tmp_path)
    images = Resident(random_pixels(6, 32), np.arange(6), None)
    assert torch.equal(codes(load_backbone(tmp_path), images), codes(backbone, images))


@pytest.mark.parametrize("name", BACKBONES.names())
def test_its_call_string_builds_it_again(name: str) -> None:
    backbone = _build(name)
    again = BACKBONES.make(backbone.architecture).build(backbone.classes, 32)
    assert again.layers == backbone.layers
    assert again.architecture == backbone.architecture


@pytest.mark.parametrize("name", BACKBONES.names())
def test_the_body_does_not_depend_on_the_head(name: str) -> None:
    few, many = (_build(name, k).module.state_dict() for k in (2, 5))
    different = [k for k in few if few[k].shape != many[k].shape or not torch.equal(few[k], many[k])]
    assert different
    assert all(k.startswith("head.") for k in different)
