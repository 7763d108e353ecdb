"""Accuracy: top-1, top-5, their errors, mean per-class accuracy; all in percent.

In: labels and ranked predictions of the same n images. Out: each image's contribution, whose mean
over images is the metric; the metrics themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from seedbed.metrics.metric import MeanMetric, Predictions


def top_k_contributions(labels: np.ndarray, ranked: np.ndarray, k: int) -> np.ndarray:
    """100 where the label is among the first k of `ranked` (int [n, >=k], best first), else 0:
    float64 [n]."""
    return 100.0 * (ranked[:, :k] == labels[:, None]).any(axis=1)


def mean_class_contributions(labels: np.ndarray, ranked: np.ndarray) -> np.ndarray:
    """Contributions to mean per-class accuracy: 100 n / (K n_c) for a hit in class c, of K classes
    in the test: float64 [n]."""
    present, inverse, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    weights = len(labels) / (len(present) * sizes[inverse])
    return top_k_contributions(labels, ranked, 1) * weights


def _top(k: int, array: str = "ranked") -> Callable[[Predictions], np.ndarray]:
    return lambda p: top_k_contributions(p["labels"], p[array], k)


def _error(k: int) -> Callable[[Predictions], np.ndarray]:
    return lambda p: 100.0 - top_k_contributions(p["labels"], p["ranked"], k)


_SINGLE_LABEL = ("classification", "adaptation")
TOP1 = MeanMetric(
    name="top1",
    title="top-1 accuracy",
    contributions=_top(1),
    is_share=True,
    primary_for=_SINGLE_LABEL,
)
TOP5 = MeanMetric(name="top5", title="top-5 accuracy", contributions=_top(5), is_share=True)
TOP1_ERROR = MeanMetric(
    name="top1_error",
    title="top-1 error",
    contributions=_error(1),
    higher_is_better=False,
    is_share=True,
)
TOP5_ERROR = MeanMetric(
    name="top5_error",
    title="top-5 error",
    contributions=_error(5),
    higher_is_better=False,
    is_share=True,
)
MEAN_CLASS_ACCURACY = MeanMetric(
    name="mean_class_accuracy",
    title="mean per-class accuracy",
    contributions=lambda p: mean_class_contributions(p["labels"], p["ranked"]),
    primary_for=_SINGLE_LABEL,
)
# Induction: the label is that of the nearest image of the gallery (seedbed.readout.induction).
INDUCTION_TOP1 = MeanMetric(
    name="induction_top1", title="top-1 accuracy", contributions=_top(1), is_share=True
)
INDUCTION_TOP5 = MeanMetric(
    name="induction_top5", title="top-5 accuracy", contributions=_top(5), is_share=True
)
INDUCTION_WITHIN_TOP1 = MeanMetric(
    name="induction_within_top1",
    title="top-1 accuracy within the coarse class",
    contributions=_top(1, "within"),
    is_share=True,
)
_ERRORS = {TOP1.name: TOP1_ERROR.name, TOP5.name: TOP5_ERROR.name}
_NUM_TOP5 = 5  # with so many classes or fewer, every label is among the top 5


def accuracy_metrics(num_classes: int) -> tuple[MeanMetric, ...]:
    """The accuracies of a classification task: top-5 only with more than five classes."""
    return (TOP1, *((TOP5,) if num_classes > _NUM_TOP5 else ()), MEAN_CLASS_ACCURACY)


def accuracies(labels: np.ndarray, ranked: np.ndarray, num_classes: int) -> dict[str, float]:
    """Name -> value of `accuracy_metrics`, percent 0..100."""
    predictions = {"labels": labels, "ranked": ranked}
    return {
        metric.name: float(metric.per_image(predictions).mean())
        for metric in accuracy_metrics(num_classes)
    }


def error_rates(metrics: Mapping[str, float]) -> dict[str, float]:
    """Top-1 and top-5 error, of those accuracies that `metrics` has."""
    return {_ERRORS[name]: 100.0 - value for name, value in metrics.items() if name in _ERRORS}


def rank(scores: np.ndarray, k: int = 5) -> np.ndarray:
    """The k best classes of each row, best first; ties go to the lower class: int32 [n, min(k,
    num_classes)]."""
    return np.argsort(-scores, axis=1, kind="stable")[:, :k].astype(np.int32)
