"""The training loop, its schedule and its batches."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from tiny import built, random_pixels, same_weights, weights_of

from seedbed.base.errors import TrainingError
from seedbed.data.augment import crop_and_flip
from seedbed.data.images import Resident
from seedbed.data.loader import Stream
from seedbed.models.fit import fit
from seedbed.models.schedule import Schedule
from seedbed.models.training_progress import Progress
from seedbed.pretraining.objectives.supervised import Supervised


def _images(num: int = 40, num_classes: int = 10) -> Resident:
    """Images whose brightness depends on their class."""
    labels = np.arange(num) % num_classes
    pixels = (random_pixels(num) // 8 + (labels * 20)[:, None, None, None]).astype(np.uint8)
    return Resident(pixels, np.arange(num), labels)


def _train(
    seed: int = 0, steps: int = 6, on_progress=None
) -> tuple[dict[str, torch.Tensor], float]:
    backbone = built(seed=0)
    schedule = Schedule(images_seen=steps * 16, batch_size=16, peak_learning_rate=0.1)
    result = fit(
        backbone.module,
        Stream(_images(), 16, seed),
        Supervised().loss,
        schedule,
        on_progress=on_progress,
        report_every=3,
    )
    assert not backbone.module.training
    return weights_of(backbone.module), result.loss


def test_the_schedule_rises_to_its_peak_and_falls_to_zero() -> None:
    schedule = Schedule(
        images_seen=1000 * 10, batch_size=10, peak_learning_rate=0.5, warmup_share=0.2
    )
    rates = [schedule.learning_rate(step) for step in range(schedule.num_steps)]
    assert schedule.num_steps == 1000
    assert rates[0] == pytest.approx(0.5 * 0.0005 / 0.2)
    assert max(rates) == pytest.approx(0.5, rel=0.005)
    assert rates.index(max(rates)) in (199, 200)
    assert all(a < b for a, b in itertools.pairwise(rates[:200]))
    assert all(a > b for a, b in itertools.pairwise(rates[200:]))
    assert 0 < rates[-1] < 0.001
    assert rates[600] == pytest.approx(0.5 * (1 - 0.6005) / 0.8)


@pytest.mark.parametrize(("images_seen", "steps"), [(1, 1), (128, 1), (129, 2), (300_000, 2344)])
def test_the_schedule_covers_at_least_the_training_budget(images_seen: int, steps: int) -> None:
    assert Schedule(images_seen=images_seen, batch_size=128).num_steps == steps


def test_the_same_seed_gives_the_same_weights_bit_for_bit() -> None:
    first, loss = _train()
    torch.manual_seed(77)  # no global generator is used
    again, loss_again = _train()
    assert same_weights(first, again)
    assert loss == loss_again
    assert not same_weights(first, _train(seed=1)[0])


def test_the_loss_falls_on_toy_images() -> None:
    seen: list[Progress] = []
    _train(steps=60, on_progress=seen.append)
    assert len(seen) == 20
    assert seen[-1].loss < 0.6 * seen[0].loss
    assert seen[-1].accuracy > seen[0].accuracy
    assert (seen[0].images_done, seen[-1].images_done, seen[-1].images_total) == (48, 960, 960)
    assert seen[-1].seconds_left == 0


def test_a_loss_that_is_not_finite_names_step_and_learning_rate() -> None:
    schedule = Schedule(images_seen=6 * 16, batch_size=16, peak_learning_rate=0.1)
    steps = itertools.count()

    def loss(model, batch):
        value, right = Supervised().loss(model, batch)
        return (value * math.nan if next(steps) == 4 else value), right

    with pytest.raises(TrainingError) as caught:
        fit(built().module, Stream(_images(), 16, 0), loss, schedule, report_every=3)
    assert "step 6 of 6" in caught.value.message
    assert f"{schedule.learning_rate(5):.4g}" in caught.value.message
    assert "learning rate" in caught.value.hint


def test_a_batch_does_not_depend_on_the_order_of_calls() -> None:
    images = _images(37)
    batches = Stream(images, 16, 3)
    expected = [batches.batch(step) for step in range(12)]
    other = Stream(images, 16, 3)
    for step in (11, 0, 5, 5, 2, 10, 1):
        pixels, labels = other.batch(step)
        assert torch.equal(pixels, expected[step][0])
        assert torch.equal(labels, expected[step][1])
    assert not torch.equal(Stream(images, 16, 4).batch(0)[1], expected[0][1])


@pytest.mark.parametrize("batch_size", [4, 7, 25])
def test_each_epoch_sees_every_image_once(batch_size: int) -> None:
    images = Resident(random_pixels(10), np.arange(10), np.arange(10))
    batches = Stream(images, batch_size, 0)
    num = math.ceil(30 / batch_size)
    seen = torch.cat([batches.batch(step)[1] for step in range(num)])[:30].view(3, 10)
    assert all(sorted(epoch.tolist()) == list(range(10)) for epoch in seen)
    assert len({tuple(epoch.tolist()) for epoch in seen}) == 3


@pytest.mark.parametrize(("size_px", "pad_px"), [(8, 1), (16, 2), (24, 3)])
def test_crop_and_flip_is_a_crop_of_the_reflected_image(size_px: int, pad_px: int) -> None:
    """Each output equals one crop of np.pad(mode="reflect"), mirrored or not; all crops occur."""
    pixels = random_pixels(5, size_px)
    num = 600
    rows = np.arange(num) % 5
    out = crop_and_flip(
        torch.from_numpy(pixels),
        torch.from_numpy(rows),
        np.arange(num, dtype=np.uint64),
        99,
        size_px,
    ).numpy()
    assert out.shape == (num, size_px, size_px, 3)
    padded = np.pad(pixels, ((0, 0), (pad_px, pad_px), (pad_px, pad_px), (0, 0)), mode="reflect")
    crops = {}
    for image, dy, dx in itertools.product(range(5), range(2 * pad_px + 1), range(2 * pad_px + 1)):
        crop = padded[image, dy : dy + size_px, dx : dx + size_px]
        crops[image, crop.tobytes()] = (dy, dx, False)
        crops[image, np.ascontiguousarray(crop[:, ::-1]).tobytes()] = (dy, dx, True)
    matches = [crops[int(row), image.tobytes()] for row, image in zip(rows, out, strict=True)]
    assert (
        {dy for dy, _, _ in matches} == {dx for _, dx, _ in matches} == set(range(2 * pad_px + 1))
    )
    assert 0.4 < np.mean([flipped for _, _, flipped in matches]) < 0.6


def test_an_augmentation_depends_on_its_position_only() -> None:
    pixels, rows = torch.from_numpy(random_pixels(4)), torch.tensor([0, 1, 2, 3])
    places = np.arange(4, dtype=np.uint64)
    whole = crop_and_flip(pixels, rows, places, 5, 8)
    assert torch.equal(crop_and_flip(pixels, rows[2:], places[2:], 5, 8), whole[2:])
