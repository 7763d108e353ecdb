"""Overlap of source and target, from a study's plan: which classes the arms with exclusions drop,
and which remaining classes are near to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seedbed.data.excluded_classes import ExcludedClasses, excluded_classes
from seedbed.data.store import Store
from seedbed.trials.results import Results
from seedbed.verdicts.findings.finding import Finding

_SHOWN = 12


def overlaps(results: Results) -> list[Finding]:
    """One finding per arm that excludes classes."""
    plan, findings = results.plan, []
    source = plan.stores["source"]
    targets = {name: plan.stores[name] for name in plan.study.targets}
    for arm, spec in plan.study.arms.items():
        recipe = spec.recipe.resolve(source, targets)
        excluded = excluded_classes(source.classes, source.hierarchy, recipe)
        if excluded is not None:
            findings.append(
                Finding(
                    kind="overlap",
                    target=None,
                    method=None,
                    arm=arm,
                    sentence=_sentence(arm, source, excluded),
                    details=_details(excluded),
                )
            )
    return findings


def _sentence(arm: str, source: Store, excluded: ExcludedClasses) -> str:
    leaves, near = list(excluded.dropped), excluded.near
    names = ", ".join(_name(source.names, leaf) for leaf in leaves[:_SHOWN])
    etc = ", ..." if len(leaves) > _SHOWN else ""
    dropped = f"'{arm}' drops {len(leaves)} of {len(source.classes)} classes ({names}{etc})."
    if not near:
        return dropped
    shown = "; ".join(n.sentence for n in near[:_SHOWN])
    more = f"; and {len(near) - _SHOWN} more" if len(near) > _SHOWN else ""
    return f"{dropped} {len(near)} remain that a person might call the same: {shown}{more}."


def _name(names: Mapping[str, Any], leaf: str) -> str:
    """The first of a class's names."""
    return str(names.get(leaf, leaf)).partition(",")[0]


def _details(excluded: ExcludedClasses) -> dict[str, Any]:
    near = [{"leaf": n.leaf, "node": n.node, "hops": n.hops, "word": n.word} for n in excluded.near]
    return {"dropped": excluded.dropped, "near": near}
