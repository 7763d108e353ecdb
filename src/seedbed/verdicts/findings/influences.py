"""Influence of classes from results: over nets that each saw a random part of the classes.

In: results with an arm that draws classes at random, and many seeds. Out: one finding per target,
method and training budget, with each class's influence, and what to run next: the most harmful and
the most helpful classes dropped, each against as many at random.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
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
    """Influence on each target, where there are nets enough; where the study asks for it and there
    are not, that."""
    arms = [arm for arm, spec in results.study.arms.items() if spec.recipe.samples_classes]
    is_asked = results.study.question == QUESTION
    found = []
    for family in families:
        if family.target in SOURCES or family.images_seen is None:
            continue
        # by itself: nets of other sizes or networks differ in more than the classes that they saw
        for arm in arms:
            rows = family.rows.get(arm, [])
            if len(rows) >= MIN_NETS:
                found.append(_finding(results, family, rows))
            elif is_asked and rows:
                found.append(
                    _refused(
                        family,
                        arm,
                        f"it takes {MIN_NETS} nets at least, and there are {len(rows)}",
                    )
                )
        if is_asked and not arms:
            reason = "no arm draws its classes at random, classes(fraction=0.5) say"
            found.append(_refused(family, results.study.reference, reason))
    return found


def _refused(family: Family, arm: str, reason: str) -> Finding:
    sentence = f"{_place(family, arm)} the influence of classes cannot be told: {reason}."
    return Finding(
        **_where(family, arm), verdict="refused", sentence=sentence, details={"reason": reason}
    )


def _where(family: Family, arm: str) -> dict[str, Any]:
    """The fields of a finding that say of what it is told."""
    own = {
        name: getattr(family, name)
        for name in ("target", "method", "images_seen", "metric", "unit")
    }
    return {"kind": "influence", "arm": arm, **own}


def _place(family: Family, arm: str) -> str:
    return f"On {family.target} ('{arm}', {family.method}, {family.images_seen:,} images seen)"


def _finding(results: Results, family: Family, rows: Sequence[Outcome]) -> Finding:
    store = results.plan.stores["source"]
    seen = np.stack([results.plan.views[o.arm, o.seed].class_of_leaf >= 0 for o in rows])
    try:
        found = influence(seen, family.sign * np.array([o.value for o in rows]))
    except ValueError as reason:
        return _refused(family, rows[0].arm, str(reason))
    order = np.argsort(found.values)
    names = class_names(store)
    named = lambda i: names[store.classes[i]]  # noqa: E731
    listed = lambda rows: ", ".join(f"{named(i)} {points(float(found.values[i]), 2)}" for i in rows)  # noqa: E731
    certain = int((np.abs(found.values) > found.half_widths_joint).sum())
    helping, harming = (
        ranked[found.values[ranked] * sign > 0][:_SHOWN]
        for ranked, sign in ((order[::-1], 1), (order, -1))
    )
    ends = f"highest influence are {listed(helping) or 'none'}; with the lowest, {listed(harming) or 'none'}"
    sentence = (
        f"{_place(family, rows[0].arm)} {_trust(found, certain)} The classes of the source with the {ends} "
        f"(points, {found.num_nets} nets)."
    )
    return Finding(
        **_where(family, rows[0].arm),
        verdict="ranked" if found.reliability >= RELIABLE else "noisy",
        sentence=sentence,
        details=_details(results, found),
    )


def _trust(found: Influence, certain: int) -> str:
    """What the ranking is worth."""
    needed = (
        f"it would take about {found.nets_needed:,} nets"
        if found.nets_needed
        else "by what is seen no number of nets would do"
    )
    worth = (
        "the ranking of the classes means something"
        if found.reliability >= RELIABLE
        else f"the ranking of the classes is mostly noise ({needed})"
    )
    return (
        f"{worth}: rankings from two halves of the nets correlate at {found.split_half:.2f}, and {certain} of {len(found.values)} classes "
        "differ from 0 when all are judged together."
    )


def class_names(store: Store) -> dict[str, str]:
    """Label -> the first of its words where no other class has the same, else the label."""
    first = {label: str(store.names.get(label, label)).split(",")[0] for label in store.classes}
    times = Counter(first.values())
    return {label: words if times[words] == 1 else label for label, words in first.items()}


def _details(results: Results, found: Influence) -> dict[str, Any]:
    store = results.plan.stores["source"]
    names = class_names(store)
    order = np.argsort(-found.values)
    return {
        "num_nets": found.num_nets,
        "by_regression": found.by_regression,
        "split_half": found.split_half,
        "reliability": found.reliability,
        "nets_needed": found.nets_needed,
        "split_half_curve": [list(point) for point in found.curve],
        "classes": [
            {
                "label": store.classes[i],
                "name": names[store.classes[i]],
                "influence": float(found.values[i]),
                "interval": [
                    float(found.values[i] - found.half_widths[i]),
                    float(found.values[i] + found.half_widths[i]),
                ],
                "differs": bool(abs(found.values[i]) > found.half_widths_joint[i]),
            }
            for i in order
        ],
    }
