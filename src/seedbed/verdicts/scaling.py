"""Scaling laws: saturating power laws of a value over images per class and number of classes.

In: sizes, mean values and their variances. Out: a fitted law with intervals, the gain from
doubling, and the best split of a budget of images between classes and images per class. The laws:

    value = c - a n^-alpha                   over images per class n (or over classes k)
    value = c - a n^-alpha - b k^-beta       over both

with a, b >= 0, c at most 100 for values in percent, and exponents in 0.05..3. The fit is weighted
least squares, which is linear for each exponent of a grid. Intervals come from a parametric
bootstrap: values are drawn around the fitted law with the measured variances (which are redrawn
with their degrees of freedom) and fitted again. A fit is refused, with the reason, if there are too
few sizes, too narrow a range, no significant effect, or a lack of fit.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from seedbed.verdicts.variances import Floats, sample_variance

Interval = tuple[float, float]
EXPONENTS = np.geomspace(0.05, 3.0, 48)
NUM_SIMULATIONS = 400
# largest size over smallest
MIN_RANGE = 4.0
# p-value of the lack-of-fit test below which the law is refused
LACK_OF_FIT = 0.001
# p-value of "size has no effect" above which there is nothing to fit
NO_EFFECT = 0.01
# times the largest measured size: beyond, a value counts as an extrapolation
FAR = 2.0
_SIZE_NAMES = {"per_class": "images per class", "classes": "classes"}


class UnfitError(Exception):
    """The data do not support a fit; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Points:
    """Measured means [m] with their sizes [m], variances [m] and degrees of freedom."""

    per_class: Floats
    classes: Floats
    values: Floats
    variances: Floats
    df: float
    ceiling: float = 100.0

    @classmethod
    def of_seeds(
        cls, per_class: Floats, classes: Floats, values: Sequence[Floats], ceiling: float = 100.0
    ) -> Points:
        """Means of the values [two or more seeds] of each arm, with one pooled variance."""
        nums = np.array([len(v) for v in values])
        df = float((nums - 1).sum())
        squares = [(len(v) - 1) * float(sample_variance(np.asarray(v, np.float64))) for v in values]
        pooled = sum(squares) / df
        means = np.array([float(np.mean(v)) for v in values])
        return cls(
            per_class=per_class,
            classes=classes,
            values=means,
            variances=pooled / nums,
            df=df,
            ceiling=ceiling,
        )


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number with its 95 % interval."""

    value: float
    interval: Interval


@dataclass(frozen=True, kw_only=True)
class Law:
    """A fitted law with parameters [c, a, alpha, b, beta]; a missing term has a or b of 0.

    `simulated` holds the parameters [r, 5] of the bootstrap fits.
    """

    parameters: Floats
    simulated: Floats
    # "per_class", "classes"
    over: tuple[str, ...]
    # largest measured sizes: images per class, classes
    largest: tuple[float, float]
    # p-value of the lack-of-fit test
    p_fit: float

    def at(self, per_class: float, classes: float) -> Estimate:
        """The law's value at a size."""
        return _estimate(
            _value(self.parameters, per_class, classes), _value(self.simulated, per_class, classes)
        )

    def gain(self, start: tuple[float, float], end: tuple[float, float]) -> Estimate:
        """The gain from one size (per_class, classes) to another."""
        fitted, simulated = (
            _value(p, *end) - _value(p, *start) for p in (self.parameters, self.simulated)
        )
        return _estimate(fitted, simulated)

    def parameter(self, name: str) -> Estimate:
        """The asymptote, exponent_per_class or exponent_classes."""
        i = {"asymptote": 0, "exponent_per_class": 2, "exponent_classes": 4}[name]
        return _estimate(self.parameters[i], self.simulated[:, i])

    def is_far(self, per_class: float, classes: float) -> bool:
        """Whether a size lies beyond twice the largest measured one."""
        sizes = {"per_class": per_class / self.largest[0], "classes": classes / self.largest[1]}
        return any(sizes[name] > FAR for name in self.over)

    def best_split(self, images: float, most_classes: float) -> tuple[Estimate, Estimate]:
        """The best number of classes in 2..most_classes for a budget of images, and its value."""
        classes = np.unique(np.geomspace(2, most_classes, 200).round())
        values = _value(self.parameters[None, :], images / classes[:, None], classes[:, None])[:, 0]
        simulated = _value(self.simulated[None, :, :], images / classes[:, None], classes[:, None])
        best = classes[int(values.argmax())]
        return (
            _estimate(best, classes[simulated.argmax(axis=0)]),
            _estimate(values.max(), _value(self.simulated, images / best, best)),
        )


def _value(parameters: Floats, per_class: float | Floats, classes: float | Floats) -> Floats:
    """The law for parameters [..., 5]."""
    c, a, alpha, b, beta = np.moveaxis(np.asarray(parameters), -1, 0)
    return (
        c
        - a * np.asarray(per_class, np.float64) ** -alpha
        - b * np.asarray(classes, np.float64) ** -beta
    )


def _estimate(value: float | Floats, simulated: Floats) -> Estimate:
    low, high = np.quantile(simulated, [0.025, 0.975])
    return Estimate(value=float(value), interval=(float(low), float(high)))


def fit_law(points: Points, over: Sequence[str] = ("per_class", "classes")) -> Law:
    """Fit the law over images per class, over classes, or over both.

    Raises:
        UnfitError: the data do not support it; the message says why.
    """
    over = tuple(over)
    _check_sizes(points, over)
    _check_effect(points)
    designs = _designs(points, over)
    weights = 1 / np.sqrt(points.variances)
    fitted, residual = _fit(designs, points.values[:, None], weights, points.ceiling)
    num_free = len(points.values) - 1 - 2 * len(over)
    p_fit = float(stats.f.sf(residual[0] / num_free, num_free, points.df)) if num_free > 0 else 1.0
    if p_fit < LACK_OF_FIT:
        raise UnfitError(
            f"a saturating power law does not fit (p = {p_fit:.1g}): the values do not rise "
            "smoothly with size"
        )
    simulated, _ = _fit(designs, _simulate(fitted[0], points), weights, points.ceiling)
    return Law(
        parameters=fitted[0],
        simulated=simulated,
        over=over,
        largest=(float(points.per_class.max()), float(points.classes.max())),
        p_fit=p_fit,
    )


def _simulate(parameters: Floats, points: Points) -> Floats:
    """Values [m, r] drawn around the law with the measured variances, which are redrawn too."""
    rng = np.random.default_rng(0)
    centre = _value(parameters, points.per_class, points.classes)
    scale = np.sqrt(points.df / rng.chisquare(points.df, NUM_SIMULATIONS))
    normal = rng.standard_normal((len(centre), NUM_SIMULATIONS))
    return centre[:, None] + normal * np.sqrt(points.variances)[:, None] * scale


def _check_sizes(points: Points, over: tuple[str, ...]) -> None:
    min_sizes = 4 if len(over) == 1 else 3
    for size in over:
        sizes, name = np.unique(getattr(points, size).round(6)), _SIZE_NAMES[size]
        if len(sizes) < min_sizes:
            raise UnfitError(
                f"{len(sizes)} different numbers of {name} are too few: a law needs {min_sizes}, "
                "better five or more"
            )
        if sizes[-1] / sizes[0] < MIN_RANGE:
            raise UnfitError(
                f"the range of {name}, {sizes[0]:g} to {sizes[-1]:g}, is too narrow: the largest "
                f"must be at least {MIN_RANGE:g} times the smallest"
            )
    min_arms = 2 + 2 * len(over)
    if len(points.values) < min_arms:
        raise UnfitError(
            f"{len(points.values)} arms are too few: a law over "
            f"{' and '.join(_SIZE_NAMES[size] for size in over)} needs {min_arms}"
        )


def _check_effect(points: Points) -> None:
    """Refuse values without a known variance, or without a significant effect of size."""
    if not (points.variances > 0).all():
        raise UnfitError("the values do not vary over seeds, so their variance is unknown")
    weights = 1 / points.variances
    mean = (weights * points.values).sum() / weights.sum()
    statistic = float((weights * (points.values - mean) ** 2).sum()) / (len(points.values) - 1)
    if stats.f.sf(statistic, len(points.values) - 1, points.df) > NO_EFFECT:
        raise UnfitError(
            "the effect of size is not significant: more seeds or a wider range of sizes may show "
            "one"
        )


def _designs(points: Points, over: tuple[str, ...]) -> list[tuple[Floats, Floats]]:
    """Exponents [2] and columns [m, 3] of every candidate; an exponent of 0 means no term."""
    grid = {name: [0.0, *EXPONENTS] if name in over else [0.0] for name in ("per_class", "classes")}
    designs = []
    for alpha, beta in itertools.product(grid["per_class"], grid["classes"]):
        columns = [np.ones(len(points.values))]
        columns.append(-(points.per_class**-alpha) if alpha else np.zeros(len(points.values)))
        columns.append(-(points.classes**-beta) if beta else np.zeros(len(points.values)))
        designs.append((np.array([alpha, beta]), np.stack(columns, axis=1)))
    return designs


def _fit(
    designs: list[tuple[Floats, Floats]], values: Floats, weights: Floats, ceiling: float
) -> tuple[Floats, Floats]:
    """The best of all candidate designs for values [m, r], each fitted by least squares.

    Returns parameters [r, 5] and weighted residual sums of squares [r].
    """
    num = values.shape[1]
    best, least = np.zeros((num, 5)), np.full(num, math.inf)
    weighted = values * weights[:, None]
    for (alpha, beta), columns in designs:
        design = columns * weights[:, None]
        used = np.flatnonzero(np.abs(design).sum(0) > 0)
        solution = np.zeros((3, num))
        solution[used] = np.linalg.lstsq(design[:, used], weighted, rcond=None)[0]
        is_above = solution[0] > ceiling
        if is_above.any() and len(used) > 1:
            # Fix the asymptote at the ceiling and fit the rest.
            rest = np.linalg.lstsq(
                design[:, used[1:]], weighted[:, is_above] - ceiling * design[:, :1], rcond=None
            )[0]
            solution[0, is_above] = ceiling
            solution[np.ix_(used[1:], np.flatnonzero(is_above))] = rest
        residual = ((weighted - design @ solution) ** 2).sum(0)
        residual = np.where((solution[1:] >= 0).all(0), residual, math.inf)
        is_better = residual < least - 1e-12
        least = np.where(is_better, residual, least)
        parameters = np.stack(
            [solution[0], solution[1], np.full(num, alpha), solution[2], np.full(num, beta)], axis=1
        )
        best[is_better] = parameters[is_better]
    return best, least
