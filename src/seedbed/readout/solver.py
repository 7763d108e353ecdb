"""Minimising 1/2 |w|^2 + C loss over all classes at once.

In: codes, a loss, values of C in ascending order. Out: weights of each, each begun where the one
before ended. Suffixes: N images, D features and the constant, K classes.

What costs is a pass over the codes, two products of N x D with D x K. So directions are bought with
as few of them as there can be:

- The Gram matrix of the features is made once. For each class, I + C b a Gram, with b the bound on
  the loss's second derivative and a its mean over the bound (for a hinge: the share of rows that
  are active), preconditions L-BFGS (Nocedal and Wright 2006, 7.2). Its Cholesky factors are shared
  by all classes whose a lies in the same octave. Where all rows are active it is exact.
- Where few rows are active, a class's Newton step (Keerthi and DeCoste 2005) is exact and costs
  less than the passes that it saves: the Hessian of its active rows, or by Woodbury's identity
      their kernel.
- A hinge's gradient takes the active pairs of rows and classes alone: a sparse product, where they
  are few.
- Classes that have converged are left out of all products.
- Where there are fewer rows than features, the problem is turned into the rows' own space first,
  which changes nothing (QR).

It stops when the decrement 1/2 g H^-1 g, which estimates how far the objective lies above its
minimum, is below a share of the objective: the same accuracy at every C. Large problems are solved
    in float32; the last decrement of each C is then computed in float64.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from seedbed.base.device import free_bytes, one_thread
from seedbed.base.errors import UsageError
from seedbed.readout.losses import Loss, SquaredHinge

_UNTHREADED_FLOPS = 2e7  # of a pass over the codes, below which threads cost more than they bring
# up to which a pass, and ten times that for the Gram matrix, are made in float64
_EXACT_FLOPS = 5e8
_TOLERANCE = {torch.float64: 1e-8, torch.float32: 1e-5}  # of the objective
# of these, for softmax: at small C its objective is all but flat where predictions still change
_COUPLED = 0.1
_MAX_STEPS = 300
_HISTORY = 10
_NEWTON_PASSES = 3  # passes that an exact Newton step of all classes may cost
# and what it may cost in any case: it alone knows exactly how far the minimum is
_NEWTON_FLOPS = 5e9
# an objective below this share of C times the number of rows, its value at weights of 0, counts as
# that
_VANISHING = 1e-7
# arrays of rows x classes that are held at once, and what of the free memory they may take
_ARRAYS, _SHARE_OF_MEMORY = 7, 0.7
_SPARSE_BELOW = 0.015  # density of the active pairs at which a sparse product is quicker on a CPU
_CHUNK = 4096  # rows of a float64 check


@dataclass(frozen=True, kw_only=True)
class Solution:
    """Weights at one C."""

    c: float
    weights: torch.Tensor  # float64 [D, K], the intercept in the last row
    num_steps: int
    suboptimality: float  # estimated, relative to the objective; the largest over the classes
    converged: bool
    num_parts: int = 1  # into which the classes were divided, as memory did not hold them at once


def minimise(
    codes: torch.Tensor,
    loss: type[Loss],
    labels: torch.Tensor,
    num_classes: int,
    grid: Sequence[float],
) -> list[Solution]:
    """Solutions for each C of `grid`, ascending; on the device of the codes."""
    num, dim = codes.shape
    if num + 1 < dim:
        turn_DN, small = torch.linalg.qr(codes.double().T)  # codes = small.T @ turn.T
        solved = minimise(small.T.contiguous(), loss, labels, num_classes, grid)
        return [_turned(s, turn_DN) for s in solved]
    passes = 4.0 * num * dim * num_classes
    dtype = (
        torch.float64
        if passes <= _EXACT_FLOPS and num * dim**2 <= 10 * _EXACT_FLOPS
        else torch.float32
    )
    codes = codes.to(dtype)
    gram = gram_matrix(codes)
    portions = _portions(codes, loss, num_classes)
    with one_thread(when=passes <= _UNTHREADED_FLOPS):
        parts = [
            _minimise(_Problem(codes, gram, loss(labels, len(p), dtype, p.start)), grid)
            for p in portions
        ]
    return [_joined(same_c) for same_c in zip(*parts, strict=True)]


def gram_matrix(codes_ND: torch.Tensor) -> torch.Tensor:
    """Products of all features, a constant among them, summed over the rows: [D, D]."""
    num, dim = codes_ND.shape
    gram_DD = codes_ND.new_empty(dim + 1, dim + 1)
    gram_DD[:dim, :dim] = codes_ND.T @ codes_ND
    gram_DD[dim, :dim] = gram_DD[:dim, dim] = codes_ND.sum(0)
    gram_DD[dim, dim] = num
    return gram_DD


def _portions(codes: torch.Tensor, loss: type[Loss], num_classes: int) -> list[range]:
    """Classes that are solved at a time: all, or as many as free memory holds; softmax cannot be
    divided."""
    free = _SHARE_OF_MEMORY * free_bytes(str(codes.device))
    needed = float(_ARRAYS * len(codes) * codes.element_size())  # of one class
    if needed * num_classes <= free:
        return [range(num_classes)]
    if loss.couples or needed > free:
        raise UsageError(
            f"a readout of {num_classes:,} classes on {len(codes):,} codes needs {needed * num_classes / 2**30:,.0f} GiB on "
            f"{codes.device} beside the codes, and {free / 2**30:,.0f} GiB may be taken",
            "Take fewer images (train_per_class), or 'svm' or 'ridge', which are solved some classes at a time.",
        )
    most = int(free / needed)
    return [range(i, min(i + most, num_classes)) for i in range(0, num_classes, most)]


def _minimise(problem: _Problem, grid: Sequence[float]) -> list[Solution]:
    weights, found = None, []
    for c in grid:
        solution = _AtC(problem, c, weights).solve()
        weights = solution.weights.to(problem.codes_ND.dtype)
        found.append(solution)
    return found


def _joined(parts: tuple[Solution, ...]) -> Solution:
    """The solution for all classes of those for some."""
    return Solution(
        c=parts[0].c,
        weights=torch.cat([p.weights for p in parts], dim=1),
        num_steps=max(p.num_steps for p in parts),
        suboptimality=max(p.suboptimality for p in parts),
        converged=all(p.converged for p in parts),
        num_parts=len(parts),
    )


def _turned(solution: Solution, turn_DN: torch.Tensor) -> Solution:
    small = solution.weights
    weights = torch.cat([turn_DN.to(small) @ small[:-1], small[-1:]])
    return Solution(**{**solution.__dict__, "weights": weights})


class _Problem:
    """Codes with a constant, the loss, and the Gram matrix that all classes and all C share."""

    def __init__(self, codes_ND: torch.Tensor, gram_DD: torch.Tensor, loss: Loss) -> None:
        self.codes_ND, self.gram_DD, self.loss = codes_ND, gram_DD, loss
        num, dim = codes_ND.shape
        self.penalty_D = codes_ND.new_ones(dim + 1)
        if not loss.penalises_intercept:
            self.penalty_D[dim] = 0.0
        self.pass_flops = 4.0 * num * (dim + 1)  # of one class

    def scores(self, weights_DK: torch.Tensor) -> torch.Tensor:
        return torch.addmm(weights_DK[-1], self.codes_ND, weights_DK[:-1])

    def pulled_back(self, residual_NK: torch.Tensor, density: float) -> torch.Tensor:
        """Features times residuals, [D, K]: a sparse product where few residuals differ from
        zero."""
        is_sparse = (
            density < _SPARSE_BELOW
            and residual_NK.device.type == "cpu"
            and torch.backends.mkl.is_available()
        )
        if is_sparse:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # sparse tensors warn of being in beta
                body = (residual_NK.T.contiguous().to_sparse_csr() @ self.codes_ND).T
        else:
            body = self.codes_ND.T @ residual_NK
        return torch.cat([body, residual_NK.sum(0, keepdim=True)])

    def exact(
        self, weights_DK: torch.Tensor, c: float, classes: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Gradient [D, K'] and loss [K'] in float64, rows at a time."""
        weights = weights_DK.double()
        gradient, total = (
            self.penalty_D.double()[:, None] * weights,
            weights.new_zeros(weights.shape[1]),
        )
        for start in range(0, len(self.codes_ND), _CHUNK):
            rows = slice(start, start + _CHUNK)
            part = self.codes_ND[rows].double()
            value, residual, _ = self.loss.of_rows(rows, torch.float64).at(
                torch.addmm(weights[-1], part, weights[:-1]), classes
            )
            gradient -= c * torch.cat([part.T @ residual, residual.sum(0, keepdim=True)])
            total += value
        return gradient, total


class _AtC:
    """One value of C: all classes, until each has converged."""

    def __init__(self, problem: _Problem, c: float, start_DK: torch.Tensor | None) -> None:
        self.problem, self.loss, self.c = problem, problem.loss, c
        self.factors: dict[int, torch.Tensor] = {}
        all_classes = torch.arange(self.loss.num_classes, device=problem.codes_ND.device)
        self.weights_DK = self._start(all_classes) if start_DK is None else start_DK.clone()
        self.left = all_classes  # classes not yet converged; what follows is of them
        self.scores = problem.scores(self.weights_DK)
        self.history: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
        self.tolerance = _TOLERANCE[problem.codes_ND.dtype] * (_COUPLED if self.loss.couples else 1)
        self.suboptimality = torch.full_like(self.weights_DK[0], math.inf)

    def _start(self, all_classes: torch.Tensor) -> torch.Tensor:
        """One Newton step from zero, where the curvature is the same for all rows: ridge regression
        on the signs for a hinge.

        For softmax, whose curvature at zero is no bound, zero itself: the step may lie far beyond
        the minimum.
        """
        problem = self.problem
        if self.loss.couples:
            return problem.codes_ND.new_zeros(len(problem.gram_DD), len(all_classes))
        zeros = problem.codes_ND.new_zeros(len(problem.codes_ND), len(all_classes))
        _, residual, curvature = self.loss.at(zeros, all_classes)
        return self._preconditioned(self.c * problem.pulled_back(residual, 1.0), curvature)

    def solve(self) -> Solution:
        step = 0
        while len(self.left) and step < _MAX_STEPS:
            if not self._advance():
                break
            step += 1
        worst = (
            self._checked()
            if self.problem.codes_ND.dtype == torch.float32
            else float(self.suboptimality.max())
        )
        return Solution(
            c=self.c,
            weights=self.weights_DK.double(),
            num_steps=step,
            suboptimality=worst,
            converged=not len(self.left) and worst <= 10 * self.tolerance,
        )

    def _advance(self) -> bool:
        """One step of the classes that are left; drops those that have converged. False when none
        can be improved."""
        gradient, objective, curvature = self._gradient()
        direction, decrement = self._direction(gradient, curvature)
        relative = self._relative(decrement, objective)
        self.suboptimality[self.left] = relative
        going = relative > self.tolerance
        if not bool(going.any()):
            self.left = self.left[:0]
            return True
        if not self.loss.couples and int(going.sum()) < 0.9 * len(self.left):
            self._keep(going)
            gradient, direction = gradient[:, going], direction[:, going]
        along = self.problem.scores(direction)
        weights = self.weights_DK[:, self.left]
        penalty_D = self.problem.penalty_D[:, None]
        linear, square = (
            (penalty_D * weights * direction).sum(0),
            (penalty_D * direction.square()).sum(0),
        )
        size = self.loss.step(
            self.scores, along, linear, square, self.c, self.left, -(gradient * direction).sum(0)
        )
        if not bool((size > 0).any()):
            return False
        self._last = (size * direction, gradient)
        self.weights_DK[:, self.left] = weights + self._last[0]
        self.scores = self.scores + size * along
        return True

    def _keep(self, which: torch.Tensor) -> None:
        """Go on with these of the classes that are left."""
        self.left, self.scores = self.left[which], self.scores[:, which]
        self.history = [(s[:, which], y[:, which], r[which]) for s, y, r in self.history]

    def _gradient(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Gradient [D, K'], objective [K'] and mean curvature [K'] of the classes that are left;
        the step before joins the history."""
        weights = self.weights_DK[:, self.left]
        value, residual, curvature = self.loss.at(self.scores, self.left)
        density = float(curvature.mean()) if isinstance(self.loss, SquaredHinge) else 1.0
        gradient = self.problem.penalty_D[:, None] * weights - self.c * self.problem.pulled_back(
            residual, density
        )
        if (last := self.__dict__.pop("_last", None)) is not None:
            moved, changed = last[0], gradient - last[1]
            product = self._dot(moved, changed)
            self.history = [*self.history, (moved, changed, 1 / product.clamp_min(1e-30))][
                -_HISTORY:
            ]
        objective = (
            0.5 * (self.problem.penalty_D[:, None] * weights.square()).sum(0) + self.c * value
        )
        return gradient, objective, curvature

    def _dot(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """Inner products of each class, or of all together where they are coupled: [K']."""
        products = (a * b).sum(0)
        return products.sum().expand(len(products)) if self.loss.couples else products

    def _relative(self, decrement: torch.Tensor, objective: torch.Tensor) -> torch.Tensor:
        if self.loss.couples:
            return (decrement.sum() / objective.sum()).expand(len(decrement))
        # The ridge of a class without images comes down to an objective of 0, of which nothing is a
        # share.
        return decrement / objective.clamp_min(_VANISHING * self.c * len(self.loss.labels))

    def _direction(
        self, gradient: torch.Tensor, curvature: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """A descent direction [D, K'] and the decrement [K'] that it promises."""
        if isinstance(self.loss, SquaredHinge) and self._newton_is_cheap(curvature):
            self.history = []
            direction = self._newton(gradient)
        else:
            direction = -self._two_loops(gradient, curvature)
        return direction, -0.5 * (gradient * direction).sum(0)

    def _two_loops(self, gradient: torch.Tensor, curvature: torch.Tensor) -> torch.Tensor:
        q, kept = gradient.clone(), []
        for moved, changed, inverse in reversed(self.history):
            share = inverse * self._dot(moved, q)
            q -= share * changed
            kept.append(share)
        q = self._preconditioned(q, curvature)
        for (moved, changed, inverse), share in zip(self.history, reversed(kept), strict=True):
            q += moved * (share - inverse * self._dot(changed, q))
        return q

    def _preconditioned(self, vectors: torch.Tensor, curvature: torch.Tensor) -> torch.Tensor:
        """(penalty + C bound 2^octave Gram)^-1 vectors, each class in the octave of its mean
        curvature."""
        octaves = [
            round(math.log2(max(v, 2.0**-20)))
            for v in (curvature / self.loss.bound if self.loss.couples else curvature).tolist()
        ]
        solved = torch.empty_like(vectors)
        for octave in set(octaves):
            columns = [i for i, o in enumerate(octaves) if o == octave]
            solved[:, columns] = torch.cholesky_solve(vectors[:, columns], self._factor(octave))
        return solved

    def _factor(self, octave: int) -> torch.Tensor:
        if octave not in self.factors:
            matrix = self.problem.gram_DD * (self.c * self.loss.bound * 2.0**octave)
            matrix.diagonal().add_(self.problem.penalty_D)
            factor, info = torch.linalg.cholesky_ex(matrix)
            if int(info):  # float32 rounding of a nearly singular Gram at very large C
                matrix.diagonal().add_(1e-6 * matrix.diagonal().mean())
                factor = torch.linalg.cholesky(matrix)
            self.factors[octave] = factor
        return self.factors[octave]

    def _newton_is_cheap(self, curvature: torch.Tensor) -> bool:
        num, dim = len(self.problem.codes_ND), len(self.problem.gram_DD)
        active = curvature * num
        few = torch.minimum(active, num - active)
        by_rows = active.square() * dim + active**3 / 3  # their kernel
        # their Hessian, or the Gram matrix less the others'
        by_features = few * dim**2 + dim**3 / 3
        allowed = max(_NEWTON_FLOPS, _NEWTON_PASSES * self.problem.pass_flops * len(active))
        return float(torch.minimum(by_rows, by_features).sum()) <= allowed

    def _newton(self, gradient: torch.Tensor) -> torch.Tensor:
        """Minus the inverse generalised Hessian of each class times its gradient."""
        signs = self.loss.of(self.left)  # pyright: ignore[reportAttributeAccessIssue]
        active_KN = ((1 - signs * self.scores) > 0).T.contiguous()
        columns = [self._newton_of(gradient[:, k], active_KN[k]) for k in range(len(self.left))]
        return -torch.stack(columns, dim=1)

    def _newton_of(self, gradient: torch.Tensor, active: torch.Tensor) -> torch.Tensor:
        num_active, dim = int(active.sum()), len(gradient)
        if num_active < dim:  # (I + 2 C A'A)^-1 = I - A' (I / 2C + A A')^-1 A
            rows = self._rows(active)
            kernel = (rows @ rows.T).double()
            kernel.diagonal().add_(1 / (2 * self.c))
            rows = rows.double()
            inner = (rows @ gradient.double())[:, None]
            return (gradient.double() - rows.T @ _solved(kernel, inner)[:, 0]).to(gradient.dtype)
        few_active = 2 * num_active <= len(active)
        # in half the time: it only shapes the step
        rows = self._rows(active if few_active else ~active).float()
        part = (rows.T @ rows).double()
        hessian = 2 * self.c * (part if few_active else self.problem.gram_DD.double() - part)
        hessian.diagonal().add_(1.0)
        return _solved(hessian, gradient.double()[:, None])[:, 0].to(gradient.dtype)

    def _rows(self, which: torch.Tensor) -> torch.Tensor:
        """Codes of some rows with their constant: [n, D]."""
        rows = self.problem.codes_ND[which]
        return torch.cat([rows, rows.new_ones(len(rows), 1)], dim=1)

    def _checked(self) -> float:
        """The largest relative decrement, from gradients in float64, over all classes."""
        self.left, self.history = torch.arange(self.loss.num_classes, device=self.left.device), []
        self.scores = self.problem.scores(self.weights_DK)
        gradient, value = self.problem.exact(self.weights_DK, self.c, self.left)
        weights = self.weights_DK.double()
        objective = (
            0.5 * (self.problem.penalty_D.double()[:, None] * weights.square()).sum(0)
            + self.c * value
        )
        _, _, curvature = self.loss.at(self.scores, self.left)
        _, decrement = self._direction(gradient.to(self.scores.dtype), curvature)
        relative = self._relative(decrement.double(), objective)
        self.left = self.left[relative > 10 * self.tolerance]
        return float(relative.max())


def _solved(matrix: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    factor, info = torch.linalg.cholesky_ex(matrix)
    if int(info):
        return torch.linalg.lstsq(matrix, right).solution
    return torch.cholesky_solve(right, factor)
