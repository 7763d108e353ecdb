"""The conditions of a study: what was run, on what and with what, for whoever wants to judge or
repeat it.

In: results. Out: one record per arm, and facts of the study as (name, text). Knows nothing of
outcomes' values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from seedbed.data.annotations import Boxes, Relevance
from seedbed.data.source import Source
from seedbed.data.store import Store
from seedbed.tasks.domains import domains_of, is_joined
from seedbed.trials.arms import Arm
from seedbed.trials.data import DataSpec
from seedbed.trials.plan import Plan
from seedbed.trials.results import Results
from seedbed.trials.study_data import data_notes
from seedbed.trials.warnings import remarks
from seedbed.writeup import number_format


@dataclass(frozen=True, kw_only=True)
class ArmConditions:
    """How one arm was pre-trained; counts are of the first seed. An arm that trains on nothing has
    none."""

    arm: str
    is_reference: bool
    recipe: str
    num_images: int | None
    num_classes: int | None
    entropy_bits: float | None
    backbone: str
    objective: str | None
    budgets: tuple[tuple[int, float], ...]  # (images seen, epochs)
    learning_rate: float | None
    batch_size: int | None
    weight_decay: float | None
    notes: tuple[str, ...]


def arm_conditions(results: Results) -> tuple[ArmConditions, ...]:
    """One record per arm, in the order of the study."""
    return tuple(_arm(results, arm) for arm in results.study.arms)


def _arm(results: Results, arm: str) -> ArmConditions:
    study = results.study
    spec, common = study.arms[arm], study.pretraining
    how = spec.pretraining(common)
    budgets = spec.budgets(common)
    view = results.plan.views.get((arm, study.seeds[0])) if any(budgets) else None
    return ArmConditions(
        arm=arm,
        is_reference=arm == study.reference,
        recipe=str(spec.recipe) or _without_recipe(spec, view is not None),
        num_images=len(view.rows) if view else None,
        num_classes=len(view.classes) if view else None,
        entropy_bits=view.entropy_bits if view else None,
        backbone=next((c.backbone for c in results.plan.cells if c.arm == arm), how.backbone),
        objective=how.objective if view else None,
        budgets=tuple((n, n / len(view.rows)) for n in budgets) if view else (),
        learning_rate=how.learning_rate if view else None,
        batch_size=how.batch_size if view else None,
        weight_decay=how.weight_decay if view else None,
        notes=_notes(results.plan, arm) if view else (),
    )


def _without_recipe(spec: Arm, trains: bool) -> str:
    if spec.is_checkpoint:
        return f"an existing checkpoint: {spec.weights or spec.model.card.get('name', 'a module')}"
    return "all images, all classes" if trains else "random initialisation, no pre-training"


def _notes(plan: Plan, arm: str) -> tuple[str, ...]:
    """What the recipes remarked, each once; of which seeds, where it is not all."""
    seeds_of: dict[str, list[int]] = {}
    for seed in plan.study.seeds:
        for note in plan.arm_notes(arm, seed):
            seeds_of.setdefault(note, []).append(seed)
    everywhere = len(plan.study.seeds)
    return tuple(
        n if len(s) == everywhere else f"{n} (seed {', '.join(map(str, s))})"
        for n, s in seeds_of.items()
    )


def study_facts(results: Results) -> tuple[tuple[str, str], ...]:
    """What holds for all arms, then what made the numbers, as name and text."""
    study, manifests = results.study, _manifests(results.plan)
    facts = [("Source", _data_words(study.source, results.plan, "source"))]
    facts += [
        (f"Target {name}", _data_words(data, results.plan, name))
        for name, data in study.targets.items()
    ]
    facts += [(f"Method {name}", call) for name, call in study.methods.items()]
    facts += [
        *(("Note", note) for note in (*data_notes(results.plan.stores), *remarks(results))),
        ("Seeds", ", ".join(map(str, study.seeds))),
        ("Margin", f"{study.margin:g} {'point' if study.margin == 1 else 'points'}"),
        ("Threads", f"{study.threads} per worker"),
    ]
    return tuple(facts + _origins(manifests, len(results.plan.steps)))


def _data_words(data: DataSpec, plan: Plan, name: str) -> str:
    store = plan.stores[name]
    given = _named(data.data)
    splits = ", ".join(f"{n:,} {split}" for split, n in store.card["splits"].items() if n)
    limit = (
        f"; {number_format.count(data.train_per_class, 'training image')} per class"
        if data.train_per_class
        else ""
    )
    size = "" if store.annotated == Boxes.kind else f" of {store.size_px} px"
    shared = domains_of(store.classes)[1] if is_joined(store.classes) else store.classes
    classes = (
        "queries and their answers"
        if store.annotated == Relevance.kind
        else number_format.count(len(shared), "class", "classes")
    )
    return f"{given}: {classes}, {splits} images{size}{limit}"


def _named(data: Any) -> str:
    """A data set as the study names it, each of several by itself."""
    if isinstance(data, Mapping):
        return " + ".join(f"{name}: {_named(part)}" for name, part in data.items())
    return data.name if isinstance(data, Source | Store) else str(data)


def _manifests(plan: Plan) -> list[dict[str, Any]]:
    """Of the steps that are done."""
    return [
        plan.workspace.manifest(step.kind, step.key)
        for step in plan.steps
        if plan.workspace.has(step.kind, step.key)
    ]


def _origins(manifests: list[dict[str, Any]], num_steps: int) -> list[tuple[str, str]]:
    work = f"{number_format.duration(sum(m['seconds'] for m in manifests))} of work"
    versions = [m["versions"] for m in manifests]
    packages = dict.fromkeys(name for v in versions for name in v if name != "commit")
    found = [f"{name} {_each(v.get(name, '') for v in versions)}" for name in packages]
    return [
        ("Hardware", _each(m["hardware"] for m in manifests)),
        ("Versions", ", ".join(found) or number_format.MISSING),
        ("Commit of seedbed", _each(v.get("commit", "") for v in versions)),
        (
            "Time",
            f"{work} in {len(manifests):,} of {number_format.count(num_steps, 'step')}, summed over workers",
        ),
    ]


def _each(texts: Iterable[str]) -> str:
    """Every different text once; more than one is worth knowing."""
    return " / ".join(dict.fromkeys(t for t in texts if t)) or number_format.MISSING
