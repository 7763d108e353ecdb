"""Iterations of the solver of linear readouts at one value of C.

In: a problem, C, initial weights. Out: a solution for all classes. The method is described in
`seedbed.readout.solver`. Suffixes: N images, D features including the constant, K classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from seedbed.readout.linear_problem import LinearProblem
from seedbed.readout.losses import SquaredHinge

# Largest decrement at convergence, relative to the objective.
_TOLERANCE = {torch.float64: 1e-8, torch.float32: 1e-5}
# Factor of these for softmax: at small C its objective is almost flat where predictions still
# change.
_COUPLED_FACTOR = 0.1
_MAX_STEPS = 300
_HISTORY = 10  # of L-BFGS
# Passes over the codes that an exact Newton step of all classes may cost.
_NEWTON_PASSES = 3
# An exact Newton step of this cost is always allowed: it gives the exact distance to the minimum.
_NEWTON_FLOPS = 5e9
# An objective below this share of C * rows (its value at weights of 0) counts as this share.
_VANISHING = 1e-7


@dataclass(frozen=True, kw_only=True)
class Solution:
    """Weights at one C."""

    c: float
    weights: torch.Tensor  # float64 [D, K], the intercept in the last row
    num_steps: int
    suboptimality: float  # estimated, relative to the objective; the largest over the classes
    converged: bool
    # Into how many groups the classes were divided because memory could not hold all at once.
    num_parts: int = 1


class SolverAtC:
    """Solves all classes for one value of C, until each has converged.

    `active` are the classes that have not converged; scores, gradients and history are of these.
    """

    def __init__(self, problem: LinearProblem, c: float, start_DK: torch.Tensor | None) -> None:
        self.problem, self.loss, self.c = problem, problem.loss, c
        self.factors: dict[int, torch.Tensor] = {}
        all_classes = torch.arange(self.loss.num_classes, device=problem.codes_ND.device)
        self.weights_DK = self._start(all_classes) if start_DK is None else start_DK.clone()
        self.active = all_classes
        self.scores = problem.scores(self.weights_DK)
        # Steps, changes of the gradient and their inverse products, for L-BFGS.
        self.history: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
        self.last_step: tuple[torch.Tensor, torch.Tensor] | None = None
        factor = _COUPLED_FACTOR if self.loss.couples else 1
        self.tolerance = _TOLERANCE[problem.codes_ND.dtype] * factor
        self.suboptimality = torch.full_like(self.weights_DK[0], math.inf)

    def _start(self, all_classes: torch.Tensor) -> torch.Tensor:
        """Initial weights: one Newton step from zero with the same curvature for all rows (for a
        hinge: ridge regression on the signs).

        For softmax it is zero. Its curvature at zero is no bound, so that such a step may go far
        beyond the minimum.
        """
        problem = self.problem
        if self.loss.couples:
            return problem.codes_ND.new_zeros(len(problem.gram_DD), len(all_classes))
        zeros = problem.codes_ND.new_zeros(len(problem.codes_ND), len(all_classes))
        _, residual, curvature = self.loss.at(zeros, all_classes)
        return self._precondition(self.c * problem.feature_sums(residual, 1.0), curvature)

    def solve(self) -> Solution:
        step = 0
        while len(self.active) and step < _MAX_STEPS:
            if not self._advance():
                break
            step += 1
        is_float32 = self.problem.codes_ND.dtype == torch.float32
        worst = self._check_float64() if is_float32 else float(self.suboptimality.max())
        return Solution(
            c=self.c,
            weights=self.weights_DK.double(),
            num_steps=step,
            suboptimality=worst,
            converged=not len(self.active) and worst <= 10 * self.tolerance,
        )

    def _advance(self) -> bool:
        """Take one step for the active classes and drop those that have converged; False if no
        class can be improved."""
        gradient, objective, curvature = self._gradient()
        direction, decrement = self._direction(gradient, curvature)
        relative = self._relative(decrement, objective)
        self.suboptimality[self.active] = relative
        unsolved = relative > self.tolerance
        if not bool(unsolved.any()):
            self.active = self.active[:0]
            return True
        if not self.loss.couples and int(unsolved.sum()) < 0.9 * len(self.active):
            self._select(unsolved)
            gradient, direction = gradient[:, unsolved], direction[:, unsolved]
        along = self.problem.scores(direction)
        weights = self.weights_DK[:, self.active]
        penalty_D = self.problem.penalty_D[:, None]
        linear = (penalty_D * weights * direction).sum(0)
        square = (penalty_D * direction.square()).sum(0)
        descent = -(gradient * direction).sum(0)
        size = self.loss.step(self.scores, along, linear, square, self.c, self.active, descent)
        if not bool((size > 0).any()):
            return False
        step = size * direction
        self.last_step = (step, gradient)
        self.weights_DK[:, self.active] = weights + step
        self.scores = self.scores + size * along
        return True

    def _select(self, classes: torch.Tensor) -> None:
        """Keep these of the active classes."""
        self.active, self.scores = self.active[classes], self.scores[:, classes]
        self.history = [(s[:, classes], y[:, classes], r[classes]) for s, y, r in self.history]

    def _gradient(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Gradient [D, K'], objective [K'] and mean curvature [K'] of the active classes; adds the
        last step to the history."""
        weights = self.weights_DK[:, self.active]
        penalty_D = self.problem.penalty_D[:, None]
        value, residual, curvature = self.loss.at(self.scores, self.active)
        density = float(curvature.mean()) if isinstance(self.loss, SquaredHinge) else 1.0
        loss_gradient = self.problem.feature_sums(residual, density)
        gradient = penalty_D * weights - self.c * loss_gradient
        if self.last_step is not None:
            step, change = self.last_step[0], gradient - self.last_step[1]
            self.last_step = None
            inverse = 1 / self._dot(step, change).clamp_min(1e-30)
            self.history = [*self.history, (step, change, inverse)][-_HISTORY:]
        objective = 0.5 * (penalty_D * weights.square()).sum(0) + self.c * value
        return gradient, objective, curvature

    def _dot(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """Inner products [K'] of each class, or of all together for coupled classes."""
        products = (a * b).sum(0)
        return products.sum().expand(len(products)) if self.loss.couples else products

    def _relative(self, decrement: torch.Tensor, objective: torch.Tensor) -> torch.Tensor:
        """Decrements [K'] relative to the objectives."""
        if self.loss.couples:
            return (decrement.sum() / objective.sum()).expand(len(decrement))
        # The objective of ridge for a class without images goes to 0.
        return decrement / objective.clamp_min(_VANISHING * self.c * len(self.loss.labels))

    def _direction(
        self, gradient: torch.Tensor, curvature: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """A descent direction [D, K'] and its decrement [K']."""
        if isinstance(self.loss, SquaredHinge) and self._newton_is_cheap(curvature):
            self.history = []
            direction = self._newton_direction(gradient)
        else:
            direction = -self._lbfgs(gradient, curvature)
        return direction, -0.5 * (gradient * direction).sum(0)

    def _lbfgs(self, gradient: torch.Tensor, curvature: torch.Tensor) -> torch.Tensor:
        """Two-loop recursion of L-BFGS: the approximate inverse Hessian times the gradient."""
        q, shares = gradient.clone(), []
        for step, change, inverse in reversed(self.history):
            share = inverse * self._dot(step, q)
            q -= share * change
            shares.append(share)
        q = self._precondition(q, curvature)
        for (step, change, inverse), share in zip(self.history, reversed(shares), strict=True):
            q += step * (share - inverse * self._dot(change, q))
        return q

    def _precondition(self, vectors: torch.Tensor, curvature: torch.Tensor) -> torch.Tensor:
        """(penalty + C bound 2^octave Gram)^-1 vectors; the octave of a class is that of its mean
        curvature."""
        scaled = curvature / self.loss.bound if self.loss.couples else curvature
        octaves = [round(math.log2(max(value, 2.0**-20))) for value in scaled.tolist()]
        solved = torch.empty_like(vectors)
        for octave in set(octaves):
            columns = [i for i, o in enumerate(octaves) if o == octave]
            solved[:, columns] = torch.cholesky_solve(vectors[:, columns], self._factor(octave))
        return solved

    def _factor(self, octave: int) -> torch.Tensor:
        """Cholesky factor of the preconditioner of an octave."""
        if octave not in self.factors:
            matrix = self.problem.gram_DD * (self.c * self.loss.bound * 2.0**octave)
            matrix.diagonal().add_(self.problem.penalty_D)
            factor, info = torch.linalg.cholesky_ex(matrix)
            if int(info):  # float32 rounding of a nearly singular Gram matrix at very large C
                matrix.diagonal().add_(1e-6 * matrix.diagonal().mean())
                factor = torch.linalg.cholesky(matrix)
            self.factors[octave] = factor
        return self.factors[octave]

    def _newton_is_cheap(self, curvature: torch.Tensor) -> bool:
        """Whether exact Newton steps of all active classes cost little; for a hinge the mean
        curvature is the share of active rows."""
        num, dim = len(self.problem.codes_ND), len(self.problem.gram_DD)
        num_active = curvature * num
        fewer = torch.minimum(num_active, num - num_active)
        # The kernel of the active rows, or their Hessian: computed from these rows, or from the
        # Gram matrix and the other rows.
        by_kernel = num_active.square() * dim + num_active**3 / 3
        by_hessian = fewer * dim**2 + dim**3 / 3
        limit = max(_NEWTON_FLOPS, _NEWTON_PASSES * self.problem.pass_flops * len(num_active))
        return float(torch.minimum(by_kernel, by_hessian).sum()) <= limit

    def _newton_direction(self, gradient: torch.Tensor) -> torch.Tensor:
        """Minus the inverse generalised Hessian of each class times its gradient."""
        signs = self.loss.signs(self.active)  # pyright: ignore[reportAttributeAccessIssue]
        active_KN = ((1 - signs * self.scores) > 0).T.contiguous()
        num = len(self.active)
        columns = [self._newton_column(gradient[:, k], active_KN[k]) for k in range(num)]
        return -torch.stack(columns, dim=1)

    def _newton_column(self, gradient: torch.Tensor, active: torch.Tensor) -> torch.Tensor:
        """The inverse generalised Hessian of one class, with these active rows [N], times its
        gradient [D]."""
        num_active, dim = int(active.sum()), len(gradient)
        if num_active < dim:  # (I + 2 C A'A)^-1 = I - A' (I / 2C + A A')^-1 A
            rows = self.problem.rows(active)
            kernel = (rows @ rows.T).double()
            kernel.diagonal().add_(1 / (2 * self.c))
            rows = rows.double()
            inner = (rows @ gradient.double())[:, None]
            return (gradient.double() - rows.T @ _solve(kernel, inner)[:, 0]).to(gradient.dtype)
        is_minority = 2 * num_active <= len(active)
        # In float32, which halves the time; the Hessian only shapes the step.
        rows = self.problem.rows(active if is_minority else ~active).float()
        part = (rows.T @ rows).double()
        hessian = 2 * self.c * (part if is_minority else self.problem.gram_DD.double() - part)
        hessian.diagonal().add_(1.0)
        return _solve(hessian, gradient.double()[:, None])[:, 0].to(gradient.dtype)

    def _check_float64(self) -> float:
        """The largest relative decrement over all classes, from gradients in float64."""
        device = self.active.device
        self.active, self.history = torch.arange(self.loss.num_classes, device=device), []
        self.scores = self.problem.scores(self.weights_DK)
        gradient, value = self.problem.gradient_float64(self.weights_DK, self.c, self.active)
        penalty_D = self.problem.penalty_D.double()[:, None]
        norms = (penalty_D * self.weights_DK.double().square()).sum(0)
        objective = 0.5 * norms + self.c * value
        _, _, curvature = self.loss.at(self.scores, self.active)
        _, decrement = self._direction(gradient.to(self.scores.dtype), curvature)
        relative = self._relative(decrement.double(), objective)
        self.active = self.active[relative > 10 * self.tolerance]
        return float(relative.max())


def _solve(matrix: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Solve a positive definite system; by least squares if it is singular."""
    factor, info = torch.linalg.cholesky_ex(matrix)
    if int(info):
        return torch.linalg.lstsq(matrix, right).solution
    return torch.cholesky_solve(right, factor)
