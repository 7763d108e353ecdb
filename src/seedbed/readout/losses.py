"""Losses of linear readouts: squared hinge, softmax, squared error, logistic.

In: scores and labels. Out: values, negative derivatives, mean curvature, and the minimum along a
direction. Softmax couples all classes; the other losses are one problem per class, against the
rest. Suffixes: N images, K classes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import ClassVar

import torch

# Most iterations of a line search; one or two are usual. Each costs sums over all scores, a tenth
# of a pass over the codes.
_LINE_STEPS = 24
# A slope counts as zero below this share of the initial descent.
_FLAT = 0.02
# The next point lies at most this factor ahead.
_STRIDE = 10.0
_CHUNK = 1024  # rows


class Loss(ABC):
    """A loss of scores [N, K] for labels; objectives are 1/2 |w|^2 + C loss."""

    couples: ClassVar[bool] = False  # whether all classes form one problem
    penalises_intercept: ClassVar[bool] = False
    bound: ClassVar[float]  # on the second derivative of the loss with respect to a score

    def __init__(
        self, labels: torch.Tensor, num_classes: int, dtype: torch.dtype, first: int = 0
    ) -> None:
        """Loss of the classes first .. first + num_classes - 1; labels int64 [N], or signs 1 and -1
        of all classes [N, all classes]."""
        self.labels, self.num_classes, self.first = labels, num_classes, first
        if labels.ndim == 2:
            self.signs_NK = labels[:, first : first + num_classes].to(dtype)
            return
        classes = torch.arange(first, first + num_classes, device=labels.device)
        self.signs_NK = (labels[:, None] == classes).to(dtype).mul_(2).sub_(1)

    def of_rows(self, rows: slice, dtype: torch.dtype) -> Loss:
        """The loss of some rows."""
        return type(self)(self.labels[rows], self.num_classes, dtype, self.first)

    def signs(self, classes: torch.Tensor) -> torch.Tensor:
        """Signs of some classes: [N, K']."""
        return self.signs_NK if len(classes) == self.num_classes else self.signs_NK[:, classes]

    @abstractmethod
    def at(
        self, scores_NK: torch.Tensor, classes: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Loss [K'] of some classes, its negative derivative with respect to the scores [N, K'],
        and its mean second derivative [K'] in units of the bound."""

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
        """The t [K'] that minimises linear t + 1/2 square t^2 + C loss(scores + t along), for each
        class, or one for all coupled classes; `descent` [K'] is the negative derivative at 0."""


class SquaredHinge(Loss):
    """sum_i max(0, 1 - y_i s_i)^2 with y = +-1: scikit-learn's LinearSVC, one against the rest; the
    intercept is penalised too."""

    penalises_intercept = True
    bound: ClassVar[float] = 2.0

    def at(
        self, scores_NK: torch.Tensor, classes: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        signs = self.signs(classes)
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
            for rows in _chunks(len(scores)):  # the values of a chunk fit into the cache
                signs = self.signs_NK[rows] if all_classes else self.signs_NK[rows][:, classes]
                moves = signs * along[rows]
                slack = torch.addcmul(signs * scores[rows], t, moves).neg_().add_(1).clamp_min_(0)
                first += (slack * moves).sum(0)
                curve += moves.square_().mul_(slack > 0).sum(0)
            return linear + t * square - 2 * c * first, square + 2 * c * curve

        all_classes = len(classes) == self.num_classes
        return _root(slope, descent, torch.ones_like(linear))


def _chunks(num: int) -> Iterator[slice]:
    """Slices of rows."""
    for start in range(0, num, _CHUNK):
        yield slice(start, start + _CHUNK)


class SquaredError(Loss):
    """sum_i (y_i - s_i)^2 with y = +-1: ridge regression on the signs, scikit-learn's
    RidgeClassifier at alpha = 1 / (2 C)."""

    bound: ClassVar[float] = 2.0

    def at(
        self, scores_NK: torch.Tensor, classes: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        residual = self.signs_NK[:, classes] - scores_NK
        curvature = torch.ones(len(classes), dtype=residual.dtype, device=residual.device)
        return residual.square().sum(0), 2 * residual, curvature

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
        residual = self.signs_NK[:, classes] - scores
        curve = square + 2 * c * along.square().sum(0)
        # A direction of zero gives a step of zero.
        return torch.where(curve > 0, (2 * c * (residual * along).sum(0) - linear) / curve, 0.0)


class Softmax(Loss):
    """sum_i log sum_k exp(s_ik) - s_i,label: multinomial logistic regression, scikit-learn's
    LogisticRegression."""

    couples = True
    bound: ClassVar[float] = 1.0

    def at(
        self, scores_NK: torch.Tensor, classes: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        log_sum = torch.logsumexp(scores_NK, 1)
        label_scores = scores_NK.gather(1, self.labels[:, None])[:, 0]
        shares = torch.exp(scores_NK - log_sum[:, None])
        curvature = (shares * (1 - shares)).mean(0)
        residual = -shares
        residual.scatter_add_(1, self.labels[:, None], torch.ones_like(label_scores)[:, None])
        # The loss is not a sum over classes; the first entry holds all of it.
        loss = torch.zeros(self.num_classes, dtype=shares.dtype, device=shares.device)
        loss[0] = (log_sum - label_scores).sum()
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
        label_along = along.gather(1, self.labels[:, None]).sum()
        first, second = linear.sum(), square.sum()

        def slope(t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            shares = torch.softmax(scores + t * along, 1)
            mean = (shares * along).sum(1)
            curve = (shares * along.square()).sum(1) - mean.square()
            return first + t * second + c * (mean.sum() - label_along), second + c * curve.sum()

        return _root(slope, descent.sum(), torch.ones_like(first)).expand(len(linear))


def _root(
    slope: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]],
    descent: torch.Tensor,
    start: torch.Tensor,
) -> torch.Tensor:
    """Approximate minimum of convex functions, by safeguarded Newton steps from `start`;
    elementwise.

    `slope` maps t to the derivative and the second derivative; `descent` is the negative derivative
    at 0. The result is 0 where that is not positive. The function is not higher at the result than
    at 0, up to a fiftieth of the fall that the descent predicts. For the result is a point where
    the function still falls; or a point beyond the minimum whose rise since such a point, bounded
    by the derivative, is smaller than the fall up to there; or a point between these two.
    """
    t, low, high = start, torch.zeros_like(start), torch.full_like(start, torch.inf)
    # Absolute derivatives at the two ends of the bracket.
    fall, rise = descent, torch.zeros_like(start)
    result, is_done = low, descent <= 0
    for _ in range(_LINE_STEPS):
        value, curve = slope(t)
        newton, ahead, falls = t - value / curve, _STRIDE * t, value <= 0
        is_lower = falls | ((t - low) * value <= low * fall + _FLAT * t * descent)
        accepted = is_lower & (value.abs() <= 0.5 * descent) & ~is_done
        steps_back = ~falls & (newton > low) & (newton < t)
        result = torch.where(accepted, torch.where(steps_back, newton, t), result)
        is_done = is_done | accepted
        if bool(is_done.all()):
            return result
        low, fall = torch.where(falls, t, low), torch.where(falls, -value, fall)
        high, rise = torch.where(falls, high, t), torch.where(falls, rise, value)
        between = low + (torch.where(high < torch.inf, high, ahead) - low) * (
            fall / (fall + rise)
        ).clamp(0.1, 0.5)
        inside = (newton > low) & (newton < torch.minimum(high, ahead))
        t = torch.where(inside, newton, torch.where(high < torch.inf, between, ahead))
    return torch.where(is_done, result, low)


class Logistic(Loss):
    """sum_i log(1 + exp(-y_i s_i)) with y = +-1: logistic regression, one against the rest."""

    bound: ClassVar[float] = 0.25

    def at(
        self, scores_NK: torch.Tensor, classes: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        signs = self.signs(classes)
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
        signs = self.signs(classes)

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
