"""The conditions of a study: what a reader needs to judge or to repeat it.

In: results. Out: one record per arm, and facts of the study as (name, text). Values of outcomes are
not read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from seedbed.data.annotations import Boxes, Relevance
from seedbed.data.source import Source
from seedbed.data.store import Store
from seedbed.engine.data_spec import DataSpec
from seedbed.tasks.domains import is_joined, split_domains
from seedbed.trials.arms import Arm
from seedbed.trials.plan import Plan
from seedbed.trials.results import Results
from seedbed.trials.study_data import data_notes
from seedbed.trials.warnings import measurement_warnings
from seedbed.writeup import number_format


@dataclass(frozen=True, kw_only=True)
class ArmConditions:
    """How one arm was pre-trained; counts are of the first seed, None without pre-training."""

    arm: str
    is_reference: bool
    recipe: str
    num_images: int | None
    num_classes: int | None
    entropy_bits: float | None
    backbone: str
    objective: str | None
    # images seen, epochs
    budgets: tuple[tuple[int, float], ...]
    learning_rate: float | None
    batch_size: int | None
    weight_decay: float | None
    notes: tuple[str, ...]


def arm_conditions(results: Results) -> tuple[ArmConditions, ...]:
    """One record per arm, in the order of the study."""
    return tuple(_conditions_of(results, arm) for arm in results.study.arms)


def _conditions_of(results: Results, arm: str) -> ArmConditions:
    study = results.study
    spec, common = study.arms[arm], study.pretraining
    pretraining = spec.pretraining(common)
    budgets = spec.budgets(common)
    view = results.plan.views.get((arm, study.seeds[0])) if any(budgets) else None
    return ArmConditions(
        arm=arm,
        is_reference=arm == study.reference,
        recipe=str(spec.recipe) or _describe_arm(spec, view is not None),
        num_images=len(view.rows) if view else None,
        num_classes=len(view.classes) if view else None,
        entropy_bits=view.entropy_bits if view else None,
        backbone=next(
            (c.backbone for c in results.plan.cells if c.arm == arm), pretraining.backbone
        ),
        objective=pretraining.objective if view else None,
        budgets=tuple((n, n / len(view.rows)) for n in budgets) if view else (),
        learning_rate=pretraining.learning_rate if view else None,
        batch_size=pretraining.batch_size if view else None,
        weight_decay=pretraining.weight_decay if view else None,
        notes=_recipe_notes(results.plan, arm) if view else (),
    )


def _describe_arm(spec: Arm, trains: bool) -> str:
    """What an arm without a recipe is trained on."""
    if spec.is_checkpoint:
        return f"an existing checkpoint: {spec.weights or spec.model.card.get('name', 'a module')}"
    return "all images, all classes" if trains else "random initialisation, no pre-training"


def _recipe_notes(plan: Plan, arm: str) -> tuple[str, ...]:
    """Notes of the arm's recipes, each once, with its seeds where these are not all."""
    seeds_of: dict[str, list[int]] = {}
    for seed in plan.study.seeds:
        for note in plan.arm_notes(arm, seed):
            seeds_of.setdefault(note, []).append(seed)
    return tuple(
        note
        if len(seeds) == len(plan.study.seeds)
        else f"{note} ({'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))})"
        for note, seeds in seeds_of.items()
    )


def study_facts(results: Results) -> tuple[tuple[str, str], ...]:
    """Facts that hold for all arms, then hardware, versions and time, as name and text."""
    study, manifests = results.study, _manifests(results.plan)
    facts = [("Source", _describe_data(study.source, results.plan, "source"))]
    facts += [
        (f"Target {name}", _describe_data(data, results.plan, name))
        for name, data in study.targets.items()
    ]
    facts += [(f"Method {name}", call) for name, call in study.methods.items()]
    facts += [
        *(
            ("Note", note)
            for note in (*data_notes(results.plan.stores), *measurement_warnings(results))
        ),
        ("Seeds", ", ".join(map(str, study.seeds))),
        ("Margin", f"{study.margin:g} {'point' if study.margin == 1 else 'points'}"),
        ("Threads", f"{study.threads} per worker"),
    ]
    return tuple(facts + _provenance(manifests, len(results.plan.steps)))


def _describe_data(data: DataSpec, plan: Plan, name: str) -> str:
    store = plan.stores[name]
    name_in_study = _data_name(data.data)
    splits = ", ".join(f"{n:,} {split}" for split, n in store.card["splits"].items() if n)
    limit = (
        f"; {number_format.count(data.train_per_class, 'training image')} per class"
        if data.train_per_class
        else ""
    )
    size = "" if store.annotation_kind == Boxes.kind else f" of {store.size_px} px"
    shared = split_domains(store.classes)[1] if is_joined(store.classes) else store.classes
    classes = (
        "queries and their relevant images"
        if store.annotation_kind == Relevance.kind
        else number_format.count(len(shared), "class", "classes")
    )
    return f"{name_in_study}: {classes}, {splits} images{size}{limit}"


def _data_name(data: Any) -> str:
    """The name of a data set in the study, or the names of several."""
    if isinstance(data, Mapping):
        return " + ".join(f"{name}: {_data_name(part)}" for name, part in data.items())
    return data.name if isinstance(data, Source | Store) else str(data)


def _manifests(plan: Plan) -> list[dict[str, Any]]:
    """Manifests of the steps that are done."""
    return [
        plan.workspace.manifest(step.kind, step.key)
        for step in plan.steps
        if plan.workspace.has(step.kind, step.key)
    ]


def _provenance(manifests: list[dict[str, Any]], num_steps: int) -> list[tuple[str, str]]:
    work = number_format.duration(sum(m["seconds"] for m in manifests))
    steps = f"{len(manifests):,} of {number_format.count(num_steps, 'step')}"
    versions = [m["versions"] for m in manifests]
    packages = dict.fromkeys(name for v in versions for name in v if name != "commit")
    texts = [f"{name} {_distinct(v.get(name, '') for v in versions)}" for name in packages]
    return [
        ("Hardware", _distinct(m["hardware"] for m in manifests)),
        ("Versions", ", ".join(texts) or number_format.MISSING),
        ("Commit of seedbed", _distinct(v.get("commit", "") for v in versions)),
        ("Time", f"{work} of work in {steps}, summed over workers"),
    ]


def _distinct(texts: Iterable[str]) -> str:
    """The distinct texts, separated by slashes."""
    return " / ".join(dict.fromkeys(t for t in texts if t)) or number_format.MISSING
