"""Scaling laws from results: over arms that keep more or fewer images per class, and more or fewer
classes, drawn at random.

In: results. Out: one finding per target, method and training budget: the law, the gain from
doubling the data, and the best split of a budget of images into classes; or the reason why no law
can be fitted. Only arms whose recipe is a random sample of images and classes take part.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seedbed.metrics import METRICS
from seedbed.trials.results import Results
from seedbed.trials.study import Study
from seedbed.verdicts.families import SOURCES, Family, scores_of
from seedbed.verdicts.findings.finding import Finding, between, points
from seedbed.verdicts.pairs import Pair, settings_of
from seedbed.verdicts.scaling import FAR, Estimate, Law, Points, UnfitError, fit_law

# Budgets of images to split, as multiples of the most images that an arm had.
_BUDGETS = (1.0, 2.0)
# Sizes within this factor count as equal: classes are seldom exactly balanced.
_EQUAL_FACTOR = 1.2
_MIN_ARMS = 3


def scaling_laws(results: Results, families: Sequence[Family]) -> list[Finding]:
    """One law per family, over images per class, the number of classes, or both: over those that
    differ between the arms."""
    findings = []
    for family in families:
        if family.target in SOURCES or family.images_seen is None:
            continue
        arms = [arm for arm in family.rows if _is_random_sample(results.study, arm)]
        measured = _points(results, family, arms) if len(arms) >= _MIN_ARMS else None
        if measured is not None and (over := _varying_sizes(measured)):
            findings.append(_finding(family, arms, measured, over))
    return findings


def _is_random_sample(study: Study, arm: str) -> bool:
    """Whether an arm differs from the whole source only in how many images and classes it keeps, at
    random."""
    spec = study.arms[arm]
    if not spec.trains or settings_of(study, arm) or spec.overrides_budgets:
        return False
    return spec.recipe.is_random_sample


def _points(results: Results, family: Family, arms: list[str]) -> Points | None:
    scores, _ = scores_of(results, family, [Pair(arm, arms[0]) for arm in arms[1:]])
    scores = {arm: s for arm, s in scores.items() if s.num_seeds >= 2}
    if len(scores) < _MIN_ARMS:
        return None
    rows = [family.rows[arm] for arm in scores]
    metric = METRICS.get(family.metric)
    return Points.of_seeds(
        np.array(
            [np.mean([o.num_train_images / o.num_train_classes for o in r]) for r in rows],
            dtype=np.float64,
        ),
        np.array([np.mean([o.num_train_classes for o in r]) for r in rows], dtype=np.float64),
        [family.sign * s.values for s in scores.values()],
        ceiling=metric.highest if metric.unit == "percent" and family.sign > 0 else np.inf,
    )


def _varying_sizes(measured: Points) -> tuple[str, ...]:
    """Which of the two sizes differ between the arms."""
    sizes = {name: getattr(measured, name) for name in ("per_class", "classes")}
    return tuple(name for name, s in sizes.items() if s.max() / s.min() > _EQUAL_FACTOR)


def _finding(family: Family, arms: list[str], measured: Points, over: tuple[str, ...]) -> Finding:
    place = f"On {family.target} ({family.method}, {family.images_seen:,} images seen)"
    names = ("target", "method", "images_seen", "metric", "unit")
    common = {"kind": "scaling", **{name: getattr(family, name) for name in names}}
    sizes = [
        [float(n), float(k), float(v)]
        for n, k, v in zip(measured.per_class, measured.classes, measured.values, strict=True)
    ]
    details = {"arms": arms, "over": list(over), "measured": sizes}
    try:
        law = fit_law(measured, over)
    except UnfitError as reason:
        return Finding(
            **common,
            verdict="refused",
            sentence=f"{place} no law of size can be fitted: {reason}.",
            details=details | {"reason": str(reason)},
        )
    doubled = {name: _doubled(law, name) for name in over}
    splits = [_split(law, measured, factor) for factor in _BUDGETS] if len(over) == 2 else []
    words = {"per_class": "images per class", "classes": "the number of classes"}
    gains = [
        f"doubling {words[name]} to {_size(law, name) * 2:,.0f} would buy {_interval(gain)}"
        for name, gain in doubled.items()
    ]
    clauses = [" and ".join(gains), *(str(split["words"]) for split in splits)]
    details |= {
        "law": _law_words(over),
        "parameters": {name: _document(law.parameter(name)) for name in _parameters(over)},
        "doubling": {name: _document(gain) for name, gain in doubled.items()},
        "splits": splits,
        "p_fit": law.p_fit,
        "curves": {name: _curve(law, name) for name in over},
    }
    sentence = f"{place} {'; '.join(clauses)}."
    return Finding(**common, verdict="fitted", sentence=sentence, details=details)


def _parameters(over: tuple[str, ...]) -> list[str]:
    return ["asymptote", *(f"exponent_{name}" for name in over)]


def _law_words(over: tuple[str, ...]) -> str:
    terms = {"per_class": " - a n^-exponent_per_class", "classes": " - b k^-exponent_classes"}
    return f"asymptote{''.join(terms[name] for name in over)}; n images per class, k classes"


def _size(law: Law, name: str) -> float:
    return law.largest[("per_class", "classes").index(name)]


def _doubled(law: Law, name: str) -> Estimate:
    n, k = law.largest
    return law.gain((n, k), (2 * n, k) if name == "per_class" else (n, 2 * k))


def _split(law: Law, measured: Points, factor: float) -> dict[str, object]:
    """The best number of classes for `factor` times the most images that an arm had, up to twice
    the largest number measured."""
    images = factor * float((measured.per_class * measured.classes).max())
    most = FAR * law.largest[1]
    classes, value = law.best_split(images, most)
    per_class = images / classes.value
    is_far = law.is_far(per_class, classes.value)
    at_edge = classes.value >= 0.99 * most
    marks = ["an extrapolation"] if is_far else []
    marks += ["or more: the largest number that was tried"] if at_edge else []
    words = (
        f"{images:,.0f} images are best split into {classes.value:,.0f} classes of "
        f"{per_class:,.0f} (95 % interval {classes.interval[0]:,.0f} to "
        f"{classes.interval[1]:,.0f} classes{'; ' if marks else ''}{', '.join(marks)})"
    )
    document = {
        "classes": _document(classes),
        "per_class": per_class,
        "value": _document(value),
        "extrapolated": is_far,
    }
    return {"images": images, "at_edge": at_edge, "words": words} | document


def _curve(law: Law, name: str) -> list[list[float | bool]]:
    """[size, value, low, high, extrapolated] up to four times the largest size, the other size at
    its largest."""
    largest = _size(law, name)
    curve: list[list[float | bool]] = []
    for size in np.geomspace(largest / 64, 4 * largest, 40):
        n, k = (size, law.largest[1]) if name == "per_class" else (law.largest[0], size)
        e = law.at(n, k)
        curve.append([float(size), e.value, *e.interval, bool(law.is_far(n, k))])
    return curve


def _interval(estimate: Estimate) -> str:
    return f"{points(estimate.value)} points (95 % interval {between(estimate.interval)})"


def _document(estimate: Estimate) -> dict[str, object]:
    return {"value": estimate.value, "interval": list(estimate.interval)}
