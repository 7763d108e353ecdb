"""Variance components of a nested design: the sample of images and classes, and the training.

In: results. Out: one finding per family.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from seedbed.tasks.catalogue import TASKS
from seedbed.trials.results import Outcome, Results
from seedbed.verdicts.family_scores import Family
from seedbed.verdicts.findings.finding import Finding
from seedbed.verdicts.variance_components import NestedVariances, nested_variances


def variances(results: Results, families: Sequence[Family]) -> list[Finding]:
    """One finding per family, pooled over the complete arms that draw with each sample seed."""
    if not results.study.is_nested:
        return []
    findings = []
    for family in families:
        tables = {arm: _table(results, rows) for arm, rows in family.rows.items()}
        complete = {arm: table for arm, table in tables.items() if table is not None}
        if complete and family.images_seen is not None:
            components = nested_variances(list(complete.values()))
            findings.append(_finding(results, family, list(complete), components))
    return findings


def _sampled_data(results: Results, target: str) -> str:
    """What a sample seed draws, in words."""
    data, is_target_drawn = results.study.targets.get(target), False
    if data is not None:
        store = results.plan.stores[target]
        task = TASKS.make(data.task_call(store))
        first, second = (task.load(store, seed).train for seed in results.study.sample_seeds[:2])
        is_target_drawn = not np.array_equal(first, second)
    of_target = " and of the target's training images" if is_target_drawn else ""
    return f"draws of the source's images and classes{of_target}"


def _table(results: Results, rows: list[Outcome]) -> np.ndarray | None:
    """Values [samples, initialisations].

    None if a cell is missing, or if all samples are the same training.
    """
    samples, inits = results.study.sample_seeds, results.study.init_seeds
    values = {(o.seed, o.init_seed): o.value for o in rows}
    is_complete = all((s, i) in values for s in samples for i in inits)
    has_same_trainings = len({o.backbone_key for o in rows}) < len(rows)
    if not is_complete or has_same_trainings or min(len(samples), len(inits)) < 2:
        return None
    return np.array([[values[s, i] for i in inits] for s in samples])


def _finding(
    results: Results, family: Family, arms: list[str], components: NestedVariances
) -> Finding:
    sample = _deviation_in_words(components.sample, components.sample_interval)
    training = _deviation_in_words(components.training, components.training_interval)
    sentence = (
        f"On {family.target} ({family.method}, {family.images_seen:,} images seen), the standard "
        f"deviation over {_sampled_data(results, family.target)} is {sample}, and over trainings "
        f"(initialisation, order of images, augmentation) {training}: from "
        f"{components.num_samples} draws with {components.num_trainings} trainings each, of "
        f"{_list_in_words(arms)}."
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
            "sample_variance": components.sample,
            "sample_interval": components.sample_interval,
            "training_variance": components.training,
            "training_interval": components.training_interval,
        },
    )


def _deviation_in_words(variance: float, interval: tuple[float, float]) -> str:
    low, high = (math.sqrt(end) for end in interval)
    return f"{math.sqrt(variance):.2f} points (95 % interval {low:.2f} to {high:.2f})"


def _list_in_words(arms: list[str]) -> str:
    """'a', 'b' and 'c'."""
    return ", ".join(map(repr, arms[:-1])) + (" and " if len(arms) > 1 else "") + repr(arms[-1])
