"""Nearest neighbours of codes by cosine similarity: a readout that learns nothing.

In: codes and labels of a gallery, codes of queries. Out: similarities and rows of the nearest, or
votes for each class. Exact, a block of queries at a time. Knows nothing of images.
"""

from __future__ import annotations

import torch

from seedbed.base.errors import UsageError
from seedbed.readout.linear import normalise_rows

_BLOCK = 2**26  # similarities held at once


def nearest(
    gallery: torch.Tensor, queries: torch.Tensor, num: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosine similarities, highest first, and rows of the gallery: float [m, num], int64 [m, num].

    Args:
        gallery: float [n, d].
        queries: float [m, d].
        num: how many, 1 to n.
    """
    if not 1 <= num <= len(gallery):
        raise UsageError(
            f"{num} neighbours are not between 1 and the {len(gallery)} images there are"
        )
    gallery, queries = normalise_rows(gallery), normalise_rows(queries)
    size = max(1, _BLOCK // max(1, len(gallery)))
    found = [
        torch.topk(queries[i : i + size] @ gallery.T, num) for i in range(0, len(queries), size)
    ]
    return torch.cat([f.values for f in found]), torch.cat([f.indices for f in found])


def vote(
    similarities: torch.Tensor, labels: torch.Tensor, num_classes: int, num: int
) -> torch.Tensor:
    """Scores [m, num_classes] from the `num` nearest of each query: a vote each, and the mean
    similarity of its voters breaks ties.

    Args:
        similarities: float [m, k], highest first, k >= num.
        labels: int64 [m, k], of those neighbours.
    """
    counts = similarities.new_zeros(similarities.shape[0], num_classes)
    closeness = torch.zeros_like(counts)
    chosen, voters = labels[:, :num], similarities[:, :num]
    counts.scatter_add_(1, chosen, torch.ones_like(voters))
    closeness.scatter_add_(1, chosen, voters)
    # a quarter: similarities lie in -1..1, votes are whole
    return counts + 0.25 * closeness / counts.clamp_min(1)
