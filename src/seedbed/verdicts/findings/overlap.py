"""Overlap of source and target, from a study's plan: what arms with `exclude(...)` dropped, and
what stays near to it."""

from __future__ import annotations

from seedbed.data.excluded_classes import excluded_classes
from seedbed.trials.results import Results
from seedbed.verdicts.findings.finding import Finding

_SHOWN = 12


def overlaps(results: Results) -> list[Finding]:
    """One finding per arm that excludes classes."""
    plan, found = results.plan, []
    source = plan.stores["source"]
    targets = {name: plan.stores[name] for name in plan.study.targets}
    for arm, spec in plan.study.arms.items():
        recipe = spec.recipe.resolve(source, targets)
        gone = excluded_classes(source.classes, source.hierarchy, recipe)
        if gone is None:
            continue
        names = source.names
        dropped = ", ".join(
            str(names.get(leaf, leaf)).partition(",")[0] for leaf in list(gone.dropped)[:_SHOWN]
        )
        near = "; ".join(n.sentence for n in gone.near[:_SHOWN])
        more = f"; and {len(gone.near) - _SHOWN} more" if len(gone.near) > _SHOWN else ""
        stays = (
            f" {len(gone.near)} stay that a person might call the same: {near}{more}."
            if gone.near
            else ""
        )
        etc = ", ..." if len(gone.dropped) > _SHOWN else ""
        sentence = f"'{arm}' drops {len(gone.dropped)} of {len(source.classes)} classes ({dropped}{etc}).{stays}"
        details = {
            "dropped": gone.dropped,
            "near": [
                {"leaf": n.leaf, "node": n.node, "hops": n.hops, "word": n.word} for n in gone.near
            ],
        }
        found.append(
            Finding(
                kind="overlap",
                target=None,
                method=None,
                arm=arm,
                sentence=sentence,
                details=details,
            )
        )
    return found
