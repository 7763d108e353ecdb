"""predict, similar, export: use a trained model.

In: parsed options. Out: (document, exit status).
"""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from seedbed.verbs.output import Bar, Result, say, show_rows

_SHOWN = 20  # predictions on the terminal


def predict(options: Namespace) -> Result:
    from seedbed.api import models as api

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
    from seedbed.readout.model import Model

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
    from seedbed.api import models as api

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
    from seedbed.api import models as api

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
