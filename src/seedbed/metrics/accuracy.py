"""Accuracy: top-1, top-5, mean per-class accuracy, in percent.

In: labels and predictions of the same n images. Out: numbers, and each image's contribution whose
mean over images is the number. Pure functions on arrays.
"""

from __future__ import annotations

import numpy as np

_K = {"top1": 1, "top5": 5, "induction_top1": 1, "induction_top5": 5, "induction_within_top1": 1}


def top_k_contributions(labels: np.ndarray, ranked: np.ndarray, k: int) -> np.ndarray:
    """100 where the label is among the first k of `ranked` (int [n, >=k], best first), else 0:
    float64 [n]."""
    return 100.0 * (ranked[:, :k] == labels[:, None]).any(axis=1)


def mean_class_contributions(labels: np.ndarray, ranked: np.ndarray) -> np.ndarray:
    """Contributions to mean per-class accuracy: 100 n / (K n_c) for a hit in class c, K classes
    present: float64 [n]."""
    present, inverse, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    weights = len(labels) / (len(present) * sizes[inverse])
    return top_k_contributions(labels, ranked, 1) * weights


def contributions(metric: str, labels: np.ndarray, ranked: np.ndarray) -> np.ndarray:
    """Each image's contribution to `metric` in percent; their mean over images is the metric:
    float64 [n]."""
    if metric == "mean_class_accuracy":
        return mean_class_contributions(labels, ranked)
    if metric.endswith("_error"):
        return 100.0 - contributions(metric.removesuffix("_error"), labels, ranked)
    return top_k_contributions(labels, ranked, _K[metric])


def accuracies(labels: np.ndarray, ranked: np.ndarray, num_classes: int) -> dict[str, float]:
    """Top-1, top-5 (only where there are more than five classes) and mean per-class accuracy,
    percent 0..100."""
    metrics = (
        ["top1", "mean_class_accuracy"]
        if num_classes <= 5
        else ["top1", "top5", "mean_class_accuracy"]
    )
    return {metric: float(contributions(metric, labels, ranked).mean()) for metric in metrics}


def share_interval(percent: float, num: int, z: float = 1.959964) -> tuple[float, float]:
    """Where the accuracy on more images of the kind lies, by `num` of them: Wilson's (1927)
    interval, 95 % by default; percent."""
    share, spread = percent / 100, z * z / num
    centre = (share + spread / 2) / (1 + spread)
    half = (spread * share * (1 - share) + spread * spread / 4) ** 0.5 / (1 + spread)
    return 100 * max(0.0, centre - half), 100 * min(1.0, centre + half)


def rank(scores: np.ndarray, k: int = 5) -> np.ndarray:
    """The k best classes of each row, best first, ties to the lower class: int32 [n, min(k,
    num_classes)]."""
    return np.argsort(-scores, axis=1, kind="stable")[:, :k].astype(np.int32)
