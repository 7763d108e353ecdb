"""CORAL: align the covariance of the codes of one domain to that of another.

In: codes of both domains. Out: aligned codes (Sun, Feng and Saenko 2016, algorithm 1), or the
distance of the two covariances as a loss (Sun and Saenko 2016, equation 1).
"""

from __future__ import annotations

import torch


def coral(source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Source codes, whitened by their covariance and recoloured by that of the target: float [n,
    d].

    As published: both covariances are C + I, and means stay as they are.

    Args:
        source: float [n, d].
        target: float [m, d].
    """
    source_cov, target_cov = _covariance(source.double()), _covariance(target.double())
    eye = torch.eye(source_cov.shape[0], dtype=source_cov.dtype, device=source_cov.device)
    whitened = source.double() @ _matrix_power(source_cov + eye, -0.5)
    return (whitened @ _matrix_power(target_cov + eye, 0.5)).to(source)


def coral_loss(source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Squared Frobenius distance of the covariances of float [n, d] and [m, d], divided by 4 d^2: a
    differentiable scalar."""
    difference = _covariance(source) - _covariance(target)
    return difference.square().sum() / (4 * source.shape[1] ** 2)


def _covariance(codes: torch.Tensor) -> torch.Tensor:
    """Unbiased covariance: [d, d]."""
    centred = codes - codes.mean(0, keepdim=True)
    return centred.T @ centred / max(1, len(codes) - 1)


def _matrix_power(matrix: torch.Tensor, exponent: float) -> torch.Tensor:
    """Power of a symmetric matrix with eigenvalues of at least 1."""
    values, vectors = torch.linalg.eigh(matrix)
    return vectors * values.clamp_min(1e-12) ** exponent @ vectors.T
