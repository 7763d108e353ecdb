"""Images of one set that are near to images of another by their codes: what a perceptual hash
misses (mirrored, shifted, recoloured).

In: a backbone and two sets of its images. Out: pairs, the nearest first. What "near" means is
calibrated for each backbone: on a sample of the images, how alike is an image's code to that of its
    own mirrored and shifted copy? A pair counts that is more alike than nineteen
of twenty such copies are to their originals. A coarse backbone finds lookalikes too: how often it
does is told by the images of the first set, of which one in so many is as near to another image of
that set. Pairs are to be looked at. Knows nothing of labels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from seedbed.base.randomness import Draw
from seedbed.data.audit import Audit
from seedbed.data.store import Store
from seedbed.models.backbone import Backbone
from seedbed.models.codes import codes, fill_codes
from seedbed.readout.linear import normalise_rows
from seedbed.readout.neighbours import nearest

_SAMPLE = 1000  # images that the threshold is calibrated on
_SHIFT = 16  # a copy is shifted by this part of its side
_QUANTILE = 0.05


@dataclass(frozen=True, kw_only=True)
class CodePairs:
    """Pairs above the threshold: rows of the first set [p], rows of the second [p], cosine
    similarities [p], highest first."""

    rows: np.ndarray
    others: np.ndarray
    similarities: np.ndarray
    threshold: float
    # share of the first set's images whose nearest other image of that same set is above the
    # threshold
    lookalikes: float


def add_code_pairs(found: Audit, backbone: Backbone, store: Store, other: Store) -> Audit:
    """The audit with the images near by codes beside; pairs that it holds as near duplicates
    already are left out."""
    pairs = find_code_pairs(
        backbone, store, np.arange(store.num_images), other, np.arange(other.num_images)
    )
    known = {(row["id"], near) for row in found.shared_with for near in row["near"]}
    named = [
        {"id": str(store.ids[i]), "near": str(other.ids[j]), "similarity": float(s)}
        for i, j, s in zip(pairs.rows, pairs.others, pairs.similarities, strict=True)
    ]
    return replace(
        found,
        near_by_codes=[row for row in named if (row["id"], row["near"]) not in known],
        codes_threshold=pairs.threshold,
        codes_lookalikes=pairs.lookalikes,
    )


def find_code_pairs(
    backbone: Backbone, store: Store, rows: np.ndarray, other: Store, other_rows: np.ndarray
) -> CodePairs:
    """For each image of `rows` the nearest of `other_rows`, where it is near enough; rows of either
    store, int64."""
    mine, theirs = (
        codes(backbone, backbone.images(store, rows)),
        codes(backbone, backbone.images(other, other_rows)),
    )
    few = np.argsort(Draw(seed=0, purpose="leaks").ranks(store.hashes[rows]))[:_SAMPLE]
    threshold = _threshold(backbone, store, rows[few])
    similarities, found = (part[:, 0].numpy() for part in nearest(theirs, mine, 1))
    near = np.flatnonzero(similarities > threshold)
    near = near[np.argsort(-similarities[near], kind="stable")]
    own = nearest(mine, mine[few], 2)[0][:, 1].numpy() if len(mine) > 1 else np.zeros(0)
    return CodePairs(
        rows=rows[near],
        others=other_rows[found[near]],
        similarities=similarities[near].astype(np.float64),
        threshold=threshold,
        lookalikes=float((own > threshold).mean()) if len(own) else 0.0,
    )


def _threshold(backbone: Backbone, store: Store, rows: np.ndarray) -> float:
    """What one in twenty mirrored and shifted copies falls short of, in similarity to its
    original."""
    images = backbone.images(store, rows)
    original, copy = (
        codes(backbone, images),
        np.empty((len(rows), backbone.layer().dim), np.float32),
    )
    fill_codes(backbone, images, {backbone.penultimate: copy}, transform=_copied)
    alike = (normalise_rows(original) * normalise_rows(torch.from_numpy(copy))).sum(1)
    return float(np.quantile(alike.numpy(), _QUANTILE))


def _copied(batch: torch.Tensor) -> torch.Tensor:
    """Mirrored, and shifted by a part of the side with the edge repeated."""
    by = max(1, batch.shape[-1] // _SHIFT)
    padded = torch.nn.functional.pad(batch.flip(-1), (by, 0, by, 0), mode="replicate")
    return padded[..., : batch.shape[-2], : batch.shape[-1]]
