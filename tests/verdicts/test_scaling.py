"""Scaling laws: planted laws are recovered, and unsuitable data are refused with the reason."""

from __future__ import annotations

import numpy as np
import pytest

from seedbed.verdicts.scaling import Points, UnfitError, fit_law

SIZES = np.array([16.0, 31, 62, 125, 250, 500])


def points(
    values: np.ndarray,
    per_class: np.ndarray = SIZES,
    classes: np.ndarray | float = 200.0,
    sd: float = 0.1,
) -> Points:
    ones = np.ones(len(values))
    return Points(
        per_class=per_class * ones,
        classes=classes * ones,
        values=values,
        variances=sd**2 * ones,
        df=20,
    )


def test_a_planted_law_is_recovered() -> None:
    law = fit_law(points(65 - 60 * SIZES**-0.5), ("per_class",))
    for name, truth in (("asymptote", 65.0), ("exponent_per_class", 0.5)):
        estimate = law.parameter(name)
        assert estimate.interval[0] <= truth <= estimate.interval[1]
        assert estimate.value == pytest.approx(truth, rel=0.06)
    gain = law.gain((500, 200), (1000, 200))
    assert gain.value == pytest.approx(60 * (500**-0.5 - 1000**-0.5), abs=0.1)
    assert not law.is_far(1000, 200) and law.is_far(1001, 200)


def test_a_joint_law_and_its_best_split() -> None:
    n, k = (x.ravel() for x in np.meshgrid(SIZES, np.array([25.0, 50, 100, 200])))
    law = fit_law(points(75 - 40 * n**-0.4 - 60 * k**-0.5, n, k, sd=0.05))
    classes, value = law.best_split(50_000, 400)
    candidates = np.arange(2, 401)
    truth = 75 - 40 * (50_000 / candidates) ** -0.4 - 60 * candidates**-0.5
    assert classes.interval[0] <= candidates[truth.argmax()] <= classes.interval[1]
    assert value.value == pytest.approx(truth.max(), abs=0.3)


def test_the_asymptote_is_at_most_100_percent() -> None:
    law = fit_law(points(99.5 - 30 * SIZES**-0.4, sd=0.3), ("per_class",))
    assert law.parameter("asymptote").interval[1] <= 100


@pytest.mark.parametrize(
    ("measured", "over", "why"),
    [
        (
            points(60 - 9 * SIZES[:3] ** -0.5, SIZES[:3]),
            ("per_class",),
            "3 different numbers of images per class",
        ),
        (
            points(np.array([60.0, 61, 62, 63]), np.array([100.0, 120, 150, 200])),
            ("per_class",),
            "must be at least 4 times the smallest",
        ),
        (points(np.full(6, 60.0)), ("per_class",), "the effect of size is not significant"),
        (points(np.array([50.0, 58, 52, 60, 51, 61])), ("per_class",), "does not fit"),
        (points(60 - 9 * SIZES**-0.5, sd=0.0), ("per_class",), "the values do not vary over seeds"),
    ],
)
def test_unsuitable_data_are_refused(measured: Points, over: tuple[str, ...], why: str) -> None:
    with pytest.raises(UnfitError, match=why):
        fit_law(measured, over)
