"""Induction: does a network that was trained on coarse labels separate the fine labels? (Huh,
Agrawal and Efros 2016, section 3.3.)

In: codes and fine labels of a gallery and of queries, and the coarse class of each fine label. Out:
fine labels for each query, ranked by the cosine similarity of their nearest gallery image: among
all labels, and among those of the query's coarse class. Nothing is trained.

Only fine labels that share their coarse class with others take part, as gallery and as queries. The
remaining ones are coarse classes by themselves, on which the network was trained. `top1` is the
label of the nearest image; `top5` tells whether the correct label is among the first five.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import torch

from seedbed.readout.linear import normalise_rows

_BLOCK = 2**26  # similarities computed at once
NUM_RANKED = 5


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """Fine labels for each of m queries, best first; -1 where there are fewer."""

    among_all: np.ndarray  # int32 [m, 5]
    within: np.ndarray  # int32 [m, 1], among the labels of the query's coarse class


def merged_leaves(class_of_leaf: np.ndarray) -> np.ndarray:
    """The fine labels that share their coarse class with others: int [k]; -1 in `class_of_leaf`
    marks excluded labels."""
    leaves = np.flatnonzero(class_of_leaf >= 0)
    sizes = np.bincount(class_of_leaf[leaves], minlength=int(class_of_leaf.max(initial=-1)) + 1)
    return leaves[sizes[class_of_leaf[leaves]] > 1]


def baselines(class_of_leaf: np.ndarray) -> dict[str, float]:
    """Baselines in percent: a uniform guess among all labels that take part, and a uniform guess
    within the correct coarse class, which is the accuracy of perfect coarse labels."""
    leaves = merged_leaves(class_of_leaf)
    sizes = np.bincount(class_of_leaf[leaves])[class_of_leaf[leaves]]
    return {
        "chance_top1": 100.0 / len(leaves),
        "chance_top5": 100.0 * min(1.0, NUM_RANKED / len(leaves)),
        "coarse_guess_top1": 100.0 * float((1.0 / sizes).mean()),
        "coarse_guess_top5": 100.0 * float(np.minimum(1.0, NUM_RANKED / sizes).mean()),
    }


def rank_fine(
    gallery: torch.Tensor,
    gallery_leaves: np.ndarray,
    queries: torch.Tensor,
    query_leaves: np.ndarray,
    class_of_leaf: np.ndarray,
) -> Ranked:
    """Rank the fine labels for each query.

    Args:
        gallery: float [n, d]; queries: float [m, d].
        gallery_leaves, query_leaves: int [n], [m], labels among `merged_leaves`; each has a gallery
            image.
        class_of_leaf: int [num_leaves], the coarse class of each fine label, -1 for excluded ones.
    """
    leaves, which = np.unique(gallery_leaves, return_inverse=True)
    order = np.argsort(which, kind="stable")
    starts = np.searchsorted(which[order], np.arange(len(leaves)))
    bounds = [*starts.tolist(), len(order)]
    sorted_gallery = normalise_rows(gallery)[torch.from_numpy(order).to(gallery.device)]
    queries = normalise_rows(queries)
    coarse = torch.from_numpy(class_of_leaf[leaves].astype(np.int64)).to(gallery.device)
    of_query = torch.from_numpy(class_of_leaf[query_leaves].astype(np.int64)).to(gallery.device)
    size = max(1, _BLOCK // max(1, len(order)))
    best, within = [], []
    for i in range(0, len(queries), size):
        similarities = queries[i : i + size] @ sorted_gallery.T
        nearest = torch.stack(
            [similarities[:, a:b].amax(1) for a, b in itertools.pairwise(bounds)], dim=1
        )
        best.append(torch.topk(nearest, min(NUM_RANKED, len(leaves))).indices.cpu())
        inside = of_query[i : i + size, None] == coarse[None, :]
        within.append(nearest.masked_fill(~inside, -2.0).argmax(1, keepdim=True).cpu())
    return Ranked(
        among_all=leaves[torch.cat(best).numpy()].astype(np.int32),
        within=leaves[torch.cat(within).numpy()].astype(np.int32),
    )
