"""The class token, the mean of the patch tokens, and both, of the last tokens of a transformer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import digits_store

import seedbed as sb
from seedbed.advice.contender import Contender
from seedbed.advice.task_by_size import TaskBySize
from seedbed.base.errors import UsageError
from seedbed.models.backbone import Backbone
from seedbed.models.codes import codes
from seedbed.models.token_readings import num_prefix_tokens
from seedbed.models.zoo import BACKBONES
from seedbed.tasks.catalogue.classification import Classification

VIT = "timm('test_vit', weights='random', size_px=32)"


def _network(name: str, size_px: int = 32) -> Backbone:
    return BACKBONES.make(f"timm('{name}')").build(("a", "b"), size_px)


def _tokens(net: Backbone, layer: str, images: torch.Tensor) -> torch.Tensor:
    """The tokens [b, n, d] at a layer, from a plain forward pass."""
    tokens: list[torch.Tensor] = []
    with net.layer(layer).hook(net.module, tokens.append), torch.inference_mode():
        net.module.eval()(images)
    return tokens[0]


@pytest.mark.parametrize(
    ("name", "num_prefix"),
    [("test_vit", 1), ("vit_small_patch14_reg4_dinov2", 5), ("deit_tiny_distilled_patch16_224", 2)],
)
def test_readings_are_parts_of_the_last_tokens(name: str, num_prefix: int) -> None:
    net = _network(name, 28 if "patch14" in name else 32)
    assert num_prefix_tokens(net.module) == num_prefix
    images = torch.randn(2, 3, net.size_px, net.size_px)
    tokens = _tokens(net, "norm", images)
    cls, patches = tokens[:, 0], tokens[:, num_prefix:].mean(1)
    expected = {
        "cls": cls,
        "patch_mean": patches,
        "cls+patch_mean": torch.cat([cls, patches], 1),
    }
    for reading, values in expected.items():
        layer = net.layer(reading)
        assert layer.dim == layer.flat_dim == values.shape[1]
        torch.testing.assert_close(layer.pooled(tokens), values)
    assert net.layer("cls+patch_mean").pooling == (
        "the class token and the mean over the patch tokens"
    )


def test_networks_without_them_say_so() -> None:
    with pytest.raises(UsageError, match="layer 'cls': small.* has no tokens") as caught:
        BACKBONES.make("small(width=2)").build(("a", "b"), 8).layer("cls")
    assert "stage4" in caught.value.hint
    siglip = _network("vit_base_patch16_siglip_224")
    with pytest.raises(UsageError, match="layer 'cls': .*siglip.* has no class token") as caught:
        siglip.layer("cls")
    assert "patch_mean" in caught.value.hint
    assert siglip.layer("patch_mean").dim == 768


def test_a_torchvision_transformer_has_a_class_token_too() -> None:
    from torchvision.models import VisionTransformer

    module = VisionTransformer(32, 16, 1, 2, 24, 24, num_classes=2)
    net = Backbone.wrap(module, size_px=32)
    assert num_prefix_tokens(module) == 1
    assert net.layer("cls+patch_mean").dim == 48


def test_probes_and_codes_take_them(tmp_path: Path) -> None:
    store = digits_store(32)
    method = "probe(layer='cls+patch_mean', c=[1.0])"
    measured = sb.transfer(VIT, store, method, train_per_class=10, workspace=tmp_path)
    assert measured.facts["layer"] == "cls+patch_mean"
    both = sb.codes(VIT, store, layer=["cls", "patch_mean", "cls+patch_mean"], workspace=tmp_path)
    arrays: Any = both.arrays if hasattr(both, "arrays") else both.codes
    np.testing.assert_allclose(
        np.concatenate([arrays["cls"], arrays["patch_mean"]], 1), arrays["cls+patch_mean"]
    )


def test_advise_compares_both_tokens(tmp_path: Path) -> None:
    from seedbed.models.resolve import open_backbone

    tasks = TaskBySize(lambda size: digits_store(size), Classification(train_per_class=5), 0)
    contender = Contender(name="vit", backbone=open_backbone(VIT), tasks=tasks, num_preliminary=100)
    names = [layer.name for layer in contender.layers]
    assert names[-1] == "cls+patch_mean"
    assert len(set(names)) == len(names)
    net = contender.backbone
    images = net.images(digits_store(32), np.arange(4))
    assert codes(net, images, "cls+patch_mean").shape == (4, 128)
