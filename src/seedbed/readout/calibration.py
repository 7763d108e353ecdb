"""Calibration: scores become probabilities by one temperature (Guo et al. 2017).

In: scores and labels of images that were not learnt from. Out: the temperature under which
softmax(scores / temperature) says most of the labels, and how far stated and true accuracies then
lie apart. With few images that are all right, no temperature is too low
for the likelihood: as Platt (1999) does, each label counts (n + 1) / (n + 2), and the rest is
    shared by the other classes. Knows
nothing of networks.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

_LOWEST, _HIGHEST = 1e-4, 1e4
_NUM_BINS = 15


def fit_temperature(scores: torch.Tensor, labels: torch.Tensor) -> float:
    """The temperature for scores float [n, K] and labels int64 [n], or marks int8 [n, K] of images
    that may have several classes, whose probabilities are sigmoid(scores / temperature); 1 where
    there is nothing to tell it from."""
    if labels.ndim == 2:
        return _of_marks(scores.double(), labels.to(scores.device))
    num, num_classes = scores.shape
    if not num or num_classes < 2:
        return 1.0
    values = scores.double()
    doubt = 1.0 / (num + 2)
    targets = torch.full_like(values, doubt / (num_classes - 1))
    targets.scatter_(1, labels[:, None].to(values.device), 1.0 - doubt)

    def loss(log_temperature: float) -> float:
        return float(
            -(targets * torch.log_softmax(values / math.exp(log_temperature), 1)).sum(1).mean()
        )

    return _lowest(loss)


def _of_marks(scores: torch.Tensor, marks: torch.Tensor) -> float:
    counted = marks != 0
    if not bool(counted.any()):
        return 1.0
    values, signs = scores[counted], marks[counted].double()
    doubt = 1.0 / (len(values) + 2)

    def loss(log_temperature: float) -> float:
        margins = signs * values / math.exp(log_temperature)
        right, wrong = torch.nn.functional.softplus(-margins), torch.nn.functional.softplus(margins)
        return float(((1 - doubt) * right + doubt * wrong).mean())

    return _lowest(loss)


def _lowest(loss: Callable[[float], float]) -> float:
    """The temperature whose logarithm minimises a loss."""
    from scipy.optimize import minimize_scalar

    found = minimize_scalar(
        loss,
        bounds=(math.log(_LOWEST), math.log(_HIGHEST)),
        method="bounded",
        options={"xatol": 1e-4},
    )
    return math.exp(float(found.x))


def calibration_error(probabilities: torch.Tensor, labels: torch.Tensor) -> float:
    """Expected calibration error in points: |accuracy - mean probability of the first class| over
    15 equal bins, weighted by size."""
    confidence, first = probabilities.max(1)
    right = (first == labels.to(first.device)).double()
    bins = (confidence * _NUM_BINS).long().clamp_max(_NUM_BINS - 1)
    gaps = torch.zeros(_NUM_BINS, dtype=torch.float64, device=first.device)
    gaps.scatter_add_(0, bins, right - confidence.double())
    return 100.0 * float(gaps.abs().sum()) / max(1, len(labels))
