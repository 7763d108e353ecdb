"""Pre-training on a view."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny import built, digits_view, same_weights, trained, weights_of

from seedbed.base.randomness import Draw
from seedbed.data.augment import normalise
from seedbed.data.preprocessing import Preprocessing
from seedbed.data.view import make_view
from seedbed.models.schedule import Schedule
from seedbed.models.zoo import BACKBONES
from seedbed.pretraining.pretrain import Pretrained, Seeds, Training, pretrain_view, view_facts

SHORT = Schedule(images_seen=128, batch_size=32, peak_learning_rate=0.1)


def _pretrain(schedule: Schedule = SHORT, sample: int = 0, init: int = 0) -> Pretrained:
    view = (
        digits_view() if not sample else make_view(digits_view().store, "images(total=400)", sample)
    )
    return pretrain_view(
        view,
        BACKBONES.make("small(width=4)"),
        Training(schedule=schedule),
        seeds=Seeds(sample=sample, init=init),
    )


def test_a_budget_of_zero_keeps_the_random_weights() -> None:
    done = _pretrain(Schedule(images_seen=0), init=4)
    parameters = {name: p.detach() for name, p in done.backbone.module.named_parameters()}
    expected = {name: p.detach() for name, p in built(seed=4).module.named_parameters()}
    assert same_weights(parameters, expected)
    assert (done.metrics, done.predictions, done.fitted) == ({}, {}, None)


def test_random_weights_have_batch_norm_statistics_of_the_data() -> None:
    done, view = _pretrain(Schedule(images_seen=0)), digits_view()
    stage = done.backbone.module.get_submodule("stage1")
    # fewer than 1,024: all of them
    images = normalise(torch.from_numpy(view.store.pixels[view.rows]), Preprocessing(size_px=8))
    with torch.no_grad():
        maps = torch.nn.functional.max_pool2d(
            torch.nn.functional.conv2d(images, stage.conv.weight, padding=1), 2
        )
    assert torch.allclose(stage.norm.running_mean, maps.mean(dim=(0, 2, 3)), atol=1e-4)
    assert torch.allclose(stage.norm.running_var, maps.var(dim=(0, 2, 3)), rtol=1e-3)
    assert stage.norm.momentum == 0.1
    assert not done.backbone.module.training


def test_the_same_seeds_give_the_same_result() -> None:
    first, again = _pretrain(), _pretrain()
    assert same_weights(weights_of(first.backbone.module), weights_of(again.backbone.module))
    assert first.metrics == again.metrics
    assert np.array_equal(first.predictions["ranked"], again.predictions["ranked"])
    assert np.array_equal(first.card_codes, again.card_codes)


@pytest.mark.parametrize("other", [{"init": 1}, {"sample": 1}])
def test_either_seed_matters(other: dict[str, int]) -> None:
    first, second = _pretrain(), _pretrain(**other)
    assert not same_weights(weights_of(first.backbone.module), weights_of(second.backbone.module))


def test_predictions_cover_the_held_out_split() -> None:
    done, view = trained(), digits_view()
    rows, labels = view.held_out()
    assert np.array_equal(done.predictions["ids"], view.store.hashes[rows])
    assert np.array_equal(done.predictions["labels"], labels)
    assert done.predictions["ranked"].shape == (len(rows), 5)
    assert done.metrics["top1"] == pytest.approx(
        100 * (done.predictions["ranked"][:, 0] == labels).mean()
    )
    assert done.metrics["top1"] > 30  # chance is 10
    assert not set(rows.tolist()) & set(view.rows.tolist())


def test_the_card_has_codes_of_held_out_images(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, _ = digits_view().held_out()
    assert trained().card_codes.shape == (min(2048, len(rows)), 32)
    assert trained().card_codes.dtype == np.float16
    monkeypatch.setattr("seedbed.pretraining.pretrain._NUM_CARD_CODES", 17)
    few = _pretrain(Schedule(images_seen=0)).card_codes
    monkeypatch.undo()
    ranks = Draw(seed=0, purpose="card").ranks(digits_view().store.hashes[rows])
    assert few.shape == (17, 32)
    all_codes = _pretrain(Schedule(images_seen=0)).card_codes
    assert len(ranks) == len(all_codes)
    assert np.allclose(few, all_codes[:17], atol=1e-2)  # the lowest-ranked come first


def test_view_facts_describe_the_training_data() -> None:
    facts = view_facts(digits_view())
    assert facts["num_images"] == 400
    assert facts["num_classes"] == 10
    assert facts["entropy_bits"] == pytest.approx(np.log2(10), abs=0.01)
    assert facts["view"] == digits_view().fingerprint
    assert facts["data_digest"] == digits_view().store.digest
