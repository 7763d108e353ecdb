"""Contract of all registered objectives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny import built, random_pixels, same_weights, weights_of

from seedbed.data.images import Resident
from seedbed.data.loader import Stream
from seedbed.models.fit import fit
from seedbed.models.schedule import Schedule
from seedbed.models.training_progress import Progress
from seedbed.pretraining.objectives import OBJECTIVES


def _fit(name: str, steps: int) -> tuple[dict[str, torch.Tensor], list[float]]:
    labels = np.arange(32) % 4
    pixels = (random_pixels(32) // 8 + (labels * 50)[:, None, None, None]).astype(np.uint8)
    backbone, seen = built(num_classes=4), list[Progress]()
    schedule = Schedule(images_seen=steps * 32, batch_size=32, peak_learning_rate=0.1)
    batches = Stream(Resident(pixels, np.arange(32), labels), 32, 0)
    fit(
        backbone.module,
        batches,
        OBJECTIVES.make(name).loss,
        schedule,
        on_progress=seen.append,
        report_every=1,
    )
    return weights_of(backbone.module), [p.loss for p in seen]


@pytest.mark.parametrize("name", OBJECTIVES.names())
def test_it_is_deterministic_at_one_seed(name: str) -> None:
    (first, losses), (again, losses_again) = _fit(name, 4), _fit(name, 4)
    assert same_weights(first, again)
    assert losses == losses_again


@pytest.mark.parametrize("name", OBJECTIVES.names())
def test_it_falls_on_a_toy_batch(name: str) -> None:
    _, losses = _fit(name, 40)
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])


@pytest.mark.parametrize("name", OBJECTIVES.names())
def test_it_returns_a_scalar_and_the_number_of_correct_images(name: str) -> None:
    images, labels = torch.randn(8, 3, 8, 8), torch.arange(8) % 4
    value, num_correct = OBJECTIVES.make(name).loss(built(num_classes=4).module, (images, labels))
    assert value.shape == ()
    assert value.requires_grad
    assert 0 <= int(num_correct) <= 8


def test_label_smoothing_equals_its_formula() -> None:
    images, labels = torch.randn(8, 3, 8, 8), torch.arange(8) % 4
    module = built(num_classes=4).module.eval()
    plain, smooth = (
        OBJECTIVES.make(f"supervised(label_smoothing={s})").loss(module, (images, labels))[0]
        for s in (0.0, 0.1)
    )
    logs = torch.log_softmax(module(images), 1)
    expected = 0.9 * -logs[torch.arange(8), labels].mean() + 0.1 * -logs.mean()
    assert float(smooth.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    assert float(plain.detach()) == pytest.approx(
        float(-logs[torch.arange(8), labels].mean().detach()), rel=1e-5
    )
