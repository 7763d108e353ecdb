"""Linear readouts of codes: L2-regularised SVM, softmax, logistic and ridge regression, for all
classes and a grid of C at once.

In: codes float [n, d] and labels. Out: weights. The objectives are those of scikit-learn, with
codes x_i, weights w and intercept b; all but softmax treat each class against the rest, with labels
y_i = +-1:

    svm       1/2 (|w|^2 + b^2) + C sum_i max(0, 1 - y_i (w.x_i + b))^2    LinearSVC
    softmax   1/2 |W|^2 + C sum_i -log softmax(W x_i + b)[label_i]         LogisticRegression
    logistic  1/2 |w|^2 + C sum_i log(1 + exp(-y_i (w.x_i + b)))           LogisticRegression
    ridge     1/2 |w|^2 + C sum_i (y_i - w.x_i - b)^2                      RidgeClassifier with
                                                                           alpha = 1 / (2 C)

`seedbed.readout.solver` minimises them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from seedbed.base.errors import UsageError, unknown
from seedbed.readout.losses import LOSSES
from seedbed.readout.solver import minimise
from seedbed.readout.solver_iteration import Solution


@dataclass(frozen=True, kw_only=True)
class LinearClassifier:
    """A linear classifier: scores are codes @ weights + intercept."""

    weights: torch.Tensor  # float64 [d, K]
    intercept: torch.Tensor  # float64 [K]
    c: float
    num_steps: int
    # Estimated distance of the objective from its minimum, relative to the objective; the largest
    # over the classes.
    suboptimality: float
    converged: bool
    # Into how many groups the classes were divided because memory could not hold all at once.
    num_parts: int = 1

    def scores(self, codes: torch.Tensor) -> torch.Tensor:
        """Scores [n, K] of codes [n, d], in the precision of the codes."""
        return torch.addmm(self.intercept.to(codes), codes, self.weights.to(codes))


def normalise_rows(codes: torch.Tensor) -> torch.Tensor:
    """L2-normalise each code; zero codes stay zero."""
    return codes / codes.norm(dim=1, keepdim=True).clamp_min(1e-12)


def fit_linear(
    codes: torch.Tensor,
    labels: torch.Tensor,
    num_classes: int,
    grid: Sequence[float],
    loss: str = "svm",
) -> list[LinearClassifier]:
    """Fit one classifier for each C, in the order of `grid`; each starts from the solution of the
    next smaller C.

    Args:
        codes: float [n, d], on the CPU or a GPU; normalise them first.
        labels: int64 [n] in 0..num_classes-1, on the same device; or marks int8 [n, K] of images
            with several classes: 1 yes, -1 no, 0 if an image is ignored for a class.
        num_classes: K; the classifier of a class without images always answers no.
        grid: values of C > 0, the weight of the loss.
        loss: "svm", "softmax", "logistic" or "ridge"; softmax needs one label per image.

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
            "Check the weights of the network, and mean and std of its input.",
        )
    if labels.ndim == 2:
        return _fit_multilabel(codes, labels, grid, loss)
    solutions = minimise(codes, LOSSES[loss], labels, num_classes, sorted(set(grid)))
    by_c = {solution.c: solution for solution in solutions}
    return [_to_classifier(by_c[c]) for c in grid]


def _fit_multilabel(
    codes: torch.Tensor, marks: torch.Tensor, grid: Sequence[float], loss: str
) -> list[LinearClassifier]:
    """Fit each class on the images that are not ignored for it; classes that ignore the same images
    are solved together."""
    if LOSSES[loss].couples:
        raise UsageError(
            f"readout {loss!r} predicts one class per image, but these images have several",
            "Use 'svm', 'logistic' or 'ridge'.",
        )
    dim, num_classes = codes.shape[1], marks.shape[1]
    groups: dict[bytes, list[int]] = {}
    for k in range(num_classes):
        groups.setdefault((marks[:, k] != 0).cpu().numpy().tobytes(), []).append(k)
    classifiers = [
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
        used = marks[:, classes[0]] != 0
        if not bool(used.any()):  # no image counts for these classes: weights stay zero
            continue
        signs = marks[used][:, classes].contiguous()
        solutions = minimise(codes[used], LOSSES[loss], signs, len(classes), sorted(set(grid)))
        by_c = {solution.c: solution for solution in solutions}
        classifiers = [_with_classes(one, classes, by_c[one.c]) for one in classifiers]
    return classifiers


def _with_classes(
    classifier: LinearClassifier, classes: Sequence[int], solution: Solution
) -> LinearClassifier:
    """The classifier with the weights of some classes from a solution."""
    classifier.weights[:, classes] = solution.weights[:-1]
    classifier.intercept[classes] = solution.weights[-1]
    return replace(
        classifier,
        num_steps=max(classifier.num_steps, solution.num_steps),
        suboptimality=max(classifier.suboptimality, solution.suboptimality),
        converged=classifier.converged and solution.converged,
        num_parts=max(classifier.num_parts, solution.num_parts),
    )


def _to_classifier(solution: Solution) -> LinearClassifier:
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
    """The objective in float64: of each class [K], or of all classes together for softmax [1]."""
    function = LOSSES[loss](labels, classifier.weights.shape[1], torch.float64)
    value, _, _ = function.at(
        classifier.scores(codes.double()),
        torch.arange(classifier.weights.shape[1], device=codes.device),
    )
    norms = classifier.weights.square().sum(0)
    if function.penalises_intercept:
        norms = norms + classifier.intercept.square()
    objectives = 0.5 * norms + classifier.c * value
    return objectives.sum(0, keepdim=True) if function.couples else objectives
