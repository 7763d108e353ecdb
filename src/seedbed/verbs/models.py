"""predict, similar, export: use a trained model.

In: parsed options. Out: (document, exit status).
"""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from seedbed.verbs.output import Bar, Result, say, show_rows

_MAX_SHOWN = 20


def predict(options: Namespace) -> Result:
    from seedbed.api import models as api
    from seedbed.readout.prediction import skipped_files

    with Bar("predicting") as bar:
        model = api.load(options.model, device=options.device)
        predictions = api.predict(
            model, options.paths, above=options.above, out=options.out, on_progress=bar
        )
    skipped = skipped_files(options.paths)
    say(options, *map(str, skipped))
    document = [
        {
            "path": p.path,
            "label": p.label,
            "probability": p.probability,
            "top5": [{"label": label, "probability": share} for label, share in p.top],
            "error": p.error,
            **({} if p.labels is None else {"labels": list(p.labels)}),
            **(
                {}
                if p.boxes is None
                else {"boxes": [_box(box) for box in p.boxes], "best_score": p.best_score}
            ),
        }
        for p in predictions
    ]
    document += [_skipped_row(row) for row in skipped]
    if any(p.boxes is not None for p in predictions):
        _show_boxes(options, predictions)
        return document, 0
    failed = [row for row in document if row["error"] and "skipped" not in row]
    rows = [_summary_row(row) for row in document if not row["error"]]
    from seedbed.readout.model import Model

    assert isinstance(model, Model)
    held_out = (
        f"calibrated on {model.num_calibrated:,} held-out images"
        if model.num_calibrated
        else "not calibrated"
    )
    which = f", labels of {100 * options.above:g} % and more" if model.several else ""
    show_rows(options, f"{_images(rows)}, probabilities {held_out}{which}:", rows[:_MAX_SHOWN])
    if len(rows) > _MAX_SHOWN:
        say(options, f"  ... and {len(rows) - _MAX_SHOWN:,} more (--json lists all)")
    for row in failed:
        say(options, f"cannot read {row['path']}: {row['error']}")
    return document, 0


def _skipped_row(row: Any) -> dict[str, Any]:
    """Files that are not images, as one row of the document; its path is that of the first."""
    return {
        "path": row.example,
        "label": None,
        "probability": None,
        "top5": [],
        "error": str(row),
        "skipped": row.num,
    }


def _summary_row(row: dict[str, Any]) -> dict[str, Any]:
    """The class of an image, or all of its labels."""
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


def _show_boxes(options: Namespace, predictions: list[Any]) -> None:
    """The number of boxes of each class in each image; --json and the images have their corners."""
    from collections import Counter

    rows = []
    for p in predictions:
        if p.boxes is not None:
            counts = Counter(box.label for box in p.boxes).most_common()
            classes = ", ".join(f"{n} {label}" for label, n in counts)
            rows.append({"path": p.path, "boxes": len(p.boxes), "of": classes})
    title = f"{_images(rows)}, boxes with a score of {options.above:g} or more (not calibrated):"
    show_rows(options, title, rows[:_MAX_SHOWN])
    if len(rows) > _MAX_SHOWN:
        say(options, f"  ... and {len(rows) - _MAX_SHOWN:,} more (--json lists all)")
    for p in predictions:
        if p.error:
            say(options, f"cannot read {p.path}: {p.error}")
    best = max((p.best_score or 0.0 for p in predictions), default=0.0)
    if not best:
        say(
            options,
            "no box at all: train longer (iterations), or on photographs that are more like these",
        )
    elif best < options.above:
        lower = max(0.01, best - 0.005)
        say(
            options,
            f"no box reaches {options.above:g}; the highest score is {best:.2f}: "
            f"--above {lower:.2f} reports it",
        )
    if options.out:
        say(options, f"images with the boxes drawn: {options.out}")


def similar(options: Namespace) -> Result:
    from seedbed.api import models as api

    with Bar("codes") as bar:
        results = api.similar(
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
    for result in results:
        rows = [
            {"id": i, "label": la, "similarity": s}
            for i, la, s in zip(result.ids, result.labels, result.similarities, strict=True)
        ]
        document.append({"query": result.query, "neighbours": rows, "error": result.error})
        if result.error:
            say(options, f"cannot read {result.query}: {result.error}")
        else:
            show_rows(options, f"{result.query}:", rows)
    return document, 0


def export(options: Namespace) -> Result:
    from pathlib import Path

    from seedbed.api import models as api
    from seedbed.readout.export import export_format, loader_path

    kind = export_format(Path(options.out), options.format)
    difference = api.export(options.model, options.out, format=kind)
    document = {
        "model": str(options.out),
        "format": kind,
        "max_abs_difference": difference,
    }
    described = (
        f"; {options.out}.json describes its inputs and outputs, and load_image() in "
        f"{loader_path(Path(options.out))} reads images for it"
        if kind != "timm"
        else ""
    )
    say(
        options,
        f"{options.model} -> {options.out} ({kind}){described}",
        f"largest difference from the original on random images: {difference:.1e}",
    )
    return document, 0
