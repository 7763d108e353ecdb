"""Linear readouts of codes: L2-regularised SVM, softmax, logistic and ridge, all classes and a grid
of C at once.

In: codes float [n, d] and labels. Out: weights. The objectives are scikit-learn's, with X the codes
and b the intercept:

    svm      1/2 (|w|^2 + b^2) + C sum_i max(0, 1 - y_i (w.x_i + b))^2   each class against the
    rest: LinearSVC softmax  1/2 |W|^2 + C sum_i -log softmax(W x_i + b)[label]
        LogisticRegression
    logistic 1/2 |w|^2 + C sum_i log(1 + exp(-y_i (w.x_i + b)))           each class:
    LogisticRegression of two classes ridge    1/2 |w|^2 + C sum_i (y_i - w.x_i - b)^2
           each class, y = +-1: RidgeClassifier at alpha = 1 / (2 C)

How they are minimised: `seedbed.readout.solver`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from seedbed.base.errors import UsageError, unknown
from seedbed.readout.losses import LOSSES
from seedbed.readout.solver import minimise


@dataclass(frozen=True, kw_only=True)
class LinearClassifier:
    """Scores are codes @ weights + intercept."""

    weights: torch.Tensor  # float64 [d, K]
    intercept: torch.Tensor  # float64 [K]
    c: float
    num_steps: int
    # how far the objective lies above its minimum, as a share of it; estimated, the largest over
    # the classes
    suboptimality: float
    converged: bool
    num_parts: int = 1  # in which the classes were solved, where memory did not hold all at once

    def scores(self, codes: torch.Tensor) -> torch.Tensor:
        """[n, K] of codes [n, d], in their own precision."""
        return torch.addmm(self.intercept.to(codes), codes, self.weights.to(codes))


def normalise_rows(codes: torch.Tensor) -> torch.Tensor:
    """Each code divided by its L2 norm; a zero code stays zero."""
    return codes / codes.norm(dim=1, keepdim=True).clamp_min(1e-12)


def fit_linear(
    codes: torch.Tensor,
    labels: torch.Tensor,
    num_classes: int,
    grid: Sequence[float],
    loss: str = "svm",
) -> list[LinearClassifier]:
    """One classifier for each C, in the order of `grid`; each is begun where the one of the next
    smaller C ended.

    Args:
        codes: float [n, d], on the CPU or a GPU; normalise them first.
        labels: int64 [n] in 0..num_classes-1, on the same device; or marks int8 [n, K] of images
            that may have several classes: 1
        yes, -1 no,
            0 where an image is left out of a class.
        num_classes: K; a class without an image gets a classifier that says no.
        grid: values of C > 0, the weight of the loss.
        loss: "svm", "softmax", "logistic" or "ridge"; softmax takes single labels only.

    Raises:
        UsageError: an unknown loss, a C that is not positive, codes that are not finite.

    Example:
        >>> import torch
        >>> from seedbed.readout.linear import fit_linear
        >>> codes = torch.tensor([[0.0, 1.0], [0.1, 0.9], [1.0, 0.0], [0.9, 0.1]])
        >>> (svm,) = fit_linear(codes, torch.tensor([0, 0, 1, 1]), 2, [10.0])
        >>> svm.scores(codes).argmax(1).tolist(), svm.converged
        ([0, 0, 1, 1], True)
    """
    if loss not in LOSSES:
        raise unknown("readout", loss, LOSSES)
    if not grid or min(grid) <= 0:
        raise UsageError(f"C = {list(grid)} must be positive values")
    if not bool(torch.isfinite(codes).all()):
        raise UsageError(
            "some codes are not finite",
            "Look at the network's weights, or at its input's mean and std.",
        )
    if labels.ndim == 2:
        return _fit_marks(codes, labels, grid, loss)
    solved = {s.c: s for s in minimise(codes, LOSSES[loss], labels, num_classes, sorted(set(grid)))}
    return [_classifier(solved[c]) for c in grid]


def _fit_marks(
    codes: torch.Tensor, marks: torch.Tensor, grid: Sequence[float], loss: str
) -> list[LinearClassifier]:
    """Each class on the images that are not left out of it; classes that leave out the same ones
    are solved together."""
    if LOSSES[loss].couples:
        raise UsageError(
            f"readout {loss!r} gives each image one class, and these have several",
            "Take 'svm', 'logistic' or 'ridge'.",
        )
    dim, num_classes = codes.shape[1], marks.shape[1]
    groups: dict[bytes, list[int]] = {}
    for k in range(num_classes):
        groups.setdefault((marks[:, k] != 0).cpu().numpy().tobytes(), []).append(k)
    found = [
        LinearClassifier(
            weights=codes.new_zeros(dim, num_classes, dtype=torch.float64),
            intercept=codes.new_zeros(num_classes, dtype=torch.float64),
            c=c,
            num_steps=0,
            suboptimality=0.0,
            converged=True,
        )
        for c in grid
    ]
    for classes in groups.values():
        counted = marks[:, classes[0]] != 0
        if not bool(counted.any()):  # nothing says anything of these: they stay zeros
            continue
        signs = marks[counted][:, classes].contiguous()
        solved = {
            s.c: s
            for s in minimise(codes[counted], LOSSES[loss], signs, len(classes), sorted(set(grid)))
        }
        found = [_with_classes(one, classes, solved[one.c]) for one in found]
    return found


def _with_classes(whole: LinearClassifier, classes: Sequence[int], solution) -> LinearClassifier:  # noqa: ANN001  a Solution
    """A classifier with some classes solved, in place of its zeros."""
    whole.weights[:, classes] = solution.weights[:-1]
    whole.intercept[classes] = solution.weights[-1]
    return replace(
        whole,
        num_steps=max(whole.num_steps, solution.num_steps),
        suboptimality=max(whole.suboptimality, solution.suboptimality),
        converged=whole.converged and solution.converged,
        num_parts=max(whole.num_parts, solution.num_parts),
    )


def _classifier(solution) -> LinearClassifier:  # noqa: ANN001  a Solution
    return LinearClassifier(
        weights=solution.weights[:-1],
        intercept=solution.weights[-1],
        c=solution.c,
        num_steps=solution.num_steps,
        suboptimality=solution.suboptimality,
        converged=solution.converged,
        num_parts=solution.num_parts,
    )


def objective(
    codes: torch.Tensor, labels: torch.Tensor, classifier: LinearClassifier, loss: str = "svm"
) -> torch.Tensor:
    """The objective in float64: of each class [K], or of softmax as a whole [1]."""
    chosen = LOSSES[loss](labels, classifier.weights.shape[1], torch.float64)
    value, _, _ = chosen.at(
        classifier.scores(codes.double()),
        torch.arange(classifier.weights.shape[1], device=codes.device),
    )
    norms = classifier.weights.square().sum(0)
    if chosen.penalises_intercept:
        norms = norms + classifier.intercept.square()
    each = 0.5 * norms + classifier.c * value
    return each.sum(0, keepdim=True) if chosen.couples else each
