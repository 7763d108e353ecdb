"""Class influence from results, estimated over nets that each saw a random part of the classes.

In: results with an arm that draws classes at random, and many seeds. Out: one finding per target,
method and training budget with the influence of each class, from which a study is written that
checks it: without the most harmful and without the most helpful classes, each against as many at
random.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from seedbed.data.store import Store
from seedbed.trials.results import Outcome, Results
from seedbed.verdicts.families import SOURCES, Family
from seedbed.verdicts.findings.finding import Finding, points
from seedbed.verdicts.influence import MIN_NETS, RELIABLE, Influence, influence

QUESTION = "class-influence"
_SHOWN = 5


def influences(results: Results, families: Sequence[Family]) -> list[Finding]:
    """The influence of classes on each target. Where there are too few nets and the study asks for
    it, a finding with the reason."""
    arms = [arm for arm, spec in results.study.arms.items() if spec.recipe.samples_classes]
    is_asked = results.study.question == QUESTION
    findings = []
    for family in families:
        if family.target in SOURCES or family.images_seen is None:
            continue
        # Arms are not pooled: nets of other sizes or networks differ in more than the classes that
        # they saw.
        for arm in arms:
            rows = family.rows.get(arm, [])
            if len(rows) >= MIN_NETS:
                findings.append(_finding(results, family, rows))
            elif is_asked and rows:
                reason = f"it takes {MIN_NETS} nets at least, and there are {len(rows)}"
                findings.append(_refusal(family, arm, reason))
        if is_asked and not arms:
            reason = "no arm draws its classes at random, as classes(fraction=0.5) does"
            findings.append(_refusal(family, results.study.reference, reason))
    return findings


def _refusal(family: Family, arm: str, reason: str) -> Finding:
    sentence = f"{_place(family, arm)} the influence of classes cannot be estimated: {reason}."
    return Finding(
        **_fields(family, arm), verdict="refused", sentence=sentence, details={"reason": reason}
    )


def _fields(family: Family, arm: str) -> dict[str, Any]:
    """The fields of a finding that say what it is about."""
    names = ("target", "method", "images_seen", "metric", "unit")
    return {"kind": "influence", "arm": arm, **{name: getattr(family, name) for name in names}}


def _place(family: Family, arm: str) -> str:
    return f"On {family.target} ('{arm}', {family.method}, {family.images_seen:,} images seen)"


def _finding(results: Results, family: Family, rows: Sequence[Outcome]) -> Finding:
    store, arm = results.plan.stores["source"], rows[0].arm
    seen = np.stack([results.plan.views[o.arm, o.seed].class_of_leaf >= 0 for o in rows])
    try:
        estimate = influence(seen, family.sign * np.array([o.value for o in rows]))
    except ValueError as reason:
        return _refusal(family, arm, str(reason))
    highest, lowest = _extremes(store, estimate)
    sentence = (
        f"{_place(family, arm)} {_reliability(estimate)} The classes of the source with the "
        f"highest influence are {highest or 'none'}; with the lowest, {lowest or 'none'} "
        f"(points, {estimate.num_nets} nets)."
    )
    return Finding(
        **_fields(family, arm),
        verdict="ranked" if estimate.reliability >= RELIABLE else "noisy",
        sentence=sentence,
        details=_details(store, estimate),
    )


def _extremes(store: Store, estimate: Influence) -> tuple[str, str]:
    """The classes with the highest positive influence, and those with the lowest negative one, with
    their influence."""
    names = class_names(store)

    def listed(ranked: Iterable[int]) -> str:
        pairs = ((names[store.classes[i]], float(estimate.values[i])) for i in ranked)
        return ", ".join(f"{name} {points(value, 2)}" for name, value in pairs)

    order = np.argsort(estimate.values)
    highest, lowest = order[::-1], order
    return (
        listed(highest[estimate.values[highest] > 0][:_SHOWN]),
        listed(lowest[estimate.values[lowest] < 0][:_SHOWN]),
    )


def _reliability(estimate: Influence) -> str:
    """How reliable the ranking is."""
    if estimate.reliability >= RELIABLE:
        worth = "the ranking of the classes is reliable"
    elif estimate.nets_needed:
        needed = f"it would take about {estimate.nets_needed:,} nets"
        worth = f"the ranking of the classes is mostly noise ({needed})"
    else:
        needed = "by this correlation, no number of nets would be enough"
        worth = f"the ranking of the classes is mostly noise ({needed})"
    num_certain = int((np.abs(estimate.values) > estimate.half_widths_joint).sum())
    return (
        f"{worth}: rankings from two halves of the nets correlate at {estimate.split_half:.2f}, "
        f"and {num_certain} of {len(estimate.values)} classes differ from 0 when all are judged "
        "together."
    )


def class_names(store: Store) -> dict[str, str]:
    """Label -> the first of its names where no other class has the same, else the label."""
    first = {label: str(store.names.get(label, label)).split(",")[0] for label in store.classes}
    times = Counter(first.values())
    return {label: name if times[name] == 1 else label for label, name in first.items()}


def _details(store: Store, estimate: Influence) -> dict[str, Any]:
    names = class_names(store)
    values, half_widths = estimate.values, estimate.half_widths
    classes = [
        {
            "label": store.classes[i],
            "name": names[store.classes[i]],
            "influence": float(values[i]),
            "interval": [float(values[i] - half_widths[i]), float(values[i] + half_widths[i])],
            "differs": bool(abs(values[i]) > estimate.half_widths_joint[i]),
        }
        for i in np.argsort(-values)
    ]
    return {
        "num_nets": estimate.num_nets,
        "by_regression": estimate.by_regression,
        "split_half": estimate.split_half,
        "reliability": estimate.reliability,
        "nets_needed": estimate.nets_needed,
        "split_half_curve": [list(point) for point in estimate.curve],
        "classes": classes,
    }
