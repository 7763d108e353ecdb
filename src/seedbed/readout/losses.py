"""Losses of linear readouts: squared hinge one against the rest, softmax, squared error.

In: scores and labels. Out: values, residuals, how curved the loss is, and where along a direction
it is lowest. The first and the third are one problem per class; softmax couples all classes.
Suffixes: N images, K classes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

import torch

_LINE_STEPS = (
    # at most, along a direction, mostly one or two: each costs some sums over all scores, a tenth
    # of a pass over the codes
    24
)
_LEVEL = 0.02  # of the descent at the start: a slope that counts as none
_STRIDE = 10.0  # times a point: how far ahead the next one may lie
_CHUNK = 1024  # rows


class Loss(ABC):
    """A loss of scores [N, K] against labels; objectives are 1/2 |w|^2 + C loss."""

    couples: ClassVar[bool] = False  # classes have to be solved together
    penalises_intercept: ClassVar[bool] = False
    bound: ClassVar[float]  # the largest second derivative of the loss by a score

    def __init__(
        self, labels: torch.Tensor, num_classes: int, dtype: torch.dtype, first: int = 0
    ) -> None:
        """Of the classes first .. first + num_classes - 1; labels int64 [N], or signs of every
        class, 1 and -1, [N, all classes]."""
        self.labels, self.num_classes, self.first = labels, num_classes, first
        if labels.ndim == 2:
            self.signs_NK = labels[:, first : first + num_classes].to(dtype)
            return
        is_own = labels[:, None] == torch.arange(first, first + num_classes, device=labels.device)
        self.signs_NK = is_own.to(dtype).mul_(2).sub_(1)

    def of_rows(self, rows: slice, dtype: torch.dtype) -> Loss:
        """The same loss of some rows."""
        return type(self)(self.labels[rows], self.num_classes, dtype, self.first)

    def of(self, classes: torch.Tensor) -> torch.Tensor:
        """Signs of some classes: [N, K']."""
        return self.signs_NK if len(classes) == self.num_classes else self.signs_NK[:, classes]

    @abstractmethod
    def at(
        self, scores_NK: torch.Tensor, classes: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Of some classes: loss [K'], minus its derivative by the scores [N, K'], and mean second
        derivative [K'] in units of the bound."""

    @abstractmethod
    def step(
        self,
        scores: torch.Tensor,
        along: torch.Tensor,
        linear: torch.Tensor,
        square: torch.Tensor,
        c: float,
        classes: torch.Tensor,
        descent: torch.Tensor,
    ) -> torch.Tensor:
        """The step [K'] to the minimum of linear t + 1/2 square t^2 + C loss(scores + t along), for
        each class or for all alike; `descent` [K'] is minus its derivative at 0."""


class SquaredHinge(Loss):
    """sum_i max(0, 1 - y_i s_i)^2 with y = +-1: scikit-learn's LinearSVC, one against the rest, the
    intercept penalised too."""

    penalises_intercept = True
    bound: ClassVar[float] = 2.0

    def at(
        self, scores_NK: torch.Tensor, classes: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        signs = self.of(classes)
        slack = (1 - signs * scores_NK).clamp_min_(0)
        return slack.square().sum(0), 2 * signs * slack, (slack > 0).to(slack.dtype).mean(0)

    def step(
        self,
        scores: torch.Tensor,
        along: torch.Tensor,
        linear: torch.Tensor,
        square: torch.Tensor,
        c: float,
        classes: torch.Tensor,
        descent: torch.Tensor,
    ) -> torch.Tensor:
        def slope(t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            first, curve = torch.zeros_like(t), torch.zeros_like(t)
            for rows in _chunks(len(scores)):  # what a chunk needs stays in the cache
                signs = self.signs_NK[rows] if all_classes else self.signs_NK[rows][:, classes]
                moves = signs * along[rows]
                slack = torch.addcmul(signs * scores[rows], t, moves).neg_().add_(1).clamp_min_(0)
                first += (slack * moves).sum(0)
                curve += moves.square_().mul_(slack > 0).sum(0)
            return linear + t * square - 2 * c * first, square + 2 * c * curve

        all_classes = len(classes) == self.num_classes
        return _root(slope, descent, torch.ones_like(linear))


def _chunks(num: int) -> Iterator[slice]:
    """Rows, few at a time."""
    for start in range(0, num, _CHUNK):
        yield slice(start, start + _CHUNK)


class SquaredError(Loss):
    """sum_i (y_i - s_i)^2 with y = +-1: ridge regression on the signs, scikit-learn's
    RidgeClassifier at alpha = 1 / (2 C)."""

    bound: ClassVar[float] = 2.0

    def at(
        self, scores_NK: torch.Tensor, classes: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        rest = self.signs_NK[:, classes] - scores_NK
        return (
            rest.square().sum(0),
            2 * rest,
            torch.ones(len(classes), dtype=rest.dtype, device=rest.device),
        )

    def step(
        self,
        scores: torch.Tensor,
        along: torch.Tensor,
        linear: torch.Tensor,
        square: torch.Tensor,
        c: float,
        classes: torch.Tensor,
        descent: torch.Tensor,
    ) -> torch.Tensor:
        rest = self.signs_NK[:, classes] - scores
        curve = square + 2 * c * along.square().sum(0)
        # no direction, no step
        return torch.where(curve > 0, (2 * c * (rest * along).sum(0) - linear) / curve, 0.0)


class Softmax(Loss):
    """sum_i log sum_k exp(s_ik) - s_i,label: multinomial logistic regression, scikit-learn's
    LogisticRegression."""

    couples = True
    bound: ClassVar[float] = 1.0

    def at(
        self, scores_NK: torch.Tensor, classes: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        log_sum = torch.logsumexp(scores_NK, 1)
        chosen = scores_NK.gather(1, self.labels[:, None])[:, 0]
        shares = torch.exp(scores_NK - log_sum[:, None])
        curvature = (shares * (1 - shares)).mean(0)
        residual = -shares
        residual.scatter_add_(1, self.labels[:, None], torch.ones_like(chosen)[:, None])
        # The whole loss stands in the first place: it does not fall apart into classes.
        loss = torch.zeros(self.num_classes, dtype=shares.dtype, device=shares.device)
        loss[0] = (log_sum - chosen).sum()
        return loss, residual, curvature

    def step(
        self,
        scores: torch.Tensor,
        along: torch.Tensor,
        linear: torch.Tensor,
        square: torch.Tensor,
        c: float,
        classes: torch.Tensor,
        descent: torch.Tensor,
    ) -> torch.Tensor:
        chosen = along.gather(1, self.labels[:, None]).sum()
        first, second = linear.sum(), square.sum()

        def slope(t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            shares = torch.softmax(scores + t * along, 1)
            mean = (shares * along).sum(1)
            curve = (shares * along.square()).sum(1) - mean.square()
            return first + t * second + c * (mean.sum() - chosen), second + c * curve.sum()

        return _root(slope, descent.sum(), torch.ones_like(first)).expand(len(linear))


def _root(slope, descent: torch.Tensor, start: torch.Tensor) -> torch.Tensor:  # noqa: ANN001  t -> (derivative, second derivative)
    """About where a convex function's derivative vanishes, by safeguarded Newton steps from
    `start`; elementwise.

    `descent` is minus the derivative at 0; where that is not positive, the answer is 0. The
    function lies no higher at the answer than at 0, but for a fiftieth of what the descent
        promised: it is a point from which the function still falls, or one beyond the minimum whose
    rise since such a point is, by its derivative, smaller than the fall up to there; or one between
    two such.
    """
    t, low, high = start, torch.zeros_like(start), torch.full_like(start, torch.inf)
    # sizes of the derivatives at the ends of the bracket
    fall, rise = descent, torch.zeros_like(start)
    answer, found = low, descent <= 0
    for _ in range(_LINE_STEPS):
        value, curve = slope(t)
        newton, ahead, falls = t - value / curve, _STRIDE * t, value <= 0
        is_lower = falls | ((t - low) * value <= low * fall + _LEVEL * t * descent)
        good = is_lower & (value.abs() <= 0.5 * descent) & ~found
        back = ~falls & (newton > low) & (newton < t)
        answer, found = torch.where(good, torch.where(back, newton, t), answer), found | good
        if bool(found.all()):
            return answer
        low, fall = torch.where(falls, t, low), torch.where(falls, -value, fall)
        high, rise = torch.where(falls, high, t), torch.where(falls, rise, value)
        between = low + (torch.where(high < torch.inf, high, ahead) - low) * (
            fall / (fall + rise)
        ).clamp(0.1, 0.5)
        inside = (newton > low) & (newton < torch.minimum(high, ahead))
        t = torch.where(inside, newton, torch.where(high < torch.inf, between, ahead))
    return torch.where(found, answer, low)


class Logistic(Loss):
    """sum_i log(1 + exp(-y_i s_i)) with y = +-1: logistic regression, one against the rest."""

    bound: ClassVar[float] = 0.25

    def at(
        self, scores_NK: torch.Tensor, classes: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        signs = self.of(classes)
        margins = signs * scores_NK
        shares = torch.sigmoid(-margins)
        curvature = (shares * (1 - shares)).mean(0) / self.bound
        return torch.nn.functional.softplus(-margins).sum(0), signs * shares, curvature

    def step(
        self,
        scores: torch.Tensor,
        along: torch.Tensor,
        linear: torch.Tensor,
        square: torch.Tensor,
        c: float,
        classes: torch.Tensor,
        descent: torch.Tensor,
    ) -> torch.Tensor:
        signs = self.of(classes)

        def slope(t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            shares = torch.sigmoid(-signs * (scores + t * along))
            first = (shares * signs * along).sum(0)
            curve = (shares * (1 - shares) * along.square()).sum(0)
            return linear + t * square - c * first, square + c * curve

        return _root(slope, descent, torch.ones_like(linear))


LOSSES: dict[str, type[Loss]] = {
    "svm": SquaredHinge,
    "softmax": Softmax,
    "ridge": SquaredError,
    "logistic": Logistic,
}
