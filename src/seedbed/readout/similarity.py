"""Similarity of two data sets for a network: distances between the codes of their images.

In: penultimate codes of both. Out: distances, and a position on a scale from known pairs.

- *Proxy A-distance* (Ben-David et al. 2007): 2 (1 - 2 e), with e the error of a linear classifier
  that separates the data sets: here a softmax regression in two-fold cross-validation, on equally
  many codes of both. 0 means that it cannot separate them, 2 that it always can. It is near 2 for
  most pairs of data sets, so it does not rank distant ones.
- *KID* (Binkowski et al. 2018): the unbiased squared maximum mean discrepancy with the kernel
  (x.y / d + 1)^3. Unbiased means that it can be compared for different numbers of images. We scale
  codes to the length sqrt(d): x.y / d is then their cosine, and networks can be compared.
- *position*: the square root of KID between source and target, divided by that between source and
  scikit-learn's handwritten digits, all with the same network. 0 means the same kind of images as
  the source, 1 as distant as digits are from photographs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from seedbed.base.device import one_thread
from seedbed.base.randomness import mix, stream
from seedbed.readout.linear import fit_linear, normalise_rows

MAX_CODES = 2048  # of each data set
# Position below which data sets count as similar. With eight networks, photographs had positions
# from 0 to 0.59, blood cells from 0.79 to 1.08 (docs/log.md).
SIMILAR_BELOW = 0.7
_NUM_PARTS = 10
_C = 10.0


@dataclass(frozen=True, kw_only=True)
class Similarity:
    """Similarity of source and target for one network."""

    proxy_a_distance: float  # 0..2
    kid: float
    kid_error: float  # standard error, over parts of the images
    # None if there are no distant images to compare with.
    position: float | None

    @property
    def word(self) -> str:
        """Either "similar" or "different"."""
        is_similar = self.position is not None and self.position < SIMILAR_BELOW
        return "similar" if is_similar else "different"


def similarity(
    source: torch.Tensor, target: torch.Tensor, far: torch.Tensor | None = None
) -> Similarity:
    """Similarity of two data sets, from at most 2,048 codes of each.

    Args:
        source: codes float [n, d].
        target: codes float [m, d].
        far: codes of images that are known to be distant, float [k, d].
    """
    source_codes, target_codes = _scale(_sample(source)), _scale(_sample(target))
    value, error = kid(source_codes, target_codes)
    far_value = kid(source_codes, _scale(_sample(far)))[0] if far is not None else None
    position = None
    if far_value and far_value > 0 and math.isfinite(value):
        position = (max(0.0, value) / far_value) ** 0.5
    return Similarity(
        proxy_a_distance=proxy_a_distance(source_codes, target_codes),
        kid=value,
        kid_error=error,
        position=position,
    )


def proxy_a_distance(source: torch.Tensor, target: torch.Tensor) -> float:
    """Proxy A-distance in 0..2 of codes float [n, d] and [m, d]; equally many of both are used."""
    num = min(len(source), len(target))
    codes = normalise_rows(torch.cat([source[:num], target[:num]]).float())
    labels = torch.cat([torch.zeros(num, dtype=torch.int64), torch.ones(num, dtype=torch.int64)])
    half = torch.cat([torch.arange(num), torch.arange(num)]) % 2 == 0
    num_errors = 0
    with one_thread(when=len(codes) < MAX_CODES):
        for train in (half, ~half):
            (classifier,) = fit_linear(codes[train], labels[train], 2, [_C], "softmax")
            predicted = classifier.scores(codes[~train]).argmax(1)
            num_errors += int((predicted != labels[~train]).sum())
    return max(0.0, 2 * (1 - 2 * num_errors / (2 * num)))


def kid(source: torch.Tensor, target: torch.Tensor) -> tuple[float, float]:
    """Unbiased squared MMD of codes float [n, d] and [m, d] with the kernel (x.y / d + 1)^3, and
    its standard error over ten parts of both."""
    value = _mmd2(source.double(), target.double())
    parts = min(_NUM_PARTS, len(source) // 2, len(target) // 2)
    if parts < 2:
        return value, float("nan")
    values = [_mmd2(source[i::parts].double(), target[i::parts].double()) for i in range(parts)]
    return value, float(np.std(values, ddof=1) / parts**0.5)


def _mmd2(x: torch.Tensor, y: torch.Tensor) -> float:
    n, m, dim = len(x), len(y), x.shape[1]
    if n < 2 or m < 2:
        return float("nan")

    def kernel(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return (a @ b.T / dim + 1) ** 3

    xx, yy = kernel(x, x), kernel(y, y)
    within = (xx.sum() - xx.trace()) / (n * (n - 1)) + (yy.sum() - yy.trace()) / (m * (m - 1))
    return float(within - 2 * kernel(x, y).mean())


def _sample(codes: torch.Tensor) -> torch.Tensor:
    """At most 2,048 codes, drawn by their positions."""
    if len(codes) <= MAX_CODES:
        return codes.float()
    ranks = mix(np.arange(len(codes), dtype=np.uint64), stream(0, "similarity"))
    return codes[torch.from_numpy(np.sort(np.argsort(ranks)[:MAX_CODES]))].float()


def _scale(codes: torch.Tensor) -> torch.Tensor:
    """Codes of length sqrt(d), so that x.y / d is the cosine."""
    return normalise_rows(codes) * codes.shape[1] ** 0.5
