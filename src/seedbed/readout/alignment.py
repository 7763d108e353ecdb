"""CORAL: codes of one domain recoloured to have the covariance of another's (Sun, Feng and Saenko
2016, algorithm 1).

In: codes of both. Out: codes, or the distance of the two covariances (Sun and Saenko 2016, equation
1). Knows nothing of labels.
"""

from __future__ import annotations

import torch


def coral(source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Source codes whitened by their own covariance and coloured by the target's: float [n, d].

    As published: C + I on both sides, means left as they are.

    Args:
        source: float [n, d].
        target: float [m, d].
    """
    mine, theirs = _covariance(source.double()), _covariance(target.double())
    eye = torch.eye(mine.shape[0], dtype=mine.dtype, device=mine.device)
    return (source.double() @ _power(mine + eye, -0.5) @ _power(theirs + eye, 0.5)).to(source)


def coral_loss(source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Squared Frobenius distance of the covariances of float [n, d] and [m, d], over 4 d^2: a
    scalar with a gradient."""
    difference = _covariance(source) - _covariance(target)
    return difference.square().sum() / (4 * source.shape[1] ** 2)


def _covariance(codes: torch.Tensor) -> torch.Tensor:
    """Unbiased: [d, d]."""
    centred = codes - codes.mean(0, keepdim=True)
    return centred.T @ centred / max(1, len(codes) - 1)


def _power(matrix: torch.Tensor, exponent: float) -> torch.Tensor:
    """Of a symmetric matrix with eigenvalues of at least 1."""
    values, vectors = torch.linalg.eigh(matrix)
    return vectors * values.clamp_min(1e-12) ** exponent @ vectors.T
