"""Nearest neighbours of codes by cosine similarity.

In: codes and labels of a gallery, codes of queries. Out: similarities and rows of the nearest
neighbours, or votes for each class. The search is exact.
"""

from __future__ import annotations

import torch

from seedbed.base.errors import UsageError
from seedbed.readout.linear import normalise_rows

_BLOCK = 2**26  # similarities computed at once


def nearest(
    gallery: torch.Tensor, queries: torch.Tensor, num: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The nearest neighbours of each query: cosine similarities float [m, num], highest first, and
    rows of the gallery int64 [m, num].

    Args:
        gallery: float [n, d].
        queries: float [m, d].
        num: number of neighbours, 1 to n.
    """
    if not 1 <= num <= len(gallery):
        raise UsageError(
            f"the number of neighbours must lie in 1..{len(gallery)} (the number of images), "
            f"got {num}"
        )
    gallery, queries = normalise_rows(gallery), normalise_rows(queries)
    size = max(1, _BLOCK // max(1, len(gallery)))
    blocks = [
        torch.topk(queries[i : i + size] @ gallery.T, num) for i in range(0, len(queries), size)
    ]
    return torch.cat([b.values for b in blocks]), torch.cat([b.indices for b in blocks])


def vote(
    similarities: torch.Tensor, labels: torch.Tensor, num_classes: int, num: int
) -> torch.Tensor:
    """Scores [m, num_classes] from the `num` nearest neighbours of each query: the votes for each
    class; the mean similarity of the voters breaks ties.

    Args:
        similarities: float [m, k], highest first, k >= num.
        labels: int64 [m, k], of those neighbours.
    """
    counts = similarities.new_zeros(similarities.shape[0], num_classes)
    sums = torch.zeros_like(counts)
    voted, weights = labels[:, :num], similarities[:, :num]
    counts.scatter_add_(1, voted, torch.ones_like(weights))
    sums.scatter_add_(1, voted, weights)
    # Similarities lie in -1..1, so a quarter of them never exceeds half a vote.
    return counts + 0.25 * sums / counts.clamp_min(1)
