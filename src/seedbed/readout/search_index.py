"""Codes for retrieval and search: L2 norm, PCA whitening, L2 norm, signed power (Razavian et al.
2014, section 4).

In: codes of images to fit the whitening on, codes of gallery and queries. Out: codes to search
with, and rankings: exact with torch, or approximate with faiss for large galleries.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from seedbed.base.errors import UsageError
from seedbed.readout.linear import normalise_rows

# Directions with less than this share of the largest variance are noise that whitening would
# amplify.
_MIN_VARIANCE = 1e-6


@dataclass(frozen=True, kw_only=True)
class Whitening:
    """PCA whitening: x -> (x - mean) @ projection, whose columns are principal directions divided
    by their standard deviations."""

    mean: torch.Tensor  # float64 [d]
    projection: torch.Tensor  # float64 [d, k]
    explained: float  # share of the variance in these k directions, 0..1

    @staticmethod
    def fit(codes: torch.Tensor, dim: int) -> Whitening:
        """Fit on codes float [n, d]; `dim` is the largest number of dimensions."""
        if len(codes) < 2:
            raise UsageError(
                f"whitening cannot be fitted on {len(codes)} images",
                "Give some hundreds of images: learn_on='other-photos/'.",
            )
        values = codes.double()
        mean = values.mean(0)
        _, singular, directions = torch.linalg.svd(values - mean, full_matrices=False)
        variances = singular.square() / (len(values) - 1)
        num = min(dim, int((variances > _MIN_VARIANCE * variances[0]).sum()))
        if not num:
            raise UsageError(
                "whitening cannot be fitted on codes that are all equal",
                "Use other images: learn_on='other-photos/'.",
            )
        projection = directions[:num].T / variances[:num].sqrt()
        return Whitening(
            mean=mean,
            projection=projection,
            explained=float(variances[:num].sum() / variances.sum()),
        )

    def __call__(self, codes: torch.Tensor) -> torch.Tensor:
        return ((codes.double() - self.mean) @ self.projection).float()


def to_search_codes(codes: torch.Tensor, whitening: Whitening | None, power: float) -> torch.Tensor:
    """Search codes float32 [n, k] of unit length, from codes float [n, d]. Values are raised to
    `power`, with their signs kept."""
    values = normalise_rows(codes.float())
    if whitening is not None:
        values = normalise_rows(whitening(values))
    if power != 1:
        values = normalise_rows(values.sign() * values.abs().pow(power))
    return values


def rank_exact(queries: torch.Tensor, gallery: torch.Tensor) -> np.ndarray:
    """Positions in the gallery in order of decreasing similarity: int64 [q, g]; ties go to the
    lower position."""
    return torch.argsort(queries @ gallery.T, dim=1, descending=True, stable=True).cpu().numpy()


class FaissIndex:
    """An inverted-file index of faiss, for galleries of a million images and more: it searches the
    cells nearest to a query."""

    def __init__(self, gallery: torch.Tensor, depth: int) -> None:
        try:
            import faiss  # pyright: ignore[reportMissingImports]
        except ImportError:
            raise UsageError(
                "search='faiss' needs the package faiss-cpu",
                "Install it: pip install 'seedbed[faiss]'.",
            ) from None
        values = np.ascontiguousarray(gallery.cpu().numpy(), np.float32)
        num, dim = values.shape
        # faiss recommends at least 39 images per cell.
        cells = max(1, min(int(4 * num**0.5), num // 39))
        self.depth, self.num_cells = min(depth, num), cells
        self._index: Any = faiss.IndexIVFFlat(
            faiss.IndexFlatIP(dim), dim, cells, faiss.METRIC_INNER_PRODUCT
        )
        self._index.train(values)
        self._index.add(values)
        self._index.nprobe = self.num_probed = max(1, round(cells**0.5))

    def rank(self, queries: torch.Tensor) -> np.ndarray:
        """Positions in the gallery in order of decreasing similarity, -1 after the last result:
        int64 [q, depth]."""
        values = np.ascontiguousarray(queries.cpu().numpy(), np.float32)
        _, positions = self._index.search(values, self.depth)
        return positions.astype(np.int64)
