"""Variances of a nested design, from results: the sample of images and classes, and the training
(initialisation, order, augmentation)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from seedbed.tasks.catalogue import TASKS
from seedbed.trials.results import Outcome, Results
from seedbed.verdicts.families import Family
from seedbed.verdicts.findings.finding import Finding
from seedbed.verdicts.variance_components import NestedVariances, nested_variances


def variances(results: Results, families: Sequence[Family]) -> list[Finding]:
    """One finding per family, pooled over the arms that draw anew with each sample seed and have
    all their cells."""
    if not results.study.is_nested:
        return []
    found = []
    for family in families:
        tables = {
            arm: table
            for arm, rows in family.rows.items()
            if (table := _table(results, rows)) is not None
        }
        if tables and family.images_seen is not None:
            found.append(
                _finding(results, family, list(tables), nested_variances(list(tables.values())))
            )
    return found


def _what_is_drawn(results: Results, target: str) -> str:
    """What changes from one sample seed to the next."""
    data, of_target = results.study.targets.get(target), False
    if data is not None:
        store = results.plan.stores[target]
        task = TASKS.make(data.task_call(store))
        first, second = (task.load(store, seed).train for seed in results.study.sample_seeds[:2])
        of_target = not np.array_equal(first, second)
    return "a draw of the source's images and classes" + (
        " and of the target's training images" if of_target else ""
    )


def _table(results: Results, rows: list[Outcome]) -> np.ndarray | None:
    """Values [samples, initialisations]; None where a cell is missing, or where the samples are one
    and the same training."""
    samples, inits = results.study.sample_seeds, results.study.init_seeds
    values = {(o.seed, o.init_seed): o.value for o in rows}
    is_whole = all((s, i) in values for s in samples for i in inits)
    if (
        not is_whole
        or min(len(samples), len(inits)) < 2
        or len({o.backbone_key for o in rows}) < len(rows)
    ):
        return None
    return np.array([[values[s, i] for i in inits] for s in samples])


def _finding(results: Results, family: Family, arms: list[str], found: NestedVariances) -> Finding:
    sds = {
        "sample": (math.sqrt(found.sample), _roots(found.sample_interval)),
        "training": (math.sqrt(found.training), _roots(found.training_interval)),
    }
    words = {
        name: f"{sd:.2f} (95 % interval {low:.2f} to {high:.2f})"
        for name, (sd, (low, high)) in sds.items()
    }
    sentence = (
        f"On {family.target} ({family.method}, {family.images_seen:,} images seen) {_what_is_drawn(results, family.target)} has a standard "
        f"deviation of {words['sample']} points, a training (its first weights, order and augmentation) of {words['training']}: from "
        f"{found.num_samples} draws with {found.num_trainings} trainings each, of {_listed(arms)}."
    )
    return Finding(
        kind="variances",
        target=family.target,
        method=family.method,
        images_seen=family.images_seen,
        metric=family.metric,
        unit=family.unit,
        sentence=sentence,
        details={
            "arms": arms,
            "sample_variance": found.sample,
            "sample_interval": found.sample_interval,
            "training_variance": found.training,
            "training_interval": found.training_interval,
        },
    )


def _listed(arms: list[str]) -> str:
    return ", ".join(map(repr, arms[:-1])) + (" and " if len(arms) > 1 else "") + repr(arms[-1])


def _roots(interval: tuple[float, float]) -> tuple[float, float]:
    return math.sqrt(interval[0]), math.sqrt(interval[1])
