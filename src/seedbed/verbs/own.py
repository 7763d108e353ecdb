"""transfer, predict, similar, export: a user's own images.

In: parsed options. Out: (document, exit status).
"""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from seedbed.verbs.output import Bar, Result, say, show_facts, show_rows

_SHOWN = 20  # predictions on the terminal


def transfer(options: Namespace) -> Result:
    import time

    from seedbed import api
    from seedbed.base.spec import fingerprint
    from seedbed.metrics import METRICS
    from seedbed.models.resolve import backbone_fingerprint

    started = time.monotonic()
    net = api.open_for(options.backbone, options.device, options.task, options.seed)
    with Bar("transfer") as bar:
        measured = api.transfer(
            net,
            options.task,
            options.method,
            train_per_class=options.train_per_class,
            labelled=options.labelled,
            learn_on=options.learn_on,
            metric=options.metric,
            out=options.out,
            seed=options.seed,
            device=options.device,
            workspace=options.workspace,
            on_pack=bar,
            on_progress=bar.training,
        )
    metric, num_test, of = measured.primary, measured.num_test, measured.tested_on
    primary, value = METRICS.get(metric), measured.metrics[metric]
    interval = primary.interval(value, num_test)
    document = {
        "study": None,
        "arm": str(options.backbone),
        "seed": options.seed,
        "images_seen": net.card.get("images_seen"),
        "target": options.task,
        "method": options.method,
        "backbone": net.architecture,
        "weights": net.card.get("weights"),
        "metric": metric,
        "unit": primary.unit,
        "value": value,
        "interval": list(interval) if interval else None,
        "num_test": num_test,
        "higher_is_better": primary.higher_is_better,
        "seconds": time.monotonic() - started,
        "key": fingerprint(
            [backbone_fingerprint(options.backbone), measured.task, options.method, options.seed]
        ),
        "metrics": dict(measured.metrics),
        "facts": dict(measured.facts),
        "model": str(options.out)
        if options.out is not None and measured.model is not None
        else None,
        "results": _results_in(options.out),
    }
    _show_outcome(options, document, of)
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


def predict(options: Namespace) -> Result:
    from seedbed import api
    from seedbed.readout.model import Model

    with Bar("predicting") as bar:
        model = api.load(options.model, device=options.device)
        found = api.predict(
            model, options.paths, above=options.above, out=options.out, on_progress=bar
        )
    document = [
        {
            "path": one.path,
            "label": one.label,
            "probability": one.probability,
            "top5": [{"label": label, "probability": p} for label, p in one.top],
            "error": one.error,
            **({} if one.labels is None else {"labels": list(one.labels)}),
            **(
                {}
                if one.boxes is None
                else {"boxes": [_box(box) for box in one.boxes], "best_score": one.best_score}
            ),
        }
        for one in found
    ]
    if any(one.boxes is not None for one in found):
        _show_boxes(options, found)
        return document, 0
    failed = [row for row in document if row["error"]]
    rows = [_said(row) for row in document if not row["error"]]
    assert isinstance(model, Model)
    held_out = (
        f"calibrated on {model.num_calibrated:,} held-out images"
        if model.num_calibrated
        else "not calibrated"
    )
    which = f", labels of {100 * options.above:g} % and more" if model.several else ""
    show_rows(options, f"{_images(rows)}, probabilities {held_out}{which}:", rows[:_SHOWN])
    if len(rows) > _SHOWN:
        say(options, f"  ... and {len(rows) - _SHOWN:,} more (--json lists all)")
    for row in failed:
        say(options, f"cannot read {row['path']}: {row['error']}")
    return document, 0


def _said(row: dict[str, Any]) -> dict[str, Any]:
    """What the terminal says of an image: its class, or all of its labels."""
    likeliest = {"label": row["label"], "%": 100 * row["probability"]}
    if row.get("labels") is None:
        return {"path": row["path"], **likeliest}
    return {
        "path": row["path"],
        "labels": ", ".join(row["labels"]) or "none",
        "likeliest": row["label"],
        "%": likeliest["%"],
    }


def _images(rows: list[Any]) -> str:
    return f"{len(rows):,} image{'' if len(rows) == 1 else 's'}"


def _box(box: Any) -> dict[str, Any]:
    return {"label": box.label, "probability": box.probability, "box": list(box.corners)}


def _show_boxes(options: Namespace, found: list[Any]) -> None:
    """How many of each class in each image; where they are stands in --json, and in the
    pictures."""
    from collections import Counter

    rows = []
    for one in found:
        if one.boxes is None:
            continue
        counts = Counter(box.label for box in one.boxes)
        rows.append(
            {
                "path": one.path,
                "boxes": len(one.boxes),
                "of": ", ".join(f"{n} {label}" for label, n in counts.most_common()),
            }
        )
    show_rows(
        options,
        f"{_images(rows)}, boxes with a score of {options.above:g} or more (as the network gives it):",
        rows[:_SHOWN],
    )
    if len(rows) > _SHOWN:
        say(options, f"  ... and {len(rows) - _SHOWN:,} more (--json lists all)")
    for one in found:
        if one.error:
            say(options, f"cannot read {one.path}: {one.error}")
    best = max((one.best_score or 0.0 for one in found), default=0.0)
    if not best:
        say(
            options,
            "nothing was found at all: train for longer (iterations), or on photographs that are more like these",
        )
    elif best < options.above:
        say(
            options,
            f"no box reaches {options.above:g}; the highest score is {best:.2f}: --above {max(0.01, best - 0.005):.2f} tells it",
        )
    if options.out:
        say(options, f"pictures with the boxes drawn: {options.out}")


def similar(options: Namespace) -> Result:
    from seedbed import api

    with Bar("codes") as bar:
        found = api.similar(
            options.backbone,
            options.data,
            options.images,
            num=options.num,
            layer=options.layer,
            device=options.device,
            workspace=options.workspace,
            on_pack=bar,
            on_progress=bar,
        )
    document = []
    for one in found:
        rows = [
            {"id": i, "label": la, "similarity": s}
            for i, la, s in zip(one.ids, one.labels, one.similarities, strict=True)
        ]
        document.append({"query": one.query, "neighbours": rows, "error": one.error})
        if one.error:
            say(options, f"cannot read {one.query}: {one.error}")
        else:
            show_rows(options, f"{one.query}:", rows)
    return document, 0


def export(options: Namespace) -> Result:
    from seedbed import api

    difference = api.export(options.model, options.out, format=options.format)
    document = {
        "model": str(options.out),
        "format": options.format,
        "max_abs_difference": difference,
    }
    described = (
        f"; what goes in and comes out stands in {options.out}.json"
        if options.format != "timm"
        else ""
    )
    say(
        options,
        f"{options.model} -> {options.out} ({options.format}){described}",
        f"largest difference from the original on random images: {difference:.1e}",
    )
    return document, 0


def advise(options: Namespace) -> Result:
    import sys

    from seedbed import api

    def tell(seconds: float, words: str) -> None:
        print(f"{seconds:6.1f} s  {words}", file=sys.stderr, flush=True)

    with Bar("packing") as bar:
        found = api.advise(
            options.data,
            options.backbone,
            minutes=options.minutes,
            download=options.download,
            out=options.out or _free_name("advice"),
            train_per_class=options.train_per_class,
            seed=options.seed,
            device=options.device,
            workspace=options.workspace,
            on_pack=bar,
            on_event=tell,
        )
    say(options, *found.lines())
    return found.to_dict(options.seed), 0


def _free_name(name: str) -> str:
    """A folder of this name that is not there yet: advice, advice-2, ..."""
    from pathlib import Path

    number = 1
    while Path(tried := name if number == 1 else f"{name}-{number}").exists():
        number += 1
    return tried
