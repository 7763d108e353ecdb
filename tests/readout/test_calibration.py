"""Temperature scaling."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seedbed.readout.calibration import calibration_error, fit_temperature


def _scores(num: int, sharpness: float, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Labels drawn from the softmax of hidden scores, and these scores times `sharpness`."""
    generator = np.random.default_rng(seed)
    hidden = torch.from_numpy(generator.normal(size=(num, 4)) * 2)
    labels = torch.multinomial(
        torch.softmax(hidden, 1), 1, generator=torch.Generator().manual_seed(seed)
    )[:, 0]
    return sharpness * hidden, labels


@pytest.mark.parametrize("sharpness", [0.2, 1.0, 8.0])
def test_the_temperature_equals_the_sharpness(sharpness: float) -> None:
    scores, labels = _scores(4000, sharpness)
    assert fit_temperature(scores, labels) == pytest.approx(sharpness, rel=0.1)
    before = calibration_error(torch.softmax(scores, 1), labels)
    after = calibration_error(torch.softmax(scores / fit_temperature(scores, labels), 1), labels)
    assert after < 2.5
    assert after <= before + 0.5


def test_probabilities_stay_below_one_if_all_images_are_correct() -> None:
    scores = torch.eye(4)[[0, 1, 2, 3]] * 5
    labels = torch.arange(4)
    probability = (
        torch.softmax(scores / fit_temperature(scores, labels), 1).diagonal().mean().item()
    )
    assert probability == pytest.approx(5 / 6, abs=0.01)  # (n + 1) / (n + 2)


def test_the_calibration_error_equals_its_definition() -> None:
    probabilities = torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4]])
    assert calibration_error(probabilities, torch.tensor([0, 1, 0])) == pytest.approx(
        100 * (abs(1 - 1.8) + abs(1 - 0.6)) / 3, rel=1e-5
    )


def test_without_images_the_temperature_is_one() -> None:
    assert fit_temperature(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64)) == 1.0
