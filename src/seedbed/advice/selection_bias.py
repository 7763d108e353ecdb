"""How well the winner of several candidates will do, not flattered by its having won.

In: which held-out images each candidate got right. Out: an expected accuracy with an interval, and
differences. The choice is made
anew inside each resample: the best candidate on a bootstrap sample of the images is scored on the
    images that the sample left out
(Tsamardinos, Greasidou and Borboudakis 2018, "bootstrapping the out-of-sample predictions"), so
that no image both chooses and scores, and nothing is trained again. Near duplicates are drawn
together. Knows nothing of candidates.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from seedbed.metrics.intervals import share_interval

_NUM_RESAMPLES = 1000


@dataclass(frozen=True, kw_only=True)
class Nested:
    """Expected top-1 of the candidate that would be chosen, percent, its 95 % interval, and how
    much the winner's own score flatters."""

    value: float
    interval: tuple[float, float]
    optimism: float  # points: the winner's own held-out accuracy minus `value`


def nested_accuracy(right: np.ndarray, groups: np.ndarray, seed: int = 0) -> Nested:
    """What choosing among candidates gives on new images.

    Args:
        right: bool [n, m], whether candidate j got held-out image i right.
        groups: [n], equal for near duplicates.
    """
    hits = right.astype(np.float64)
    winner = int(hits.mean(0).argmax())
    chosen, scores = [], []
    for weight in _resamples(groups, seed):
        best = int((weight @ hits).argmax())
        out = weight == 0
        if out.any():
            chosen.append(float(hits[out, best].mean()))
            scores.append(float((weight @ hits[:, winner]) / weight.sum()))
    own = 100.0 * float(hits[:, winner].mean())
    if not chosen:
        return Nested(value=own, interval=(0.0, 100.0), optimism=0.0)
    value = 100.0 * float(np.mean(chosen))
    # The spread of new images: that of one candidate's score over resamples, around the corrected
    # value.
    low, high = np.percentile(np.array(scores) - np.mean(scores), [2.5, 97.5]) * 100.0
    # A candidate that is never wrong has no spread here: Wilson's interval over independent images
    # is the least.
    least, most = share_interval(value, len(np.unique(groups)))
    return Nested(
        value=value,
        interval=(min(max(0.0, value + low), least), max(min(100.0, value + high), most)),
        optimism=own - value,
    )


def paired_difference(
    a: np.ndarray, b: np.ndarray, groups: np.ndarray, seed: int = 0
) -> tuple[float, tuple[float, float]]:
    """Points by which `a` is ahead of `b` (bool [n] of the same images), with its 95 % bootstrap
    interval."""
    gap = a.astype(np.float64) - b.astype(np.float64)
    means = [float(weight @ gap) / float(weight.sum()) for weight in _resamples(groups, seed)]
    low, high = np.percentile(means, [2.5, 97.5]) * 100.0
    return 100.0 * float(gap.mean()), (float(low), float(high))


def _resamples(groups: np.ndarray, seed: int) -> Iterator[np.ndarray]:
    """How often each image is drawn, in each resample of the groups: int [n]."""
    _, which = np.unique(groups, return_inverse=True)
    num = int(which.max()) + 1
    generator = np.random.default_rng(seed)
    for _ in range(_NUM_RESAMPLES):
        yield np.bincount(generator.integers(num, size=num), minlength=num)[which]
