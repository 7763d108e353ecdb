"""The expected accuracy of the best of several candidates, corrected for selection bias.

In: which held-out images each candidate classifies correctly. Out: an expected accuracy with an
interval, and paired differences. Method: BBC-CV (Tsamardinos, Greasidou and Borboudakis 2018,
"Bootstrapping the out-of-sample predictions"). In each bootstrap resample of the images the best
candidate is selected anew and scored on the images that the resample leaves out: no image both
selects and scores, and nothing is trained again. Near duplicates are resampled together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from seedbed.metrics.intervals import share_interval

_NUM_RESAMPLES = 1000


@dataclass(frozen=True, kw_only=True)
class ExpectedAccuracy:
    """Selection-bias-corrected top-1 accuracy of the selected candidate, percent."""

    value: float
    # 95 %
    interval: tuple[float, float]
    # points: held-out accuracy of the best candidate minus `value`
    optimism: float


def corrected_accuracy(correct: np.ndarray, groups: np.ndarray, seed: int = 0) -> ExpectedAccuracy:
    """Selection-bias-corrected accuracy of the best candidate (BBC-CV, Tsamardinos et al. 2018).

    Args:
        correct: bool [n, m], whether candidate j classifies held-out image i correctly.
        groups: [n], equal for near duplicates.
    """
    hits = correct.astype(np.float64)
    winner = int(hits.mean(0).argmax())
    out_of_sample, winner_scores = [], []
    for weight in _resample_counts(groups, seed):
        best = int((weight @ hits).argmax())
        out = weight == 0
        if out.any():
            out_of_sample.append(float(hits[out, best].mean()))
            winner_scores.append(float((weight @ hits[:, winner]) / weight.sum()))
    uncorrected = 100.0 * float(hits[:, winner].mean())
    if not out_of_sample:
        return ExpectedAccuracy(value=uncorrected, interval=(0.0, 100.0), optimism=0.0)
    value = 100.0 * float(np.mean(out_of_sample))
    # The interval has the spread of one candidate's score over resamples, around the corrected
    # value.
    centred = np.array(winner_scores) - np.mean(winner_scores)
    low, high = np.percentile(centred, [2.5, 97.5]) * 100.0
    # A candidate that is always correct has no spread: the interval is at least Wilson's, over
    # independent images.
    least, most = share_interval(value, len(np.unique(groups)))
    return ExpectedAccuracy(
        value=value,
        interval=(min(max(0.0, value + low), least), max(min(100.0, value + high), most)),
        optimism=uncorrected - value,
    )


def paired_difference(
    a: np.ndarray, b: np.ndarray, groups: np.ndarray, seed: int = 0
) -> tuple[float, tuple[float, float]]:
    """Accuracy of `a` minus accuracy of `b` in points, with its 95 % bootstrap interval.

    Both are bool [n] over the same images.
    """
    gap = a.astype(np.float64) - b.astype(np.float64)
    means = [float(weight @ gap) / float(weight.sum()) for weight in _resample_counts(groups, seed)]
    low, high = np.percentile(means, [2.5, 97.5]) * 100.0
    return 100.0 * float(gap.mean()), (float(low), float(high))


def _resample_counts(groups: np.ndarray, seed: int) -> Iterator[np.ndarray]:
    """How often each image occurs in each bootstrap resample of the groups: int [n]."""
    _, which = np.unique(groups, return_inverse=True)
    num = int(which.max()) + 1
    generator = np.random.default_rng(seed)
    for _ in range(_NUM_RESAMPLES):
        yield np.bincount(generator.integers(num, size=num), minlength=num)[which]
