"""What networks found on the targets of a study: average precision by class, curves, sample
detections, rankings.

In: results. Out: a section for each target and method whose test is more than one label an image.
The largest training budget of each arm is shown, pictures at the first seed. Knows nothing of
verdicts.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from seedbed.metrics import METRICS
from seedbed.metrics.average_precision import MeanAveragePrecision
from seedbed.tasks.catalogue import TASKS
from seedbed.tasks.detection import DetectionTask
from seedbed.tasks.multilabel import MultiLabelTask
from seedbed.tasks.retrieval import RetrievalTask
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

_MOST_SHEETS = 3


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One target and method on the page."""

    title: str
    budget: str
    limits: str  # what is not shown
    bars: Markup | None
    curves: Markup | None
    words: str  # what the drawings show, for who cannot see them
    sheets: list[dict[str, Any]]


def sections(results: Results) -> list[Shown]:
    """In the order of the study."""
    places: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in results.outcomes:
        if outcome.primary:
            places.setdefault((outcome.target, outcome.method), []).append(outcome)
    found = [_section(results, rows, f"t{i}") for i, rows in enumerate(places.values())]
    return [section for section in found if section is not None]


def _section(results: Results, outcomes: Sequence[Outcome], name: str) -> Shown | None:
    step = results.plan.by_key.get(outcomes[0].key)
    if not isinstance(step, MeasureStep):
        return None
    task = TASKS.make(step.task).load(
        results.plan.stores[outcomes[0].target],
        step.task_seed,
        needs_training_images=METHODS.make(step.method).needs_training_images(),
    )
    if not isinstance(task, DetectionTask | MultiLabelTask | RetrievalTask):
        return None
    every = _arms(results, outcomes)
    arms = dict(list(every.items())[:MOST_ARMS])
    first = outcomes[0]
    title = f"{number_format.target_words(first.target)}, {first.method}"
    bars = curves = None
    words, num_classes = "", 0
    metric = METRICS.get(first.metric)
    if isinstance(metric, MeanAveragePrecision):
        decisions = {
            arm: [metric.decisions(results.predictions(o)) for o in rows]
            for arm, rows in arms.items()
        }
        precisions = Precisions(classes=task.classes, rule=metric.rule, arms=decisions)
        bars, curves = (
            Markup(bars_svg(precisions, f"{name}b")),
            Markup(curves_svg(precisions, f"{name}c")),
        )
        words, num_classes = _words(precisions), precisions.num_shown
    return Shown(
        title=title,
        budget="; ".join(
            f"{arm}: {rows[0].images_seen:,} images seen" for arm, rows in arms.items()
        ),
        limits=_limits(len(every), num_classes, pictures=not isinstance(task, MultiLabelTask)),
        bars=bars,
        curves=curves,
        words=words,
        sheets=_sheets(results, task, arms),
    )


def _arms(results: Results, outcomes: Sequence[Outcome]) -> dict[str, list[Outcome]]:
    """The outcomes of each arm at its largest training budget by seed, the reference first."""
    order = [
        results.study.reference,
        *(a for a in results.study.arms if a != results.study.reference),
    ]
    found: dict[str, list[Outcome]] = {}
    for arm in order:
        mine = [o for o in outcomes if o.arm == arm]
        if mine:
            most = max(o.images_seen for o in mine)
            found[arm] = sorted(
                (o for o in mine if o.images_seen == most), key=lambda o: (o.seed, o.init_seed)
            )
    return found


def _limits(num_arms: int, num_classes: int, *, pictures: bool) -> str:
    """What does not fit on the page, in words; empty where everything is shown."""
    cut = []
    if num_arms > MOST_ARMS and num_classes:
        cut.append(f"the first {MOST_ARMS} of {num_arms} arms")
    if num_classes > MOST_CLASSES:
        cut.append(f"bars of the first {MOST_CLASSES} of {num_classes} classes")
    if num_classes > MOST_CURVES:
        cut.append(
            f"curves of the first {MOST_CURVES}{'' if num_classes > MOST_CLASSES else f' of {num_classes} classes'}"
        )
    if num_arms > _MOST_SHEETS and pictures:
        cut.append(f"pictures of the first {_MOST_SHEETS} of {num_arms} arms")
    return f"Shown are {', '.join(cut)}; the rest is kept in the workspace." if cut else ""


def _words(found: Precisions) -> str:
    parts = []
    for arm, seeds in found.arms.items():
        values = [
            f"{label} {number_format.plain(float(v), 1)}"
            for label, v in zip(found.classes, seeds[0].per_class(found.rule), strict=True)
        ]
        parts.append(f"{arm}: {', '.join(values)}.")
    return f"Average precision of each class, first seed. {' '.join(parts)}"


def _sheets(results: Results, task: Any, arms: dict[str, list[Outcome]]) -> list[dict[str, Any]]:
    """Pictures of the first arms, at their first seed."""
    if isinstance(task, MultiLabelTask):
        return []
    draw: Any = detections_sheet if isinstance(task, DetectionTask) else retrieval_sheet
    found: list[tuple[str, Sheet]] = [
        (arm, draw(task, results.predictions(rows[0])))
        for arm, rows in list(arms.items())[:_MOST_SHEETS]
    ]
    return [{"arm": arm, "sheet": sheet, "url": _url(sheet)} for arm, sheet in found]


def _url(sheet: Sheet) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(sheet.jpeg).decode()}"
