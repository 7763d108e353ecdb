"""Overlap of source and target: classes that arms with `exclude(...)` drop, and similar ones left.

In: results. Out: one finding per arm that excludes classes.
"""

from __future__ import annotations

from seedbed.data.excluded_classes import ExcludedClasses, excluded_classes
from seedbed.data.store import Store
from seedbed.trials.results import Results
from seedbed.verdicts.findings.finding import Finding

# classes that a sentence lists
_MAX_SHOWN = 12


def overlaps(results: Results) -> list[Finding]:
    """One finding per arm that excludes classes."""
    plan = results.plan
    source = plan.stores["source"]
    targets = {name: plan.stores[name] for name in plan.study.targets}
    findings = []
    for arm, spec in plan.study.arms.items():
        recipe = spec.recipe.resolve(source, targets)
        excluded = excluded_classes(source.classes, source.hierarchy, recipe)
        if excluded is not None:
            findings.append(_finding(arm, source, excluded))
    return findings


def _finding(arm: str, source: Store, excluded: ExcludedClasses) -> Finding:
    dropped, near = excluded.dropped, excluded.near
    names = [str(source.names.get(leaf, leaf)).partition(",")[0] for leaf in dropped]
    shown = ", ".join([*names[:_MAX_SHOWN], *(["..."] if len(names) > _MAX_SHOWN else [])])
    sentence = f"'{arm}' drops {len(dropped)} of {len(source.classes)} classes ({shown})."
    if near:
        more = f"; and {len(near) - _MAX_SHOWN} more" if len(near) > _MAX_SHOWN else ""
        sentence += (
            f" {len(near)} remaining classes may have the same meaning: "
            f"{'; '.join(n.sentence for n in near[:_MAX_SHOWN])}{more}."
        )
    return Finding(
        kind="overlap",
        target=None,
        method=None,
        arm=arm,
        sentence=sentence,
        details={
            "dropped": dropped,
            "near": [
                {"leaf": n.leaf, "node": n.node, "hops": n.hops, "word": n.word} for n in near
            ],
        },
    )
