"""Codes for retrieval, and the search: L2, PCA with whitening, L2 again, signed power (Razavian et
al. 2014, section 4).

In: codes of images that the whitening is fitted on, which are named, never the searched ones by
default; codes of gallery and queries. Out: codes to be searched, and rankings, exact by torch or by
faiss for sets that are too large for that. Knows nothing of tasks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from seedbed.base.errors import UsageError
from seedbed.readout.linear import normalise_rows

# of the largest variance: directions below it are noise, and whitening would blow it up
_FLOOR = 1e-6


@dataclass(frozen=True, kw_only=True)
class Whitening:
    """x -> (x - mean) @ turn, whose columns are principal directions over their standard
    deviations."""

    mean: torch.Tensor  # float64 [d]
    turn: torch.Tensor  # float64 [d, k]
    explained: float  # share of the variance that the k directions hold, 0..1

    @staticmethod
    def fit(codes: torch.Tensor, dim: int) -> Whitening:
        """Of codes float [n, d] to at most `dim` dimensions; fewer where the codes have not so
        many."""
        if len(codes) < 2:
            raise UsageError(
                f"a whitening was to be fitted on {len(codes)} images",
                "Give it some hundreds: learn_on='other-photos/'.",
            )
        values = codes.double()
        mean = values.mean(0)
        _, spread, directions = torch.linalg.svd(values - mean, full_matrices=False)
        variances = spread.square() / (len(values) - 1)
        num = min(dim, int((variances > _FLOOR * variances[0]).sum()))
        if not num:
            raise UsageError(
                "the codes that a whitening was to be fitted on are all alike",
                "Name other images: learn_on='other-photos/'.",
            )
        turn = directions[:num].T / variances[:num].sqrt()
        return Whitening(
            mean=mean, turn=turn, explained=float(variances[:num].sum() / variances.sum())
        )

    def __call__(self, codes: torch.Tensor) -> torch.Tensor:
        return ((codes.double() - self.mean) @ self.turn).float()


def to_search_codes(codes: torch.Tensor, whitening: Whitening | None, power: float) -> torch.Tensor:
    """Codes float [n, d] as they are compared: float32 [n, k] of length 1. `power` 2 squares values
    and keeps their signs."""
    found = normalise_rows(codes.float())
    if whitening is not None:
        found = normalise_rows(whitening(found))
    if power != 1:
        found = normalise_rows(found.sign() * found.abs().pow(power))
    return found


def rank_exact(queries: torch.Tensor, gallery: torch.Tensor) -> np.ndarray:
    """Positions in the gallery by falling similarity, ties to the lower: int64 [q, g]."""
    return torch.argsort(queries @ gallery.T, dim=1, descending=True, stable=True).cpu().numpy()


class FaissIndex:
    """An inverted file of faiss: looks at the cells that are nearest to a query, for galleries of a
    million images and more."""

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
        # faiss wants 39 images a cell to place it
        cells = max(1, min(int(4 * num**0.5), num // 39))
        self.depth, self.num_cells = min(depth, num), cells
        self._index: Any = faiss.IndexIVFFlat(
            faiss.IndexFlatIP(dim), dim, cells, faiss.METRIC_INNER_PRODUCT
        )
        self._index.train(values)
        self._index.add(values)
        self._index.nprobe = self.num_probed = max(1, round(cells**0.5))

    def rank(self, queries: torch.Tensor) -> np.ndarray:
        """What was found, the best first, then -1 where nothing was: int64 [q, depth]."""
        _, found = self._index.search(
            np.ascontiguousarray(queries.cpu().numpy(), np.float32), self.depth
        )
        return found.astype(np.int64)
