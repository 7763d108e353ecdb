"""Contract of all registered backbones: each is built, read at all layers, and trained for a
step."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from tiny import random_pixels

from seedbed.data.images import Resident
from seedbed.data.loader import Stream
from seedbed.models.backbone import Backbone
from seedbed.models.checkpoint import load_backbone, save_backbone
from seedbed.models.codes import codes, fill_codes
from seedbed.models.fit import fit
from seedbed.models.schedule import Schedule
from seedbed.models.zoo import BACKBONES
from seedbed.pretraining.objectives.supervised import Supervised

open_clip.add_model_config(Path(__file__).parents[1] / "open_clip_configs")

# Call -> side of the input in px: near the smallest that the network accepts, for quick tests.
EXAMPLES = {
    "alexnet()": 64,
    "alexnet(stem='small')": 32,
    "clip_base()": 32,
    "convnext_tiny()": 32,
    "dinov2_base()": 28,
    "dinov2_small()": 28,
    "dinov3_convnext_tiny()": 32,
    "dinov3_small()": 32,
    "efficientnet_b0()": 32,
    "efficientnet_lite0()": 32,
    "efficientnet_v2_small()": 32,
    "eva02_small()": 28,
    "inception_resnet_v2()": 96,
    "inception_v3()": 96,
    "mobilenet_v2()": 32,
    "mobilenet_v3_small()": 32,
    "mobilenet_v4_medium()": 32,
    "mobilenet_v4_small()": 32,
    "open_clip('seedbed-tiny')": 32,
    "resnet18()": 32,
    "resnet18(stem='small')": 32,
    "resnet50()": 32,
    "siglip2_base()": 32,
    "small(width=16)": 32,
    "timm('vit_tiny_patch16_224')": 64,
    "torchvision('squeezenet1_1')": 64,
    "vgg16()": 32,
    "xception()": 64,
}
# Networks of more than 20 million weights: saving, drawing or training all of these takes long.
LARGE = {
    "alexnet()",
    "clip_base()",
    "convnext_tiny()",
    "dinov2_base()",
    "dinov2_small()",
    "dinov3_convnext_tiny()",
    "dinov3_small()",
    "efficientnet_v2_small()",
    "eva02_small()",
    "inception_resnet_v2()",
    "inception_v3()",
    "resnet50()",
    "siglip2_base()",
    "vgg16()",
    "xception()",
}
large_are_slow = pytest.mark.parametrize(
    "backbone",
    [pytest.param(c, marks=pytest.mark.slow) if c in LARGE else c for c in sorted(EXAMPLES)],
    indirect=True,
)


@functools.lru_cache(maxsize=1)
def _built(call: str) -> Backbone:
    return _draw(call, 3)


def _draw(call: str, num_classes: int) -> Backbone:
    return BACKBONES.make(call).build([f"c{i}" for i in range(num_classes)], EXAMPLES[call], 1)


@pytest.fixture(
    params=[pytest.param(c, marks=pytest.mark.slow) if c in LARGE else c for c in sorted(EXAMPLES)],
    scope="module",
)
def backbone(request: pytest.FixtureRequest) -> Iterator[Backbone]:
    yield _built(request.param)
    _built.cache_clear()


def _images(backbone: Backbone, num: int) -> Resident:
    pixels = random_pixels(num, backbone.size_px)
    return Resident(pixels, np.arange(num), np.arange(num) % 3, "cpu", backbone.preprocessing)


def test_every_registered_backbone_has_an_example() -> None:
    assert {call.split("(")[0] for call in EXAMPLES} == set(BACKBONES.names())


def test_the_layer_table_matches_real_shapes(backbone: Backbone) -> None:
    seen: dict[str, tuple[int, ...]] = {}
    lowest: dict[str, float] = {}

    def record(name: str, values: torch.Tensor) -> None:
        seen[name], lowest[name] = tuple(values.shape[1:]), values.min().item()

    handles = [
        la.hook(backbone.module, lambda out, la=la: record(la.name, la.read(out)))
        for la in backbone.layers
    ]
    with torch.inference_mode():
        out = backbone.module.eval()(torch.randn(2, 3, backbone.size_px, backbone.size_px))
    for handle in handles:
        handle.remove()
    assert out.shape == (2, 3)
    assert {layer.name: layer.shape for layer in backbone.layers} == seen
    assert len(seen) == len(backbone.layers) >= 5
    assert all(lowest[layer.name] >= 0 for layer in backbone.layers if layer.after_relu)
    assert backbone.layer().name == backbone.penultimate


def test_codes_of_every_layer_in_one_pass_have_the_shape_of_the_table(backbone: Backbone) -> None:
    layers, images = backbone.layers, _images(backbone, 3)
    pooled = {la.name: np.full((3, la.dim), np.nan, np.float32) for la in layers}
    flat = {la.name: np.full((3, la.flat_dim), np.nan, np.float32) for la in layers}
    fill_codes(backbone, images, pooled)
    fill_codes(backbone, images, flat, flatten=True)
    for la in layers:
        assert np.isfinite(pooled[la.name]).all()
        assert pooled[la.name].std() > 0
        folded = flat[la.name].reshape(3, *la.shape)
        axes = {"map": (2, 3), "map_last": (1, 2), "tokens": (1,), "vector": ()}[la.kind]
        assert np.allclose(
            folded.mean(axis=axes) if axes else folded, pooled[la.name], rtol=1e-3, atol=1e-4
        )
    assert np.array_equal(codes(backbone, images).numpy(), pooled[backbone.penultimate])


def test_the_head_reads_the_penultimate_layer(backbone: Backbone) -> None:
    """For networks with one linear head: the head applied to the penultimate codes gives the
    scores."""
    if len(backbone.heads) > 1 or backbone.layer().kind == "tokens":
        pytest.skip("several heads, or tokens")
    head, images = backbone.module.get_submodule(backbone.heads[0]), _images(backbone, 3)
    if not isinstance(head, torch.nn.Linear):
        pytest.skip("the head is a convolution")
    with torch.inference_mode():
        scores = backbone.module.eval()(next(images.plain(3)))
        assert torch.allclose(head(codes(backbone, images)), scores, rtol=1e-3, atol=1e-4)


@large_are_slow
def test_a_loaded_backbone_gives_the_same_codes(backbone: Backbone, tmp_path: Path) -> None:
    save_backbone(backbone, tmp_path)
    again, images = load_backbone(tmp_path), _images(backbone, 3)
    assert torch.equal(codes(again, images), codes(backbone, images))
    assert again.layers == backbone.layers
    assert again.architecture == backbone.architecture
    assert again.preprocessing == backbone.preprocessing


@large_are_slow
def test_the_body_does_not_depend_on_the_number_of_classes(backbone: Backbone) -> None:
    few, many = backbone.module.state_dict(), _draw(backbone.architecture, 5).module.state_dict()
    different = [
        k for k in few if few[k].shape != many[k].shape or not torch.equal(few[k], many[k])
    ]
    assert different
    assert all(k.startswith(tuple(f"{head}." for head in backbone.heads)) for k in different)


@large_are_slow
def test_a_step_of_fine_tuning_changes_the_network(backbone: Backbone) -> None:
    tuned = backbone.with_new_head(["x", "y", "z", "w"], 0)
    batches = Stream(_images(tuned, 4), 4, 0)
    fitted = fit(
        tuned.module,
        batches,
        Supervised().loss,
        Schedule(images_seen=4, batch_size=4, peak_learning_rate=1e-3),
    )
    assert np.isfinite(fitted.loss)
    before, after = backbone.module.state_dict(), tuned.module.state_dict()
    changed = [
        k
        for k in before
        if before[k].shape == after[k].shape and not torch.equal(before[k], after[k])
    ]
    assert len(changed) > len(before) // 4
    assert tuned.classes == ("x", "y", "z", "w")
    assert len(after[f"{tuned.heads[0]}.weight"]) == 4
