"""Models: equal scores after loading, as one module, and exported."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import digits_store, trained

from seedbed.base.errors import BadDataError, UsageError
from seedbed.data.images import Resident
from seedbed.models.checkpoint import load_backbone
from seedbed.models.zoo import BACKBONES
from seedbed.readout.augmented_views import NUM_VIEWS, view
from seedbed.readout.export import export_model
from seedbed.readout.model import HEAD, Model, load_model
from seedbed.tasks.catalogue.classification import Classification
from seedbed.tasks.task import Measurement
from seedbed.transfers.methods import METHODS, Context

CALLS = (
    "probe(c=[10.0])",
    "probe(layer=['stage3', 'pool'], c=[10.0])",
    "probe(readout='knn', k=[3])",
    "probe(layer='stage3', flatten=True, normalise=False, c=[1.0])",
    "probe_augmented(c=[10.0])",
    "finetune(images_seen=64, learning_rates=[0.1], batch_size=16)",
)


@functools.cache
def _measured(call: str) -> Measurement:
    """Shared by several tests, which must not change it."""
    task = Classification(train_per_class=5).load(digits_store(), 0)
    return METHODS.make(call).run(trained().backbone, task, Context(seed=0))


def _model(call: str) -> Model:
    model = _measured(call).model
    assert model is not None
    return replace(model)


def _images(model: Model, num: int = 12) -> Resident:
    return Resident(
        digits_store().pixels, np.arange(num), None, "cpu", model.backbone.preprocessing
    )


@pytest.mark.parametrize("call", CALLS)
def test_a_saved_model_gives_the_same_scores(call: str, tmp_path: Path) -> None:
    model = _model(call)
    model.card = {"method": call}
    model.save(tmp_path)
    loaded = load_model(tmp_path)
    images = _images(model)
    assert torch.equal(loaded.scores(images), model.scores(images))
    assert (loaded.classes, loaded.temperature, loaded.card) == (
        model.classes,
        model.temperature,
        {"method": call},
    )
    assert load_backbone(tmp_path).penultimate == "pool"  # the folder is also a backbone folder


@pytest.mark.parametrize("call", CALLS)
def test_one_module_gives_the_same_scores(call: str) -> None:
    model = _model(call)
    images = _images(model)
    (batch,) = images.plain(12)
    with torch.inference_mode():
        assert torch.allclose(model.module()(batch), model.scores(images), atol=1e-5)


@pytest.mark.parametrize("call", CALLS)
def test_the_predictions_of_a_measurement_are_those_of_its_model(call: str) -> None:
    measured = _measured(call)
    task = Classification(train_per_class=5).load(digits_store(), 0)
    assert measured.model is not None
    scores = measured.model.scores(
        Resident(digits_store().pixels, task.test, None, "cpu", trained().backbone.preprocessing)
    )
    assert np.array_equal(scores.argmax(1).numpy(), measured.predictions["ranked"][:, 0])
    probabilities = measured.model.probabilities(scores)
    assert torch.allclose(probabilities.sum(1), torch.ones(len(scores)), atol=1e-5)


def _assert_export_agrees(model: Model, kind: str, folder: Path) -> None:
    out = folder / ("model.onnx" if kind == "onnx" else "model.pt2")
    assert export_model(model, out, kind) < 1e-4
    assert out.with_name(f"{out.name}.json").is_file()
    with pytest.raises(UsageError, match="exists"):
        export_model(model, out, kind)


@pytest.mark.parametrize(
    "call",
    [*(pytest.param(CALLS[i], marks=pytest.mark.slow) for i in (1, 2, 4)), CALLS[5]],
)
@pytest.mark.parametrize("kind", ["onnx", "torch-export"])
def test_an_exported_model_agrees(call: str, kind: str, tmp_path: Path) -> None:
    model = _model(call)
    # The program repeats the network for each view: three of the sixteen show how they are joined.
    _assert_export_agrees(replace(model, num_views=min(3, model.num_views)), kind, tmp_path)
    if (call, kind) == (CALLS[1], "onnx"):
        _assert_onnx_takes_any_number_of_images(model, tmp_path / "model.onnx")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["onnx", "torch-export"])
def test_an_exported_model_agrees_on_all_sixteen_views(kind: str, tmp_path: Path) -> None:
    model = _model("probe_augmented(c=[10.0])")
    assert model.num_views == NUM_VIEWS
    _assert_export_agrees(model, kind, tmp_path)


def _assert_onnx_takes_any_number_of_images(model: Model, path: Path) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    pixels = np.asarray(digits_store().pixels[:7]).astype(np.float32).transpose(0, 3, 1, 2)
    scores, probabilities = session.run(None, {"pixels": pixels})
    assert np.allclose(scores, model.scores(_images(model, 7)).numpy(), atol=1e-4)
    assert np.allclose(probabilities.sum(1), 1, atol=1e-5)


def test_only_fine_tuned_timm_networks_are_exported_to_timm(tmp_path: Path) -> None:
    import timm

    backbone = BACKBONES.make("timm('test_resnet', size_px=32)").build(["a", "b"], 32)
    model = Model(backbone=backbone, classes=("a", "b", "c"))
    backbone = backbone.with_new_head(("a", "b", "c"), 0)
    model = Model(backbone=backbone, classes=backbone.classes)
    assert export_model(model, tmp_path / "hub", "timm") < 1e-4
    loaded = timm.create_model(f"local-dir:{tmp_path / 'hub'}", pretrained=True)
    assert loaded.num_classes == 3
    assert loaded.pretrained_cfg["mean"] == pytest.approx(
        [m / 255 for m in backbone.preprocessing.mean]
    )
    with pytest.raises(UsageError, match="is not a network of timm"):
        export_model(_model(CALLS[5]), tmp_path / "small", "timm")
    with pytest.raises(UsageError, match="readout on normalised codes"):
        export_model(_model(CALLS[0]), tmp_path / "probe", "timm")
    assert not (tmp_path / "probe").exists()


def test_unknown_formats_and_damaged_heads_are_errors(tmp_path: Path) -> None:
    model = _model(CALLS[0])
    with pytest.raises(UsageError, match="unknown export format 'onxx'"):
        export_model(model, tmp_path / "m", "onxx")
    model.save(tmp_path)
    (tmp_path / HEAD).write_bytes(b"nothing")
    with pytest.raises(BadDataError, match="the head in .* cannot be used"):
        load_model(tmp_path)
    with pytest.raises(BadDataError, match="is not a backbone"):
        load_model(tmp_path / "nowhere")


def test_sixteen_views_are_eight_and_their_mirror_images() -> None:
    images = torch.rand(2, 3, 18, 18, generator=torch.Generator().manual_seed(0))
    views = [view(images, which) for which in range(NUM_VIEWS)]
    assert all(v.shape == images.shape for v in views)
    assert all(torch.equal(views[i + 8], views[i].flip(-1)) for i in range(8))
    assert torch.equal(views[0], images)
    corner = torch.zeros(1, 3, 18, 18)
    corner[..., :12, :12] = 1  # 4/9 of the area: the first crop
    assert torch.equal(view(corner, 1), torch.ones_like(corner))
    assert view(corner, 4).mean() < 0.6
    distinct = {tuple(v.flatten().tolist()) for v in views}
    assert len(distinct) == NUM_VIEWS


def test_saving_does_not_change_the_backbone(tmp_path: Path) -> None:
    model = _model(CALLS[0])
    before = dict(model.backbone.card)
    model.save(tmp_path)
    assert model.backbone.card == before
    assert load_model(tmp_path).num_calibrated == 50


def test_the_card_of_a_fine_tuned_network_names_its_initial_weights(tmp_path: Path) -> None:
    from seedbed.models.checkpoint import read_card
    from seedbed.models.resolve import open_backbone

    tuned = open_backbone("small").with_new_head(("a", "b"), 0)
    Model(backbone=tuned, classes=tuned.classes).save(tmp_path)
    card = read_card(tmp_path)["pretrained"]
    assert card["source"].startswith("Tiny ImageNet")  # pyright: ignore
    assert card["licence"] == "Apache-2.0"  # pyright: ignore


def test_more_neighbours_than_images() -> None:
    task = Classification(train_per_class=3).load(digits_store(), 0)
    measured = METHODS.make("probe(readout='knn', k=[1, 1000])").run(
        trained().backbone, task, Context()
    )
    assert measured.facts["k"] in (1, 30)
    assert set(measured.facts["validation_top1"]) == {"1", "1000"}  # pyright: ignore
