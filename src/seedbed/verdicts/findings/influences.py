"""The influence of source classes, estimated from networks trained on random sets of classes.

In: results with an arm that draws classes at random, and many seeds. Out: one finding per target,
method, training budget and arm, with the influence of each class; or the reason why there is none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from seedbed.data.store import Store
from seedbed.trials.results import Outcome, Results
from seedbed.verdicts.families import SOURCES
from seedbed.verdicts.family_scores import Family
from seedbed.verdicts.findings.finding import Finding, points
from seedbed.verdicts.influence import MIN_NETS, RELIABLE, Influence, influence

QUESTION = "class-influence"
# classes that a sentence lists at either end of the ranking
_MAX_SHOWN = 5


def influences(results: Results, families: Sequence[Family]) -> list[Finding]:
    """Influence on each target, if there are enough networks.

    If the study asks for influence and cannot have it, the finding gives the reason.
    """
    arms = [arm for arm, spec in results.study.arms.items() if spec.recipe.samples_classes]
    is_main_question = results.study.question == QUESTION
    findings = []
    for family in families:
        if family.target in SOURCES or family.images_seen is None:
            continue
        # Arms are not pooled: their networks differ in more than their classes.
        for arm in arms:
            rows = family.rows.get(arm, [])
            if len(rows) >= MIN_NETS:
                findings.append(_finding(results, family, rows))
            elif is_main_question and rows:
                reason = f"it needs at least {MIN_NETS} networks, and there are {len(rows)}"
                findings.append(_refused(family, arm, reason))
        if is_main_question and not arms:
            reason = "no arm draws its classes at random, for example classes(fraction=0.5)"
            findings.append(_refused(family, results.study.reference, reason))
    return findings


def _refused(family: Family, arm: str, reason: str) -> Finding:
    return Finding(
        **_common_fields(family, arm),
        verdict="refused",
        sentence=(
            f"{_setting(family, arm)}, the influence of classes cannot be estimated: {reason}."
        ),
        details={"reason": reason},
    )


def _common_fields(family: Family, arm: str) -> dict[str, Any]:
    return {
        "kind": "influence",
        "arm": arm,
        "target": family.target,
        "method": family.method,
        "images_seen": family.images_seen,
        "metric": family.metric,
        "unit": family.unit,
    }


def _setting(family: Family, arm: str) -> str:
    return f"On {family.target} ('{arm}', {family.method}, {family.images_seen:,} images seen)"


def _finding(results: Results, family: Family, rows: Sequence[Outcome]) -> Finding:
    store, arm = results.plan.stores["source"], rows[0].arm
    seen = np.stack([results.plan.views[o.arm, o.seed].class_of_leaf >= 0 for o in rows])
    try:
        estimated = influence(seen, family.sign * np.array([o.value for o in rows]))
    except ValueError as reason:
        return _refused(family, arm, str(reason))
    return Finding(
        **_common_fields(family, arm),
        verdict="ranked" if estimated.reliability >= RELIABLE else "noisy",
        sentence=(
            f"{_setting(family, arm)}, {_reliability_sentence(estimated)} "
            f"{_extremes_sentence(store, estimated)}"
        ),
        details=_details(store, estimated),
    )


def _reliability_sentence(estimated: Influence) -> str:
    if estimated.reliability >= RELIABLE:
        verdict = "the ranking of the classes is reliable"
    elif estimated.nets_needed:
        verdict = (
            "the ranking of the classes is mostly noise (a reliable one needs about "
            f"{estimated.nets_needed:,} networks)"
        )
    else:
        verdict = (
            "the ranking of the classes is mostly noise (more networks would not make it reliable)"
        )
    num_significant = int((np.abs(estimated.values) > estimated.half_widths_joint).sum())
    return (
        f"{verdict}: rankings from two halves of the networks have a correlation of "
        f"{estimated.split_half:.2f}, and the influence of {num_significant} of "
        f"{len(estimated.values)} classes is significant, corrected for the number of classes."
    )


def _extremes_sentence(store: Store, estimated: Influence) -> str:
    """The classes with the highest and the lowest influence."""
    names, order = class_names(store), np.argsort(estimated.values)

    def list_classes(ranked: np.ndarray) -> str:
        texts = [
            f"{names[store.classes[i]]} {points(float(estimated.values[i]), 2)}"
            for i in ranked[:_MAX_SHOWN]
        ]
        return ", ".join(texts) or "none"

    descending = order[::-1]
    helpful = list_classes(descending[estimated.values[descending] > 0])
    harmful = list_classes(order[estimated.values[order] < 0])
    return (
        f"The highest influence have {helpful}; the lowest {harmful} (points, "
        f"{estimated.num_nets} networks)."
    )


def class_names(store: Store) -> dict[str, str]:
    """The first name of each class by label; the label where several classes have that name."""
    first = {label: str(store.names.get(label, label)).split(",")[0] for label in store.classes}
    counts = Counter(first.values())
    return {label: name if counts[name] == 1 else label for label, name in first.items()}


def _details(store: Store, estimated: Influence) -> dict[str, Any]:
    names = class_names(store)
    low, high = (estimated.values + sign * estimated.half_widths for sign in (-1, 1))
    differs = np.abs(estimated.values) > estimated.half_widths_joint
    return {
        "num_nets": estimated.num_nets,
        "by_regression": estimated.by_regression,
        "split_half": estimated.split_half,
        "reliability": estimated.reliability,
        "nets_needed": estimated.nets_needed,
        "split_half_curve": [list(point) for point in estimated.curve],
        "classes": [
            {
                "label": store.classes[i],
                "name": names[store.classes[i]],
                "influence": float(estimated.values[i]),
                "interval": [float(low[i]), float(high[i])],
                "differs": bool(differs[i]),
            }
            for i in np.argsort(-estimated.values)
        ],
    }
