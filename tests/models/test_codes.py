"""Codes of layers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny import built, digits_store, same_weights, trained, weights_of

from seedbed.base.errors import UsageError
from seedbed.data.augment import normalise
from seedbed.data.images import Resident
from seedbed.data.preprocessing import Preprocessing
from seedbed.models.codes import codes, fill_codes, logits, pooling


@pytest.fixture
def images() -> Resident:
    return Resident(digits_store().pixels, np.arange(0, 120, 2), None)


def _reference_codes(stages: int) -> torch.Tensor:
    """Pooled output of the first stages, operation by operation, with the running statistics."""
    module = trained().backbone.module
    x = normalise(torch.from_numpy(digits_store().pixels[0:120:2]), Preprocessing(size_px=8))
    with torch.no_grad():
        for i in range(1, stages + 1):
            stage = module.get_submodule(f"stage{i}")
            x = torch.nn.functional.conv2d(x, stage.conv.weight, padding=1)
            x = torch.nn.functional.max_pool2d(x, 2) if i < 4 else x
            norm = stage.norm
            shape = (1, -1, 1, 1)
            x = (x - norm.running_mean.view(shape)) / (
                norm.running_var.view(shape) + norm.eps
            ).sqrt()
            x = (x * norm.weight.view(shape) + norm.bias.view(shape)).clamp_min(0)
    return x.mean(dim=(2, 3))


def test_penultimate_codes_equal_the_manual_computation(images: Resident) -> None:
    array = codes(trained().backbone, images)
    assert array.dtype == torch.float32
    assert array.shape == (60, 32)
    assert torch.allclose(array, _reference_codes(4), atol=1e-4)
    head = trained().backbone.module.get_submodule("head")
    assert torch.allclose(
        logits(trained().backbone, images),
        _reference_codes(4) @ head.weight.T + head.bias,
        atol=1e-3,
    )


@pytest.mark.parametrize("stage", [1, 2, 3])
def test_a_map_is_averaged_over_space(images: Resident, stage: int) -> None:
    assert torch.allclose(
        codes(trained().backbone, images, f"stage{stage}"), _reference_codes(stage), atol=1e-4
    )
    assert pooling(trained().backbone.layer(f"stage{stage}")) == "mean over space"


def test_the_network_is_not_changed(images: Resident) -> None:
    module = trained().backbone.module
    before = weights_of(module)
    module.train()
    codes(trained().backbone, images)
    assert same_weights(weights_of(module), before)
    assert not module.get_submodule("pool")._forward_hooks


def test_a_code_does_not_depend_on_other_images_of_the_batch(images: Resident) -> None:
    together = codes(trained().backbone, images)
    alone = torch.cat(
        [
            codes(trained().backbone, Resident(digits_store().pixels, np.array([row]), None))
            for row in (0, 40, 118)
        ]
    )
    assert torch.allclose(together[[0, 20, 59]], alone, atol=1e-5)


def test_the_order_of_the_rows_is_kept_across_batches(
    monkeypatch: pytest.MonkeyPatch, images: Resident
) -> None:
    whole = codes(trained().backbone, images)
    monkeypatch.setattr("seedbed.models.codes._MAX_BATCH", 7)
    monkeypatch.setattr("seedbed.models.codes._MIN_BATCH", 7)
    assert torch.allclose(codes(trained().backbone, images), whole, atol=1e-5)


def test_an_unknown_layer_is_rejected(images: Resident) -> None:
    with pytest.raises(UsageError, match="unknown layer 'stge1'"):
        codes(trained().backbone, images, "stge1")


def test_overflow_of_float16_is_rejected(images: Resident) -> None:
    net = built()
    with torch.no_grad():
        for p in net.module.parameters():
            p.mul_(1e4)
    name = net.layers[0].name
    whole = np.empty((len(images), net.layers[0].dim), np.float32)
    fill_codes(net, images, {name: whole})
    assert whole.max() > 65504
    with pytest.raises(
        UsageError, match=rf"codes of layer '{name}' reach [\d.e+]+, above the largest float16"
    ):
        fill_codes(net, images, {name: np.empty_like(whole, np.float16)})
