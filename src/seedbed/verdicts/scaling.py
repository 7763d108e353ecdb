"""Scaling: how a value grows with images per class and with the number of classes, as saturating
power laws.

In: sizes, mean values and their variances. Out: a fitted law with intervals, what doubling would
buy, and the best split of a budget of images between classes and examples. The laws are

    value = c - a n^-alpha                      over images per class n alone (or over classes k
    alone) value = c - a n^-alpha - b k^-beta          over both

with a, b >= 0, c at most 100 where values are percent, and exponents in 0.05..3. The fit is by
weighted least squares: for each exponent on a grid the rest is linear. Intervals are of parametric
    simulation: values are drawn anew around the fitted law with the variances as
measured (these themselves redrawn with their degrees of freedom), and fitted again. A fit is
refused, with the reason, where the data
cannot carry it: too few sizes, too narrow a range, no effect beyond the noise, or a law that does
    not fit. Knows nothing of results.
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
LEAST_RANGE = 4.0  # largest size over smallest
LACK_OF_FIT = 0.001  # p-value below which the law is refused
NO_EFFECT = 0.01  # p-value of "all sizes alike" above which there is nothing to fit
FAR = 2.0  # times the largest size measured: beyond, a value is marked as an extrapolation


class UnfitError(Exception):
    """The data cannot carry the law; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Points:
    """What was measured: per_class and classes [m], mean values [m], the variance of each mean [m],
    and its degrees of freedom."""

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
        """From the values [seeds, two or more] of each arm: their means; arms share one variance,
        pooled over their seeds."""
        nums = np.array([len(v) for v in values])
        df = float((nums - 1).sum())
        pooled = (
            sum((len(v) - 1) * float(sample_variance(np.asarray(v, np.float64))) for v in values)
            / df
        )
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
    """A fitted law. Parameters [c, a, alpha, b, beta]; a term that is not there has a or b of 0.
    `simulated` holds refits [r, 5]."""

    parameters: Floats
    simulated: Floats
    over: tuple[str, ...]  # "per_class", "classes"
    largest: tuple[float, float]  # sizes measured: images per class, classes
    p_fit: float  # of lack of fit

    def at(self, per_class: float, classes: float) -> Estimate:
        """The law's value at a size."""
        return _estimate(
            _value(self.parameters, per_class, classes), _value(self.simulated, per_class, classes)
        )

    def gain(self, start: tuple[float, float], end: tuple[float, float]) -> Estimate:
        """What going from one size (per_class, classes) to another buys."""
        difference = [
            _value(p, *end) - _value(p, *start) for p in (self.parameters, self.simulated)
        ]
        return _estimate(difference[0], difference[1])

    def parameter(self, name: str) -> Estimate:
        """asymptote, exponent_per_class or exponent_classes."""
        i = {"asymptote": 0, "exponent_per_class": 2, "exponent_classes": 4}[name]
        return _estimate(self.parameters[i], self.simulated[:, i])

    def is_far(self, per_class: float, classes: float) -> bool:
        """Whether a size lies beyond twice what was measured."""
        sizes = {"per_class": per_class / self.largest[0], "classes": classes / self.largest[1]}
        return any(sizes[name] > FAR for name in self.over)

    def best_split(self, images: float, most_classes: float) -> tuple[Estimate, Estimate]:
        """For a budget of images the number of classes with the highest value, among
        2..most_classes, and that value."""
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
        UnfitError: the data cannot carry it; the message says why.
    """
    over = tuple(over)
    _check(points, over)
    designs = _designs(points, over)
    weights = 1 / np.sqrt(points.variances)
    fitted, residual = _fit(designs, points.values[:, None], weights, points.ceiling)
    num_free = len(points.values) - 1 - 2 * len(over)
    p_fit = float(stats.f.sf(residual[0] / num_free, num_free, points.df)) if num_free > 0 else 1.0
    if p_fit < LACK_OF_FIT:
        raise UnfitError(
            f"a saturating power law does not fit (p = {p_fit:.1g}): the values do not rise smoothly with size"
        )
    rng = np.random.default_rng(0)
    centre = _value(fitted[0], points.per_class, points.classes)
    scale = np.sqrt(points.df / rng.chisquare(points.df, NUM_SIMULATIONS))
    noise = (
        rng.standard_normal((len(centre), NUM_SIMULATIONS))
        * np.sqrt(points.variances)[:, None]
        * scale
    )
    simulated, _ = _fit(designs, centre[:, None] + noise, weights, points.ceiling)
    return Law(
        parameters=fitted[0],
        simulated=simulated,
        over=over,
        largest=(float(points.per_class.max()), float(points.classes.max())),
        p_fit=p_fit,
    )


def _check(points: Points, over: tuple[str, ...]) -> None:
    words = {"per_class": "images per class", "classes": "classes"}
    sizes = {name: np.unique(getattr(points, name).round(6)) for name in over}
    least = 4 if len(over) == 1 else 3
    for name, found in sizes.items():
        if len(found) < least:
            raise UnfitError(
                f"{len(found)} different numbers of {words[name]}: a law needs {least}, better five or more"
            )
        if found[-1] / found[0] < LEAST_RANGE:
            raise UnfitError(
                f"{words[name]} from {found[0]:g} to {found[-1]:g}: a law needs a range of {LEAST_RANGE:g} times at least"
            )
    if len(points.values) < 2 + 2 * len(over):
        raise UnfitError(
            f"{len(points.values)} arms: a law over {' and '.join(words[n] for n in over)} needs {2 + 2 * len(over)}"
        )
    if not (points.variances > 0).all():
        raise UnfitError(
            "no spread over seeds: a law is fitted to means over seeds whose variance is known"
        )
    weights = 1 / points.variances
    mean = (weights * points.values).sum() / weights.sum()
    statistic = float((weights * (points.values - mean) ** 2).sum()) / (len(points.values) - 1)
    if stats.f.sf(statistic, len(points.values) - 1, points.df) > NO_EFFECT:
        raise UnfitError(
            "size has no effect beyond the noise of these seeds: more seeds, or a wider range of sizes, might show one"
        )


def _designs(points: Points, over: tuple[str, ...]) -> list[tuple[Floats, Floats]]:
    """(exponents [2], columns [m, 3]) of every candidate; an exponent of 0 stands for a term that
    is left out."""
    grid = {name: [0.0, *EXPONENTS] if name in over else [0.0] for name in ("per_class", "classes")}
    found = []
    for alpha, beta in itertools.product(grid["per_class"], grid["classes"]):
        columns = [np.ones(len(points.values))]
        columns.append(-(points.per_class**-alpha) if alpha else np.zeros(len(points.values)))
        columns.append(-(points.classes**-beta) if beta else np.zeros(len(points.values)))
        found.append((np.array([alpha, beta]), np.stack(columns, axis=1)))
    return found


def _fit(
    designs: list[tuple[Floats, Floats]], values: Floats, weights: Floats, ceiling: float
) -> tuple[Floats, Floats]:
    """Parameters [r, 5] and weighted residual sums of squares [r] of values [m, r]: the best of all
    candidates, each by least squares."""
    num = values.shape[1]
    best, least = np.zeros((num, 5)), np.full(num, math.inf)
    weighted = values * weights[:, None]
    for (alpha, beta), columns in designs:
        design = columns * weights[:, None]
        used = np.flatnonzero(np.abs(design).sum(0) > 0)
        solution = np.zeros((3, num))
        solution[used] = np.linalg.lstsq(design[:, used], weighted, rcond=None)[0]
        over = solution[0] > ceiling
        if over.any() and len(used) > 1:  # held at the ceiling
            rest = np.linalg.lstsq(
                design[:, used[1:]], weighted[:, over] - ceiling * design[:, :1], rcond=None
            )[0]
            solution[0, over] = ceiling
            solution[np.ix_(used[1:], np.flatnonzero(over))] = rest
        residual = ((weighted - design @ solution) ** 2).sum(0)
        residual = np.where((solution[1:] >= 0).all(0), residual, math.inf)
        better = residual < least - 1e-12
        least = np.where(better, residual, least)
        found = np.stack(
            [solution[0], solution[1], np.full(num, alpha), solution[2], np.full(num, beta)], axis=1
        )
        best[better] = found[better]
    return best, least
