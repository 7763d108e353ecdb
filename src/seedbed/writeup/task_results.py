"""Results by class and sample pictures of detection, multi-label and retrieval targets.

In: results. Out: a section per target and method: average precision by class, precision-recall
curves, contact sheets. Each arm is shown at its largest training budget; curves and contact sheets
are of its first seed.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from seedbed.metrics.average_precision import MeanAveragePrecision
from seedbed.tasks.catalogue import TASKS
from seedbed.tasks.task import Task
from seedbed.transfers.methods import METHODS
from seedbed.trials.results import Outcome, Results
from seedbed.trials.steps import MeasureStep
from seedbed.writeup import number_format
from seedbed.writeup.contact_sheets import Sheet, detections_sheet, retrieval_sheet
from seedbed.writeup.precision_figures import (
    MOST_ARMS,
    MOST_CLASSES,
    MOST_CURVES,
    Precisions,
    bars_svg,
    curves_svg,
)

# arms with contact sheets
_MAX_SHEETS = 3
# How sample predictions are drawn, by the kind of the task.
_DRAW: Mapping[str, Callable[[Any, Mapping[str, np.ndarray]], Sheet]] = {
    "detection": detections_sheet,
    "retrieval": retrieval_sheet,
}


@dataclass(frozen=True, kw_only=True)
class TaskSection:
    """One target and method on the page."""

    title: str
    budget: str
    # what is left out
    limits: str
    bars: Markup | None
    curves: Markup | None
    # text alternative of the drawings
    alt: str
    sheets: list[dict[str, Any]]


def task_sections(results: Results) -> list[TaskSection]:
    """Sections in the order of the study."""
    groups: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in results.outcomes:
        if outcome.primary:
            groups.setdefault((outcome.target, outcome.method), []).append(outcome)
    sections = [_section(results, rows, f"t{i}") for i, rows in enumerate(groups.values())]
    return [section for section in sections if section is not None]


def _section(results: Results, outcomes: Sequence[Outcome], name: str) -> TaskSection | None:
    first = outcomes[0]
    step = results.plan.by_key.get(first.key)
    if not isinstance(step, MeasureStep):
        return None
    task = TASKS.make(step.task).load(
        results.plan.stores[first.target],
        step.task_seed,
        needs_training_images=METHODS.make(step.method).needs_training_images(),
    )
    metric, has_pictures = task.primary_metric, task.kind in _DRAW
    if not has_pictures and not isinstance(metric, MeanAveragePrecision):
        return None
    all_arms = _outcomes_by_arm(results, outcomes)
    arms = dict(list(all_arms.items())[:MOST_ARMS])
    bars = curves = None
    alt, num_classes = "", 0
    if isinstance(metric, MeanAveragePrecision):
        precisions = _precisions(results, task.classes, metric, arms)
        bars = Markup(bars_svg(precisions, f"{name}b"))
        curves = Markup(curves_svg(precisions, f"{name}c"))
        alt, num_classes = _alt_text(precisions), precisions.num_shown
    return TaskSection(
        title=f"{number_format.target_in_words(first.target)}, {first.method}",
        budget="; ".join(
            f"{arm}: {rows[0].images_seen:,} images seen" for arm, rows in arms.items()
        ),
        limits=_limits(len(all_arms), num_classes, pictures=has_pictures),
        bars=bars,
        curves=curves,
        alt=alt,
        sheets=_sheets(results, task, arms),
    )


def _precisions(
    results: Results,
    classes: tuple[str, ...],
    metric: MeanAveragePrecision,
    arms: dict[str, list[Outcome]],
) -> Precisions:
    decisions = {
        arm: [metric.decisions(results.predictions(o)) for o in rows] for arm, rows in arms.items()
    }
    return Precisions(classes=classes, rule=metric.rule, arms=decisions)


def _outcomes_by_arm(results: Results, outcomes: Sequence[Outcome]) -> dict[str, list[Outcome]]:
    """Outcomes of each arm at its largest training budget, by seed; the reference comes first."""
    study = results.study
    by_arm: dict[str, list[Outcome]] = {}
    for arm in [study.reference, *(a for a in study.arms if a != study.reference)]:
        of_arm = [o for o in outcomes if o.arm == arm]
        if of_arm:
            largest = max(o.images_seen for o in of_arm)
            of_arm = [o for o in of_arm if o.images_seen == largest]
            by_arm[arm] = sorted(of_arm, key=lambda o: (o.seed, o.init_seed))
    return by_arm


def _limits(num_arms: int, num_classes: int, *, pictures: bool) -> str:
    """What does not fit on the page, in words; empty if everything is shown."""
    parts = []
    if num_arms > MOST_ARMS and num_classes:
        parts.append(f"the first {MOST_ARMS} of {num_arms} arms")
    if num_classes > MOST_CLASSES:
        parts.append(f"bars of the first {MOST_CLASSES} of {num_classes} classes")
    if num_classes > MOST_CURVES:
        total = "" if num_classes > MOST_CLASSES else f" of {num_classes} classes"
        parts.append(f"curves of the first {MOST_CURVES}{total}")
    if num_arms > _MAX_SHEETS and pictures:
        parts.append(f"pictures of the first {_MAX_SHEETS} of {num_arms} arms")
    return f"Shown are {', '.join(parts)}; the workspace holds the rest." if parts else ""


def _alt_text(precisions: Precisions) -> str:
    parts = []
    for arm, seeds in precisions.arms.items():
        values = [
            f"{label} {number_format.number(float(v), 1)}"
            for label, v in zip(
                precisions.classes, seeds[0].per_class(precisions.rule), strict=True
            )
        ]
        parts.append(f"{arm}: {', '.join(values)}.")
    return f"Average precision of each class, first seed. {' '.join(parts)}"


def _sheets(results: Results, task: Task, arms: dict[str, list[Outcome]]) -> list[dict[str, Any]]:
    """Contact sheets of the first arms, at their first seed."""
    if (draw := _DRAW.get(task.kind)) is None:
        return []
    sheets = [
        (arm, draw(task, results.predictions(rows[0])))
        for arm, rows in list(arms.items())[:_MAX_SHEETS]
    ]
    return [{"arm": arm, "sheet": sheet, "url": _data_url(sheet)} for arm, sheet in sheets]


def _data_url(sheet: Sheet) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(sheet.jpeg).decode()}"
