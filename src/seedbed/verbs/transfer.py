"""transfer: measure a backbone on a task by a method.

In: parsed options. Out: (document, exit status).
"""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any

from seedbed.verbs.output import Bar, Result, say, show_facts, show_rows

if TYPE_CHECKING:
    from seedbed.tasks.task import Measurement


def transfer(options: Namespace) -> Result:
    import time

    from seedbed.api.transfer import transfer as run_transfer

    started = time.monotonic()
    with Bar("transfer") as bar:
        measured = run_transfer(
            options.backbone,
            options.task,
            options.method,
            train_per_class=options.train_per_class,
            labelled=options.labelled,
            learn_on=options.learn_on,
            metric=options.metric,
            out=options.out,
            seed=options.seed,
            threads=options.threads,
            device=options.device,
            workspace=options.workspace,
            on_pack=bar.named("packing"),
            on_progress=bar.training,
            on_message=bar.message,
        )
    seconds = time.monotonic() - started
    document = _measurement_document(options, measured, seconds)
    _show_outcome(options, document, measured.tested_on)
    return document, 0


def _measurement_document(
    options: Namespace, measured: Measurement, seconds: float
) -> dict[str, Any]:
    """The JSON document of one measurement."""
    from seedbed.metrics import METRICS

    metric, num_test = measured.primary, measured.num_test
    primary, value = METRICS.get(metric), measured.metrics[metric]
    interval = primary.interval(value, num_test)
    has_model = options.out is not None and measured.model is not None
    return {
        "study": None,
        "arm": str(options.backbone),
        "seed": options.seed,
        "images_seen": measured.network["images_seen"],
        "target": options.task,
        "method": options.method,
        "backbone": measured.network["architecture"],
        "weights": measured.network["weights"],
        "metric": metric,
        "unit": primary.unit,
        "value": value,
        "interval": list(interval) if interval else None,
        "num_test": num_test,
        "higher_is_better": primary.higher_is_better,
        "seconds": seconds,
        "key": measured.key,
        "stored": measured.was_stored,
        "metrics": dict(measured.metrics),
        "facts": dict(measured.facts),
        "model": str(options.out) if has_model else None,
        "results": _results_folder(options.out),
    }


def _results_folder(out: str | None) -> str | None:
    """The folder with the files of official scorers, if there are any."""
    from pathlib import Path

    from seedbed.base.paths import expand_user
    from seedbed.tasks.export_results import RESULTS

    folder = expand_user(out) / RESULTS if out else Path()
    return str(folder) if out and folder.is_dir() else None


def _show_outcome(options: Namespace, document: dict[str, Any], tested_on: str) -> None:
    """The number first, then what it rests on."""
    from seedbed.metrics import METRICS

    low, high = document["interval"] or (None, None)
    interval = f" (95 % interval {low:.2f} to {high:.2f})" if low is not None else ""
    value = METRICS.get(document["metric"]).format(document["value"])
    on = f"on {document['num_test']:,} {tested_on}"
    say(options, f"{document['metric']}: {value}{interval} {on}")
    if document["stored"]:
        say(options, "read from the workspace: the same was measured there before")
    facts = dict(document["facts"])
    if facts.pop("solver_converged", True) is False:
        say(options, "the linear classifier did not converge: try smaller values, probe(c=[...])")
    selection = {name: facts.pop(name) for name in _selection_facts(document) if name in facts}
    per_class, notes = facts.pop("per_class", {}), facts.pop("data_notes", [])
    resumed, untrained = facts.pop("resumed_at", {}), facts.pop("not_told_apart", [])
    columns = ("backbone", "weights", "method", "target", "seed", "seconds")
    others = {k: v for k, v in document["metrics"].items() if k != document["metric"]}
    show_facts(
        options,
        {name: document[name] for name in columns}
        | {"labelled": options.labelled, "learn_on": options.learn_on}
        | others
        | facts
        | {name: document[name] for name in ("model", "results")},
    )
    say(options, *(f"note: {note}" for note in notes))
    for rate, steps in resumed.items():
        say(
            options,
            f"resumed at step {steps[-1]} of the training with learning rate {rate}; "
            "seconds count the time after that",
        )
    if untrained:
        say(
            options,
            f"{', '.join(untrained)}: in every training image or in none, so nothing could be "
            "learned of them",
        )
    if per_class:
        rows = [{"class": name, "ap": value} for name, value in per_class.items()]
        show_rows(options, "average precision of each class, %:", rows)
    _show_selection(options, document, selection)


def _selection_facts(document: dict[str, Any]) -> list[str]:
    """The facts that may hold the validation score of each value that was tried."""
    return [f"validation_{name}" for name in dict.fromkeys(("top1", document["metric"]))]


def _show_selection(
    options: Namespace, document: dict[str, Any], selection: dict[str, dict[str, Any]]
) -> None:
    """The hyperparameter that validation selected, and whether its grid was too narrow."""
    facts = document["facts"]
    for score, values in selection.items():
        if len(values) > 1:
            setting = next(name for name in ("k", "c", "learning_rate") if name in facts)
            rows = [{setting: name, score: value} for name, value in values.items()]
            show_rows(options, f"{setting} was selected on validation images:", rows)
    method = str(document["method"]).partition("(")[0]
    grids = (("c", f"{method}(c=[...])"), ("learning_rate", f"{method}(learning_rates=[...])"))
    for name, call in grids:
        if facts.get(f"{name}_at_edge"):
            say(
                options,
                f"{name} lies at an end of its grid: a wider grid may do better, {call}",
            )
