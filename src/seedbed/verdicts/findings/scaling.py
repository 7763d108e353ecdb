"""Scaling laws from results: over arms that keep more or fewer images per class, and more or fewer
classes, drawn at random.

In: results. Out: one finding per target, method and training budget: the law, what doubling would
buy, and the best split of a budget of images; or the reason why there is none. Only arms whose
recipe draws images and classes at random take part.
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

_BUDGETS = (1.0, 2.0)  # of images, times the most that an arm had
_ALIKE = 1.2  # sizes within this factor count as one: classes are seldom quite balanced
_LEAST_ARMS = 3  # with fewer, sizes are not the question


def scaling_laws(results: Results, families: Sequence[Family]) -> list[Finding]:
    """A law over whatever sizes differ."""
    found = []
    for family in families:
        if family.target in SOURCES or family.images_seen is None:
            continue
        arms = [arm for arm in family.rows if _is_sized(results.study, arm)]
        measured = _points(results, family, arms) if len(arms) >= _LEAST_ARMS else None
        if measured is not None and (over := _differing(measured)):
            found.append(_finding(family, arms, measured, over))
    return found


def _is_sized(study: Study, arm: str) -> bool:
    """Whether an arm differs from the whole source in the number of images and classes alone, drawn
    at random."""
    spec = study.arms[arm]
    if not spec.trains or settings_of(study, arm) or spec.has_own_budgets:
        return False
    return spec.recipe.is_random_sample


def _points(results: Results, family: Family, arms: list[str]) -> Points | None:
    scores, _ = scores_of(results, family, [Pair(arm, arms[0]) for arm in arms[1:]])
    known = {arm: s for arm, s in scores.items() if s.num_seeds >= 2}
    if len(known) < _LEAST_ARMS:
        return None
    rows = [family.rows[arm] for arm in known]
    metric = METRICS.get(family.metric)
    return Points.of_seeds(
        np.array(
            [np.mean([o.num_train_images / o.num_train_classes for o in r]) for r in rows],
            dtype=np.float64,
        ),
        np.array([np.mean([o.num_train_classes for o in r]) for r in rows], dtype=np.float64),
        [family.sign * s.values for s in known.values()],
        ceiling=metric.highest if metric.unit == "percent" and family.sign > 0 else np.inf,
    )


def _differing(measured: Points) -> tuple[str, ...]:
    sizes = {name: getattr(measured, name) for name in ("per_class", "classes")}
    return tuple(name for name, found in sizes.items() if found.max() / found.min() > _ALIKE)


def _finding(family: Family, arms: list[str], measured: Points, over: tuple[str, ...]) -> Finding:
    place = f"On {family.target} ({family.method}, {family.images_seen:,} images seen)"
    common = {
        "kind": "scaling",
        "target": family.target,
        "method": family.method,
        "images_seen": family.images_seen,
    }
    common |= {"metric": family.metric, "unit": family.unit}
    sizes = [
        [float(n), float(k), float(v)]
        for n, k, v in zip(measured.per_class, measured.classes, measured.values, strict=True)
    ]
    details = {"arms": arms, "over": list(over), "measured": sizes}
    try:
        law = fit_law(measured, over)
    except UnfitError as reason:
        sentence = f"{place} no law of size can be fitted: {reason}."
        return Finding(
            **common,
            verdict="refused",
            sentence=sentence,
            details=details | {"reason": str(reason)},
        )
    doubled = {name: _doubled(law, name) for name in over}
    words = {"per_class": "images per class", "classes": "the number of classes"}
    buys = [
        f"doubling {words[name]} to {_size(law, name) * 2:,.0f} would buy {_interval(gain)}"
        for name, gain in doubled.items()
    ]
    splits = [_split(law, measured, factor) for factor in _BUDGETS] if len(over) == 2 else []
    sentence = f"{place} {' and '.join(buys)}" + "".join(f"; {s['words']}" for s in splits) + "."
    details |= {
        "law": _law_words(over),
        "parameters": {
            name: _document(law.parameter(name))
            for name in ("asymptote", *(f"exponent_{n}" for n in over))
        },
        "doubling": {name: _document(gain) for name, gain in doubled.items()},
        "splits": splits,
        "p_fit": law.p_fit,
        "curves": {name: _curve(law, name) for name in over},
    }
    return Finding(**common, verdict="fitted", sentence=sentence, details=details)


def _law_words(over: tuple[str, ...]) -> str:
    terms = {"per_class": " - a n^-exponent_per_class", "classes": " - b k^-exponent_classes"}
    return f"asymptote{''.join(terms[name] for name in over)}; n images per class, k classes"


def _size(law: Law, name: str) -> float:
    return law.largest[("per_class", "classes").index(name)]


def _doubled(law: Law, name: str) -> Estimate:
    n, k = law.largest
    return law.gain((n, k), (2 * n, k) if name == "per_class" else (n, 2 * k))


def _split(law: Law, measured: Points, factor: float) -> dict[str, object]:
    """The best number of classes for so many times the most images, within twice the sizes that
    were measured."""
    images = factor * float((measured.per_class * measured.classes).max())
    most = FAR * law.largest[1]
    classes, value = law.best_split(images, most)
    per_class = images / classes.value
    is_far = law.is_far(per_class, classes.value)
    at_edge = classes.value >= 0.99 * most
    marks = [
        w
        for w in (
            "an extrapolation" if is_far else "",
            "or more, as far as was looked" if at_edge else "",
        )
        if w
    ]
    words = (
        f"{images:,.0f} images are best split into {classes.value:,.0f} classes of {per_class:,.0f} (95 % interval "
        f"{classes.interval[0]:,.0f} to {classes.interval[1]:,.0f} classes{'; ' if marks else ''}{', '.join(marks)})"
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
    found: list[list[float | bool]] = []
    for size in np.geomspace(largest / 64, 4 * largest, 40):
        n, k = (size, law.largest[1]) if name == "per_class" else (law.largest[0], size)
        e = law.at(n, k)
        found.append([float(size), e.value, *e.interval, bool(law.is_far(n, k))])
    return found


def _interval(estimate: Estimate) -> str:
    return f"{points(estimate.value)} points (95 % interval {between(estimate.interval)})"


def _document(estimate: Estimate) -> dict[str, object]:
    return {"value": estimate.value, "interval": list(estimate.interval)}
