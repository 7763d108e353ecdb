"""Minimise 1/2 |w|^2 + C loss for all classes of a linear readout at once.

In: codes, a loss, values of C in ascending order. Out: weights for each C; each solution starts
from the previous one. Suffixes: N images, D features, K classes.

Most of the time goes into passes over the codes: two products of N x D with D x K. These ideas keep
their number small:

- The Gram matrix of the features is computed once. L-BFGS (Nocedal and Wright 2006, 7.2) is
  preconditioned for each class by I + C b a Gram. Here b is the bound on the second derivative of
  the loss, and a the mean second derivative over b (for a hinge: the share of active rows). Classes
  whose a lies in the same octave share the Cholesky factor. If all rows are active, the
  preconditioner is the exact Hessian.
- If few rows are active, an exact Newton step of a class (Keerthi and DeCoste 2005) costs less than
  the passes that it saves. It uses the Hessian of the active rows, or by Woodbury's identity their
  kernel.
- The gradient of a hinge needs the active pairs of rows and classes only: a sparse product if these
  are few.
- Converged classes are left out of all products.
- If there are fewer rows than features, a QR decomposition first maps the problem to the space of
  the rows, which does not change the solution.

The solver stops if the decrement 1/2 g H^-1 g, an estimate of the distance of the objective from
its minimum, is below a share of the objective: the same relative accuracy for all C. Large problems
are solved in float32; the last decrement of each C is then computed in float64.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from seedbed.base.device import free_bytes, one_thread
from seedbed.base.errors import UsageError
from seedbed.readout.linear_problem import LinearProblem, gram_matrix
from seedbed.readout.losses import Loss
from seedbed.readout.solver_iteration import Solution, SolverAtC

# Cost of a pass over the codes below which one thread is faster than several.
_ONE_THREAD_FLOPS = 2e7
# Largest cost of a pass, and a tenth of that of the Gram matrix, for float64.
_FLOAT64_FLOPS = 5e8
# Arrays of rows x classes that are held at once, and the share of the free memory for them.
_NUM_ARRAYS, _MEMORY_SHARE = 7, 0.7


def minimise(
    codes: torch.Tensor,
    loss: type[Loss],
    labels: torch.Tensor,
    num_classes: int,
    grid: Sequence[float],
) -> list[Solution]:
    """Solutions for each C of `grid`, in ascending order, on the device of the codes."""
    num, dim = codes.shape
    if num + 1 < dim:
        basis_DN, small = torch.linalg.qr(codes.double().T)  # codes = small.T @ basis.T
        solutions = minimise(small.T.contiguous(), loss, labels, num_classes, grid)
        return [_to_feature_space(solution, basis_DN) for solution in solutions]
    pass_flops = 4.0 * num * dim * num_classes
    is_small = pass_flops <= _FLOAT64_FLOPS and num * dim**2 <= 10 * _FLOAT64_FLOPS
    dtype = torch.float64 if is_small else torch.float32
    codes = codes.to(dtype)
    gram = gram_matrix(codes)
    groups = _class_groups(codes, loss, num_classes)
    with one_thread(when=pass_flops <= _ONE_THREAD_FLOPS):
        parts = [
            _minimise_group(
                LinearProblem(codes, gram, loss(labels, len(group), dtype, group.start)), grid
            )
            for group in groups
        ]
    return [_join_classes(solutions) for solutions in zip(*parts, strict=True)]


def _class_groups(codes: torch.Tensor, loss: type[Loss], num_classes: int) -> list[range]:
    """Groups of classes that are solved together: all, or as many as memory can hold; the classes
    of softmax cannot be divided."""
    free = _MEMORY_SHARE * free_bytes(str(codes.device))
    bytes_per_class = float(_NUM_ARRAYS * len(codes) * codes.element_size())
    if bytes_per_class * num_classes <= free:
        return [range(num_classes)]
    if loss.couples or bytes_per_class > free:
        raise UsageError(
            f"a readout of {num_classes:,} classes on {len(codes):,} codes needs "
            f"{bytes_per_class * num_classes / 2**30:,.0f} GiB on {codes.device} in addition to "
            f"the codes; {free / 2**30:,.0f} GiB are available",
            "Use fewer images (train_per_class), or 'svm' or 'ridge', which solve some classes at "
            "a time.",
        )
    size = int(free / bytes_per_class)
    return [range(i, min(i + size, num_classes)) for i in range(0, num_classes, size)]


def _minimise_group(problem: LinearProblem, grid: Sequence[float]) -> list[Solution]:
    weights, solutions = None, []
    for c in grid:
        solution = SolverAtC(problem, c, weights).solve()
        weights = solution.weights.to(problem.codes_ND.dtype)
        solutions.append(solution)
    return solutions


def _join_classes(parts: tuple[Solution, ...]) -> Solution:
    """The solution for all classes from those of groups of classes."""
    return Solution(
        c=parts[0].c,
        weights=torch.cat([p.weights for p in parts], dim=1),
        num_steps=max(p.num_steps for p in parts),
        suboptimality=max(p.suboptimality for p in parts),
        converged=all(p.converged for p in parts),
        num_parts=len(parts),
    )


def _to_feature_space(solution: Solution, basis_DN: torch.Tensor) -> Solution:
    """The solution in the space of the features, from that in the space of the rows."""
    small = solution.weights
    weights = torch.cat([basis_DN.to(small) @ small[:-1], small[-1:]])
    return Solution(**{**solution.__dict__, "weights": weights})
