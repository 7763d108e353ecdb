"""Linear readouts: an L2-regularised squared-hinge SVM, one against the rest, solved by Newton's method.

In: codes float [n, d] and labels. Out: weights. The objective is LIBLINEAR's and scikit-learn's `LinearSVC(loss="squared_hinge")`:
1/2 |w|^2 + C sum_i max(0, 1 - y_i w.x_i)^2, the intercept a feature of constant 1 and regularised too. Suffixes: N images, D features
(codes and the constant), K classes.

Newton with the exact generalised Hessian (Keerthi and DeCoste 2005; Chapelle 2007) needs a handful of steps where d is small: a class's
Hessian is the Gram matrix of its active rows, made from the shared one by taking the inactive rows out when these are fewer. The
gradient is in float64, the Hessian in float32: it only shapes the step. It stops when the objective is within 1e-8 of its minimum,
relatively, as the Newton decrement estimates it: the same accuracy at every C.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

_TOLERANCE = 1e-8  # of the objective
_MAX_STEPS = 100


@dataclass(frozen=True, kw_only=True)
class LinearClassifier:
    """Scores are codes @ weights + intercept."""

    weights: torch.Tensor  # float64 [d, K]
    intercept: torch.Tensor  # float64 [K]
    c: float
    num_steps: int  # Newton steps, the largest over the classes
    converged: bool

    def scores(self, codes: torch.Tensor) -> torch.Tensor:
        """float64 [n, K] of codes [n, d]."""
        return codes.double() @ self.weights + self.intercept


def normalise_rows(codes: torch.Tensor) -> torch.Tensor:
    """Each code divided by its L2 norm; a zero code stays zero."""
    return codes / codes.norm(dim=1, keepdim=True).clamp_min(1e-12)


def fit_svm(codes: torch.Tensor, labels: torch.Tensor, num_classes: int, grid: Sequence[float]) -> list[LinearClassifier]:
    """One classifier for each C of `grid` (ascending), each started where the one before ended.

    Args:
        codes: float [n, d]; normalise them first.
        labels: int64 [n] in 0..num_classes-1.
        num_classes: K; a class without an image gets a classifier that says no.
        grid: values of C > 0, the weight of the loss.
    """
    problem = _Problem(codes, labels, num_classes)
    weights_DK = torch.zeros(problem.x_ND.shape[1], num_classes, dtype=torch.float64)
    found = []
    for c in grid:
        weights_DK, num_steps, converged = problem.solve(weights_DK, c)
        found.append(
            LinearClassifier(weights=weights_DK[:-1], intercept=weights_DK[-1], c=c, num_steps=num_steps, converged=converged)
        )
    return found


def svm_objective(codes: torch.Tensor, labels: torch.Tensor, classifier: LinearClassifier) -> torch.Tensor:
    """The objective of each class: float64 [K]."""
    signs_NK = _signs(labels, classifier.weights.shape[1])
    slack_NK = (1 - signs_NK * classifier.scores(codes)).clamp_min(0)
    norm_K = classifier.weights.square().sum(0) + classifier.intercept.square()
    return 0.5 * norm_K + classifier.c * slack_NK.square().sum(0)


def _signs(labels: torch.Tensor, num_classes: int) -> torch.Tensor:
    return torch.nn.functional.one_hot(labels, num_classes).double() * 2 - 1


class _Problem:
    """The data of one readout, in both precisions, and the Gram matrix that all classes and all C share."""

    def __init__(self, codes: torch.Tensor, labels: torch.Tensor, num_classes: int) -> None:
        ones = torch.ones(len(codes), 1, dtype=torch.float64)
        self.x_ND = torch.cat([codes.double(), ones], dim=1)
        self.x32_ND = self.x_ND.float()
        self.gram_DD = self.x32_ND.T @ self.x32_ND
        self.signs_KN = _signs(labels, num_classes).T.contiguous()

    def solve(self, start_DK: torch.Tensor, c: float) -> tuple[torch.Tensor, int, bool]:
        solved = [self._solve_class(start_DK[:, k], self.signs_KN[k], c) for k in range(start_DK.shape[1])]
        weights_DK = torch.stack([w for w, _, _ in solved], dim=1)
        return weights_DK, max(s for _, s, _ in solved), all(done for _, _, done in solved)

    def _solve_class(self, w: torch.Tensor, y: torch.Tensor, c: float) -> tuple[torch.Tensor, int, bool]:
        scores = self.x_ND @ w
        for step in range(_MAX_STEPS):
            slack = 1 - y * scores
            active = slack > 0
            gradient = w - 2 * c * (self.x_ND.T @ (y * slack.clamp_min(0)))
            direction = -self._newton(active, c, gradient)
            # Half the Newton decrement estimates how far the objective lies above its minimum.
            objective = 0.5 * float(w @ w) + c * float(slack.clamp_min(0).square().sum())
            if -0.5 * float(gradient @ direction) <= _TOLERANCE * objective:
                return w, step, True
            along = self.x_ND @ direction
            size = _line_search(w, direction, scores, along, y, c)
            if size == 0.0:
                return w, step, False
            w, scores = w + size * direction, scores + size * along
        return w, _MAX_STEPS, False

    def _newton(self, active: torch.Tensor, c: float, gradient: torch.Tensor) -> torch.Tensor:
        few_active = 2 * int(active.sum()) <= len(active)
        part = self.x32_ND[active if few_active else ~active]
        gram_DD = part.T @ part
        hessian_DD = (2 * c * (gram_DD if few_active else self.gram_DD - gram_DD)).double()
        hessian_DD.diagonal().add_(1.0)
        factor, info = torch.linalg.cholesky_ex(hessian_DD)
        if int(info) != 0:  # float32 rounding of a nearly singular Gram at very large C
            return torch.linalg.lstsq(hessian_DD, gradient[:, None]).solution[:, 0]
        return torch.cholesky_solve(gradient[:, None], factor)[:, 0]


def _line_search(
    w: torch.Tensor, direction: torch.Tensor, scores: torch.Tensor, along: torch.Tensor, y: torch.Tensor, c: float
) -> float:
    """The minimiser of the piecewise quadratic objective along `direction`, by Newton on its derivative; 0 if it does not descend."""
    a, b = float(direction @ direction), float(w @ direction)
    y_along = y * along
    base = 1 - y * scores

    def slope(t: float) -> tuple[float, float]:
        slack = base - t * y_along
        on = slack > 0
        part = y_along[on]
        return b + t * a - 2 * c * float(slack[on] @ part), a + 2 * c * float(part @ part)

    first, curvature = slope(0.0)
    if first >= 0:
        return 0.0
    low, high, t = 0.0, float("inf"), 1.0
    for _ in range(30):
        value, curvature = slope(t)
        if abs(value) <= 1e-3 * abs(first):
            return t
        low, high = (t, high) if value < 0 else (low, t)
        t = t - value / curvature
        if not low < t < high:
            t = (low + high) / 2 if high < float("inf") else 2 * low
    return t
