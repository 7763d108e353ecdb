"""transfer: measure a backbone on a task by a method.

In: parsed options. Out: (document, exit status).
"""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from seedbed.verbs.output import Bar, Result, say, show_facts, show_rows


def transfer(options: Namespace) -> Result:
    import time

    from seedbed.api.transfer import transfer as run_transfer
    from seedbed.metrics import METRICS

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
            on_pack=bar,
            on_progress=bar.training,
        )
    metric, num_test = measured.primary, measured.num_test
    primary, value = METRICS.get(metric), measured.metrics[metric]
    interval = primary.interval(value, num_test)
    document = {
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
        "seconds": time.monotonic() - started,
        "key": measured.key,
        "stored": measured.was_stored,
        "metrics": dict(measured.metrics),
        "facts": dict(measured.facts),
        "model": str(options.out)
        if options.out is not None and measured.model is not None
        else None,
        "results": _results_in(options.out),
    }
    _show_outcome(options, document, measured.tested_on)
    return document, 0


def _results_in(out: str | None) -> str | None:
    """Where files for official scorers were written."""
    from pathlib import Path

    from seedbed.base.paths import expand_user
    from seedbed.tasks.export_results import RESULTS

    folder = expand_user(out) / RESULTS if out else Path()
    return str(folder) if out and folder.is_dir() else None


def _show_outcome(options: Namespace, document: dict[str, Any], of: str) -> None:
    """The number first, and then what it rests on."""
    from seedbed.metrics import METRICS

    low, high = document["interval"] or (None, None)
    within = f" (95 % interval {low:.2f} to {high:.2f})" if low is not None else ""
    value = METRICS.get(document["metric"]).format(document["value"])
    say(options, f"{document['metric']}: {value}{within} on {document['num_test']:,} {of}")
    others = {
        name: value for name, value in document["metrics"].items() if name != document["metric"]
    }
    given = {name: getattr(options, name) for name in ("labelled", "learn_on")}
    facts = (
        {
            key: document[key]
            for key in ("backbone", "weights", "method", "target", "seed", "seconds")
        }
        | given
        | others
    )
    chosen = dict(document["facts"])
    chosen_by = next(
        (
            key
            for key in chosen
            if key in {f"validation_{name}" for name in ("top1", document["metric"])}
        ),
        "",
    )
    tried = chosen.pop(chosen_by, {})
    each, told = chosen.pop("per_class", {}), chosen.pop("data_notes", [])
    resumed, unlearnt = chosen.pop("resumed_at", {}), chosen.pop("not_told_apart", [])
    show_facts(options, facts | chosen | {key: document[key] for key in ("model", "results")})
    say(options, *(f"of the data: {remark}" for remark in told))
    for rate, steps in resumed.items():
        say(
            options,
            f"went on where it was cut off, at step {steps[-1]} of the training with learning rate {rate}; seconds are the rest's",
        )
    if unlearnt:
        say(
            options,
            f"{', '.join(unlearnt)}: in every image that was learnt from, or in none, so nothing was learnt of them",
        )
    if each:
        show_rows(
            options,
            "average precision of each class, %:",
            [{"class": name, "ap": value} for name, value in each.items()],
        )
    if len(tried) > 1:
        what = next(name for name in ("k", "c", "learning_rate") if name in chosen)
        rows = [{what: name, chosen_by: value} for name, value in tried.items()]
        show_rows(options, f"{what} was chosen on validation images:", rows)
    method = str(document["method"]).partition("(")[0]
    for name, wider in (
        ("c", f"{method}(c=[...])"),
        ("learning_rate", f"{method}(learning_rates=[...])"),
    ):
        if chosen.get(f"{name}_at_edge"):
            say(
                options,
                f"{name} lies at an end of those tried: a wider grid may do better, {wider}",
            )
