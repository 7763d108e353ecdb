"""CORAL against an independent implementation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import fractional_matrix_power

from seedbed.readout.alignment import coral, coral_loss


def _domains() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    mix = generator.normal(size=(6, 6))
    return generator.normal(size=(200, 6)) @ mix, generator.normal(size=(150, 6)) * np.arange(1, 7)


def test_coral_is_whitening_and_recolouring() -> None:
    source, target = _domains()
    source_cov, target_cov = np.cov(source.T) + np.eye(6), np.cov(target.T) + np.eye(6)
    whitened = source @ fractional_matrix_power(source_cov, -0.5)
    slow = whitened @ fractional_matrix_power(target_cov, 0.5)
    assert np.allclose(
        coral(torch.from_numpy(source), torch.from_numpy(target)).numpy(), slow, atol=1e-8
    )


def test_coral_aligns_the_covariances() -> None:
    source, target = (
        100 * t for t in _domains()
    )  # so large that the added identity hardly matters
    recoloured = coral(torch.from_numpy(source), torch.from_numpy(target)).numpy()
    gap = np.abs(np.cov(recoloured.T) - np.cov(target.T)).max() / np.abs(np.cov(target.T)).max()
    assert gap < 1e-3


def test_the_loss_equals_its_formula_and_its_gradient_is_correct() -> None:
    source, target = (torch.from_numpy(t).requires_grad_() for t in _domains())
    value = coral_loss(source, target)
    difference = np.cov(source.detach().numpy().T) - np.cov(target.detach().numpy().T)
    assert value.item() == pytest.approx((difference**2).sum() / (4 * 6**2), rel=1e-9)
    assert torch.autograd.gradcheck(
        coral_loss, (source[:8].detach().requires_grad_(), target[:8].detach().requires_grad_())
    )
