"""Products of the solver of linear readouts: scores, gradients, Gram matrix.

In: codes, a loss. Out: products with the codes and a constant feature. Suffixes: N images, D
features including the constant, K classes.
"""

from __future__ import annotations

import warnings

import torch

from seedbed.readout.losses import Loss

# Share of nonzero residuals below which a sparse product is faster on a CPU.
_SPARSE_BELOW = 0.015
_CHUNK = 4096  # rows of the float64 gradient at a time


def gram_matrix(codes_ND: torch.Tensor) -> torch.Tensor:
    """Gram matrix of the features, with a constant as the last one: [D, D]."""
    num, dim = codes_ND.shape
    gram_DD = codes_ND.new_empty(dim + 1, dim + 1)
    gram_DD[:dim, :dim] = codes_ND.T @ codes_ND
    gram_DD[dim, :dim] = gram_DD[:dim, dim] = codes_ND.sum(0)
    gram_DD[dim, dim] = num
    return gram_DD


class LinearProblem:
    """Codes, a loss, and the Gram matrix that all classes and all values of C share."""

    def __init__(self, codes_ND: torch.Tensor, gram_DD: torch.Tensor, loss: Loss) -> None:
        self.codes_ND, self.gram_DD, self.loss = codes_ND, gram_DD, loss
        num, dim = codes_ND.shape
        self.penalty_D = codes_ND.new_ones(dim + 1)
        if not loss.penalises_intercept:
            self.penalty_D[dim] = 0.0
        # Scores and gradient of one class.
        self.pass_flops = 4.0 * num * (dim + 1)

    def scores(self, weights_DK: torch.Tensor) -> torch.Tensor:
        """Scores of all rows: [N, K]."""
        return torch.addmm(weights_DK[-1], self.codes_ND, weights_DK[:-1])

    def feature_sums(self, residual_NK: torch.Tensor, density: float) -> torch.Tensor:
        """Transposed features times residuals: [D, K]; a sparse product if few residuals are
        nonzero (`density`)."""
        is_sparse = (
            density < _SPARSE_BELOW
            and residual_NK.device.type == "cpu"
            and torch.backends.mkl.is_available()
        )
        if is_sparse:
            with warnings.catch_warnings():
                # torch warns that sparse tensors are in beta.
                warnings.simplefilter("ignore")
                body = (residual_NK.T.contiguous().to_sparse_csr() @ self.codes_ND).T
        else:
            body = self.codes_ND.T @ residual_NK
        return torch.cat([body, residual_NK.sum(0, keepdim=True)])

    def rows(self, selection: torch.Tensor) -> torch.Tensor:
        """Features of some rows with the constant: [n, D]."""
        rows = self.codes_ND[selection]
        return torch.cat([rows, rows.new_ones(len(rows), 1)], dim=1)

    def gradient_float64(
        self, weights_DK: torch.Tensor, c: float, classes: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Gradient [D, K'] and loss [K'] of some classes in float64, a chunk of rows at a time."""
        weights = weights_DK.double()
        gradient = self.penalty_D.double()[:, None] * weights
        total = weights.new_zeros(weights.shape[1])
        for start in range(0, len(self.codes_ND), _CHUNK):
            rows = slice(start, start + _CHUNK)
            part = self.codes_ND[rows].double()
            value, residual, _ = self.loss.of_rows(rows, torch.float64).at(
                torch.addmm(weights[-1], part, weights[:-1]), classes
            )
            gradient -= c * torch.cat([part.T @ residual, residual.sum(0, keepdim=True)])
            total += value
        return gradient, total
