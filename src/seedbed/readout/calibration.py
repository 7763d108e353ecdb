"""Temperature scaling: turn scores into calibrated probabilities (Guo et al. 2017).

In: out-of-fold scores and labels. Out: the temperature that maximises the likelihood of
softmax(scores / temperature), and the expected calibration error. If all of a few images are
classified correctly, the likelihood has no maximum. As in Platt (1999), the target of a label is
therefore (n + 1) / (n + 2), and the other classes share the rest.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

_MIN_TEMPERATURE, _MAX_TEMPERATURE = 1e-4, 1e4
_NUM_BINS = 15


def fit_temperature(scores: torch.Tensor, labels: torch.Tensor) -> float:
    """Fit the temperature; 1 if there are no images.

    Args:
        scores: float [n, K].
        labels: int64 [n], or marks int8 [n, K] of images with several classes. Probabilities of
            these are sigmoid(scores / temperature).
    """
    if labels.ndim == 2:
        return _fit_multilabel(scores.double(), labels.to(scores.device))
    num, num_classes = scores.shape
    if not num or num_classes < 2:
        return 1.0
    values = scores.double()
    smoothing = 1.0 / (num + 2)
    targets = torch.full_like(values, smoothing / (num_classes - 1))
    targets.scatter_(1, labels[:, None].to(values.device), 1.0 - smoothing)

    def loss(log_temperature: float) -> float:
        log_probabilities = torch.log_softmax(values / math.exp(log_temperature), 1)
        return float(-(targets * log_probabilities).sum(1).mean())

    return _minimise(loss)


def _fit_multilabel(scores: torch.Tensor, marks: torch.Tensor) -> float:
    counted = marks != 0
    if not bool(counted.any()):
        return 1.0
    values, signs = scores[counted], marks[counted].double()
    smoothing = 1.0 / (len(values) + 2)

    def loss(log_temperature: float) -> float:
        margins = signs * values / math.exp(log_temperature)
        loss_of_mark = torch.nn.functional.softplus(-margins)
        loss_of_opposite = torch.nn.functional.softplus(margins)
        return float(((1 - smoothing) * loss_of_mark + smoothing * loss_of_opposite).mean())

    return _minimise(loss)


def _minimise(loss: Callable[[float], float]) -> float:
    """The temperature that minimises a loss of its logarithm."""
    from scipy.optimize import minimize_scalar

    result = minimize_scalar(
        loss,
        bounds=(math.log(_MIN_TEMPERATURE), math.log(_MAX_TEMPERATURE)),
        method="bounded",
        options={"xatol": 1e-4},
    )
    return math.exp(float(result.x))


def calibration_error(probabilities: torch.Tensor, labels: torch.Tensor) -> float:
    """Expected calibration error in points: the mean of |accuracy - confidence| over 15 bins of
    equal width, weighted by their numbers of images."""
    confidence, predicted = probabilities.max(1)
    is_correct = (predicted == labels.to(predicted.device)).double()
    bins = (confidence * _NUM_BINS).long().clamp_max(_NUM_BINS - 1)
    gaps = torch.zeros(_NUM_BINS, dtype=torch.float64, device=predicted.device)
    gaps.scatter_add_(0, bins, is_correct - confidence.double())
    return 100.0 * float(gaps.abs().sum()) / max(1, len(labels))
