"""How alike two sets of images are to a network: distances between its codes of the one and of the
other.

In: codes of both, penultimate, as they are. Out: numbers, and what they mean on a scale that is
made with known pairs.

- *Proxy A-distance* (Ben-David et al. 2007): 2 (1 - 2 e), with e the error of a linear classifier
  that tells the sets apart, here a softmax regression in two-fold cross-validation on as many codes
  of each. 0: it cannot; 2: it always can. Good for a first look; it is near 2 for almost any two
  sets, so it ranks far ones badly.
- *KID* (Binkowski et al. 2018): the squared maximum mean discrepancy under the kernel (x.y / d +
  1)^3, unbiased, so that it means the same for any number of images. Here codes are first brought
  to the length sqrt(d), so that x.y / d is their cosine and networks can be compared. Good for
  ranking.
- *position*: the square root of KID between source and target over that between source and
  scikit-learn's handwritten digits, all
  through the same network: 0 is the source's own kind, 1 as far as digits are from photographs.

Knows nothing of labels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from seedbed.base.device import one_thread
from seedbed.base.randomness import mix, stream
from seedbed.readout.linear import fit_linear, normalise_rows

MOST = 2048  # codes of either set that are looked at
SIMILAR_BELOW = (
    # position: photographs of any kind lay at 0 to 0.59, blood cells at 0.79 to 1.08 by eight
    # networks (docs/own-images.md)
    0.7
)
_NUM_PARTS = 10
_C = 10.0


@dataclass(frozen=True, kw_only=True)
class Similarity:
    """Source against target by one network's codes."""

    proxy_a_distance: float  # 0..2
    kid: float
    kid_error: float  # standard error, over parts of the images
    # KID over that of the digits; None where there was no far set to compare with
    position: float | None

    @property
    def word(self) -> str:
        """ "similar" or "different"."""
        return (
            "similar"
            if self.position is not None and self.position < SIMILAR_BELOW
            else "different"
        )


def similarity(
    source: torch.Tensor, target: torch.Tensor, far: torch.Tensor | None = None
) -> Similarity:
    """How alike two sets are, codes float [n, d] and [m, d]; `far` are codes of images that are
    known to be far, float [k, d].

    At most 2,048 of each are looked at, chosen by their position alone.
    """
    mine, theirs = _unit(_few(source)), _unit(_few(target))
    value, error = kid(mine, theirs)
    of_far = kid(mine, _unit(_few(far)))[0] if far is not None else None
    return Similarity(
        proxy_a_distance=proxy_a_distance(mine, theirs),
        kid=value,
        kid_error=error,
        position=(max(0.0, value) / of_far) ** 0.5
        if of_far and of_far > 0 and math.isfinite(value)
        else None,
    )


def proxy_a_distance(source: torch.Tensor, target: torch.Tensor) -> float:
    """2 (1 - 2 e), in 0..2, of codes float [n, d] and [m, d]; as many of each are used."""
    num = min(len(source), len(target))
    codes = normalise_rows(torch.cat([source[:num], target[:num]]).float())
    labels = torch.cat([torch.zeros(num, dtype=torch.int64), torch.ones(num, dtype=torch.int64)])
    half = torch.cat([torch.arange(num), torch.arange(num)]) % 2 == 0
    wrong = 0
    with one_thread(when=len(codes) < MOST):
        for learnt in (half, ~half):
            (fitted,) = fit_linear(codes[learnt], labels[learnt], 2, [_C], "softmax")
            wrong += int((fitted.scores(codes[~learnt]).argmax(1) != labels[~learnt]).sum())
    return max(0.0, 2 * (1 - 2 * wrong / (2 * num)))


def kid(source: torch.Tensor, target: torch.Tensor) -> tuple[float, float]:
    """Unbiased squared MMD of codes float [n, d] and [m, d] under (x.y / d + 1)^3, and its standard
    error over ten parts of both."""
    value = _mmd2(source.double(), target.double())
    parts = min(_NUM_PARTS, len(source) // 2, len(target) // 2)
    if parts < 2:
        return value, float("nan")
    each = [_mmd2(source[i::parts].double(), target[i::parts].double()) for i in range(parts)]
    return value, float(np.std(each, ddof=1) / parts**0.5)


def _mmd2(x: torch.Tensor, y: torch.Tensor) -> float:
    n, m, dim = len(x), len(y), x.shape[1]
    if n < 2 or m < 2:
        return float("nan")

    def kernel(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return (a @ b.T / dim + 1) ** 3

    xx, yy = kernel(x, x), kernel(y, y)
    within = (xx.sum() - xx.trace()) / (n * (n - 1)) + (yy.sum() - yy.trace()) / (m * (m - 1))
    return float(within - 2 * kernel(x, y).mean())


def _few(codes: torch.Tensor) -> torch.Tensor:
    if len(codes) <= MOST:
        return codes.float()
    ranks = mix(np.arange(len(codes), dtype=np.uint64), stream(0, "similarity"))
    return codes[torch.from_numpy(np.sort(np.argsort(ranks)[:MOST]))].float()


def _unit(codes: torch.Tensor) -> torch.Tensor:
    """Of length sqrt(d), so that x.y / d is the cosine."""
    return normalise_rows(codes) * codes.shape[1] ** 0.5
