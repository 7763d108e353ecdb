"""Scaling laws over arms with different numbers of images per class and classes.

In: results. Out: one finding per target, method and training budget: the law, the gain from
doubling, and the best split of a budget of images; or the reason why there is none. Only arms whose
recipe draws images and classes at random are used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from seedbed.metrics import METRICS
from seedbed.trials.results import Results
from seedbed.trials.study import Study
from seedbed.verdicts.families import SOURCES
from seedbed.verdicts.family_scores import Family, family_scores
from seedbed.verdicts.findings.finding import Finding, between, points
from seedbed.verdicts.pairs import Pair, settings_of
from seedbed.verdicts.scaling import FAR, Estimate, Law, Points, UnfitError, fit_law

# budgets of images, as multiples of the largest arm
_BUDGETS = (1.0, 2.0)
# sizes within this factor count as equal, because classes are rarely balanced
_EQUAL_WITHIN = 1.2
# with fewer arms, the study is not about sizes
_MIN_ARMS = 3
_SIZE_NAMES = {"per_class": "images per class", "classes": "the number of classes"}


def scaling_laws(results: Results, families: Sequence[Family]) -> list[Finding]:
    """A law over each size (images per class, classes) that differs between arms."""
    findings = []
    for family in families:
        if family.target in SOURCES or family.images_seen is None:
            continue
        arms = [arm for arm in family.rows if _is_sized(results.study, arm)]
        measured = _points(results, family, arms) if len(arms) >= _MIN_ARMS else None
        if measured is not None and (over := _differing_sizes(measured)):
            findings.append(_finding(family, arms, measured, over))
    return findings


def _is_sized(study: Study, arm: str) -> bool:
    """Whether an arm differs from the source only in its number of random images and classes."""
    spec = study.arms[arm]
    if not spec.trains or settings_of(study, arm) or spec.overrides_budgets:
        return False
    return spec.recipe.is_random_sample


def _points(results: Results, family: Family, arms: list[str]) -> Points | None:
    scores, _ = family_scores(results, family, [Pair(arm, arms[0]) for arm in arms[1:]])
    repeated = {arm: s for arm, s in scores.items() if s.num_seeds >= 2}
    if len(repeated) < _MIN_ARMS:
        return None
    rows = [family.rows[arm] for arm in repeated]
    per_class = [np.mean([o.num_train_images / o.num_train_classes for o in r]) for r in rows]
    classes = [np.mean([o.num_train_classes for o in r]) for r in rows]
    metric = METRICS.get(family.metric)
    return Points.of_seeds(
        np.array(per_class, dtype=np.float64),
        np.array(classes, dtype=np.float64),
        [family.sign * s.values for s in repeated.values()],
        ceiling=metric.highest if metric.unit == "percent" and family.sign > 0 else np.inf,
    )


def _differing_sizes(measured: Points) -> tuple[str, ...]:
    sizes = {name: getattr(measured, name) for name in ("per_class", "classes")}
    return tuple(
        name for name, values in sizes.items() if values.max() / values.min() > _EQUAL_WITHIN
    )


def _finding(family: Family, arms: list[str], measured: Points, over: tuple[str, ...]) -> Finding:
    setting = f"On {family.target} ({family.method}, {family.images_seen:,} images seen)"
    sizes = zip(measured.per_class, measured.classes, measured.values, strict=True)
    details: dict[str, Any] = {
        "arms": arms,
        "over": list(over),
        "measured": [[float(n), float(k), float(v)] for n, k, v in sizes],
    }
    try:
        law = fit_law(measured, over)
    except UnfitError as error:
        verdict, sentence = "refused", f"{setting}, no scaling law can be fitted: {error}."
        details |= {"reason": str(error)}
    else:
        splits = [_split(law, measured, factor) for factor in _BUDGETS] if len(over) == 2 else []
        gains = {name: _doubling_gain(law, name) for name in over}
        verdict, sentence = "fitted", f"{setting}, {_sentence(law, gains, splits)}"
        details |= _law_details(law, gains, splits)
    return Finding(
        kind="scaling",
        target=family.target,
        method=family.method,
        images_seen=family.images_seen,
        metric=family.metric,
        unit=family.unit,
        verdict=verdict,
        sentence=sentence,
        details=details,
    )


def _sentence(
    law: Law, gains: Mapping[str, Estimate], splits: Sequence[Mapping[str, object]]
) -> str:
    clauses = [
        f"doubling {_SIZE_NAMES[name]} to {_largest(law, name) * 2:,.0f} would add "
        f"{points(gain.value)} points (95 % interval {between(gain.interval)})"
        for name, gain in gains.items()
    ]
    return "; ".join([" and ".join(clauses), *(str(split["words"]) for split in splits)]) + "."


def _law_details(
    law: Law, gains: Mapping[str, Estimate], splits: list[dict[str, object]]
) -> dict[str, Any]:
    parameters = ("asymptote", *(f"exponent_{name}" for name in law.over))
    return {
        "law": _formula(law.over),
        "parameters": {name: _document(law.parameter(name)) for name in parameters},
        "doubling": {name: _document(gain) for name, gain in gains.items()},
        "splits": splits,
        "p_fit": law.p_fit,
        "curves": {name: _curve(law, name) for name in law.over},
    }


def _formula(over: tuple[str, ...]) -> str:
    terms = {"per_class": " - a n^-exponent_per_class", "classes": " - b k^-exponent_classes"}
    return f"asymptote{''.join(terms[name] for name in over)}; n images per class, k classes"


def _largest(law: Law, name: str) -> float:
    return law.largest[("per_class", "classes").index(name)]


def _doubling_gain(law: Law, name: str) -> Estimate:
    n, k = law.largest
    return law.gain((n, k), (2 * n, k) if name == "per_class" else (n, 2 * k))


def _split(law: Law, measured: Points, factor: float) -> dict[str, object]:
    """The best number of classes for a budget of images, within twice the measured sizes.

    Args:
        factor: the budget as a multiple of the largest arm's images.
    """
    images = factor * float((measured.per_class * measured.classes).max())
    max_classes = FAR * law.largest[1]
    classes, value = law.best_split(images, max_classes)
    per_class = images / classes.value
    is_far = law.is_far(per_class, classes.value)
    at_edge = classes.value >= 0.99 * max_classes
    low, high = classes.interval
    remarks = [
        *(["an extrapolation"] if is_far else []),
        *(["the largest number that was searched"] if at_edge else []),
    ]
    evidence = "; ".join([f"95 % interval {low:,.0f} to {high:,.0f} classes", *remarks])
    words = (
        f"{images:,.0f} images are best split into {classes.value:,.0f} classes of "
        f"{per_class:,.0f} ({evidence})"
    )
    return {
        "images": images,
        "at_edge": at_edge,
        "words": words,
        "classes": _document(classes),
        "per_class": per_class,
        "value": _document(value),
        "extrapolated": is_far,
    }


def _curve(law: Law, name: str) -> list[list[float | bool]]:
    """Rows [size, value, low, high, is an extrapolation] up to four times the largest size.

    The other size is at its largest.
    """
    largest = _largest(law, name)
    rows: list[list[float | bool]] = []
    for size in np.geomspace(largest / 64, 4 * largest, 40):
        n, k = (size, law.largest[1]) if name == "per_class" else (law.largest[0], size)
        e = law.at(n, k)
        rows.append([float(size), e.value, *e.interval, bool(law.is_far(n, k))])
    return rows


def _document(estimate: Estimate) -> dict[str, object]:
    return {"value": estimate.value, "interval": list(estimate.interval)}
