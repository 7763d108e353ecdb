"""Find near duplicates between two data sets by their codes: those that a perceptual hash misses
(mirrored, shifted, recoloured).

In: a backbone and images of two data sets. Out: pairs, the most similar first. The threshold is
calibrated for each backbone on a sample of images. It is the similarity that 19 of 20 mirrored and
shifted copies exceed with their originals. A weak backbone also finds images that only look alike.
How often is estimated within the first data set: the share of its images with another image above
the threshold. So pairs need to be inspected.
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

# Images that the threshold is calibrated on.
_SAMPLE = 1000
# A copy is shifted by 1/16 of its side.
_SHIFT_DIVISOR = 16
_QUANTILE = 0.05


@dataclass(frozen=True, kw_only=True)
class CodePairs:
    """Pairs above the threshold: rows of the first data set [p], rows of the second [p], cosine
    similarities [p], highest first."""

    rows: np.ndarray
    others: np.ndarray
    similarities: np.ndarray
    threshold: float
    # Share of the images of the first data set whose nearest neighbour in it is above the
    # threshold.
    lookalikes: float


def add_code_pairs(audit: Audit, backbone: Backbone, store: Store, other: Store) -> Audit:
    """Add pairs of images with similar codes to an audit, without its near duplicates."""
    pairs = find_code_pairs(
        backbone, store, np.arange(store.num_images), other, np.arange(other.num_images)
    )
    known = {(row["id"], near) for row in audit.shared_with for near in row["near"]}
    rows = [
        {"id": str(store.ids[i]), "near": str(other.ids[j]), "similarity": float(s)}
        for i, j, s in zip(pairs.rows, pairs.others, pairs.similarities, strict=True)
    ]
    return replace(
        audit,
        near_by_codes=[row for row in rows if (row["id"], row["near"]) not in known],
        codes_threshold=pairs.threshold,
        codes_lookalikes=pairs.lookalikes,
    )


def find_code_pairs(
    backbone: Backbone, store: Store, rows: np.ndarray, other: Store, other_rows: np.ndarray
) -> CodePairs:
    """Pair each image of `rows` (int64, of `store`) with the most similar of `other_rows` (int64,
    of `other`), if it is above the threshold."""
    queries = codes(backbone, backbone.images(store, rows))
    gallery = codes(backbone, backbone.images(other, other_rows))
    sample = np.argsort(Draw(seed=0, purpose="leaks").ranks(store.hashes[rows]))[:_SAMPLE]
    threshold = _calibrate_threshold(backbone, store, rows[sample])
    similarities, matches = (part[:, 0].numpy() for part in nearest(gallery, queries, 1))
    near = np.flatnonzero(similarities > threshold)
    near = near[np.argsort(-similarities[near], kind="stable")]
    lookalikes = 0.0
    if len(queries) > 1:
        # The nearest neighbour of an image is the image itself.
        second_nearest = nearest(queries, queries[sample], 2)[0][:, 1].numpy()
        lookalikes = float((second_nearest > threshold).mean())
    return CodePairs(
        rows=rows[near],
        others=other_rows[matches[near]],
        similarities=similarities[near].astype(np.float64),
        threshold=threshold,
        lookalikes=lookalikes,
    )


def _calibrate_threshold(backbone: Backbone, store: Store, rows: np.ndarray) -> float:
    """The similarity to their originals that 19 of 20 mirrored and shifted copies exceed."""
    images = backbone.images(store, rows)
    originals = codes(backbone, images)
    copies = np.empty((len(rows), backbone.layer().dim), np.float32)
    fill_codes(backbone, images, {backbone.penultimate: copies}, transform=_mirror_and_shift)
    similarities = normalise_rows(originals) * normalise_rows(torch.from_numpy(copies))
    return float(np.quantile(similarities.sum(1).numpy(), _QUANTILE))


def _mirror_and_shift(batch: torch.Tensor) -> torch.Tensor:
    """Mirror a batch, and shift it by 1/16 of its side with the edge repeated."""
    shift = max(1, batch.shape[-1] // _SHIFT_DIVISOR)
    padded = torch.nn.functional.pad(batch.flip(-1), (shift, 0, shift, 0), mode="replicate")
    return padded[..., : batch.shape[-2], : batch.shape[-1]]
