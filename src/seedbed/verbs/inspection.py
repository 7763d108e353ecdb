"""inspect: what a store, a source, a backbone or a study holds.

In: parsed options. Out: (document, exit status).
"""

from __future__ import annotations

import dataclasses
import os
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seedbed.base.errors import BadDataError, SeedbedError, nearest
from seedbed.verbs.output import Bar, Result, say, show_facts, show_rows, splits_line

if TYPE_CHECKING:
    from seedbed.data.store import Store
    from seedbed.data.view import View

_MAX_CLASSES_SHOWN = 20
_SCRATCH_PX = 8


def inspect(options: Namespace) -> Result:
    from seedbed.data.formats import FORMATS
    from seedbed.data.store import Store
    from seedbed.models.checkpoint import CARD
    from seedbed.models.resolve import shipped_folder
    from seedbed.models.zoo import BACKBONES

    path = Path(options.path)
    if path.suffix == ".toml" and path.is_file():
        from seedbed.verbs.studies import study_status

        options.file = options.path
        return study_status(options)
    if (path / CARD).is_file():
        return _inspect_backbone(options, path), 0
    if (shipped := shipped_folder(options.path)) is not None:
        return _inspect_backbone(options, shipped), 0
    if Store.is_at(path):
        return _inspect_data(options, Store.open(path), "store"), 0
    if not os.path.exists(path) and _names_backbone(options.path):
        return _inspect_architecture(options), 0
    if not os.path.exists(path) and (
        near := nearest(options.path.partition("(")[0], BACKBONES.names())
    ):
        names = {*FORMATS.names(), *BACKBONES.names()}
        if options.path.partition("(")[0] not in names:
            raise BadDataError(
                f"there is no {options.path}, neither as a path nor as a network",
                f"Did you mean {near!r}?",
            )
    return _inspect_source(options), 0


def _names_backbone(text: str) -> bool:
    """Whether a text is the call of a backbone."""
    from seedbed.base.call import parse_call
    from seedbed.models.zoo import BACKBONES

    try:
        return parse_call(text).name in BACKBONES.names()
    except SeedbedError:
        return False


_LAYER_COLUMNS = ("name", "shape", "stride", "after_relu", "dim", "pooling")


def _inspect_backbone(options: Namespace, folder: Path) -> dict[str, Any]:
    """The card of a trained backbone."""
    from seedbed.models.checkpoint import read_card
    from seedbed.models.layers import layer_record

    card = read_card(folder)
    rows: Any = card["layers"]
    layers = [layer_record(row) for row in rows]
    title = f"{card['architecture']} at {card['size_px']} px, {card['num_parameters']:,} parameters"
    show_rows(options, title, [{k: row[k] for k in _LAYER_COLUMNS} for row in layers])
    say(
        options,
        f"penultimate: {card['penultimate']}; --layer takes any submodule too, by its dotted path",
    )
    metrics: Any = card.get("source_metrics") or {}
    facts = {
        "source": card.get("source"),
        "recipe": card.get("recipe") or None,
        "num_images": card.get("num_images"),
        "num_classes": len(card["classes"]),  # pyright: ignore[reportArgumentType]
        "images_seen": card.get("images_seen"),
        "images_trained": card.get("images_trained"),
        "epochs": card.get("epochs"),
        **{f"source_{name}": value for name, value in metrics.items()},
    }
    show_facts(options, facts)
    return {"kind": "backbone", **card, "layers": layers}


def _inspect_architecture(options: Namespace) -> dict[str, Any]:
    """The layer table of a network by name, at its own input size, without its weights."""
    from seedbed.models.layers import layer_record
    from seedbed.models.resolve import DEFAULT_PX
    from seedbed.models.zoo import BACKBONES

    architecture = BACKBONES.make(options.path)
    published = architecture.published()
    built = architecture.build(("0", "1"), architecture.native_size_px() or DEFAULT_PX)
    rows = [layer_record(dataclasses.asdict(la)) for la in built.layers]
    title = (
        f"{built.architecture} at {built.size_px} px, {built.num_parameters:,} parameters with a "
        "head of two classes"
    )
    show_rows(options, title, [{k: row[k] for k in _LAYER_COLUMNS} for row in rows])
    say(
        options,
        f"penultimate: {built.penultimate}; --layer takes any submodule too, by its dotted path",
        f"licence of its weights: {published.licence if published else 'none published'}",
    )
    return {
        "kind": "architecture",
        "architecture": built.architecture,
        "size_px": built.size_px,
        "preprocessing": dataclasses.asdict(built.preprocessing),
        "num_parameters": built.num_parameters,
        "penultimate": built.penultimate,
        "layers": rows,
        "weights": dataclasses.asdict(published) | {"classes": len(published.classes)}
        if published
        else None,
    }


def _inspect_source(options: Namespace) -> dict[str, Any]:
    """Pack a source at a small size in a temporary folder: splits depend on the contents."""
    import tempfile

    from seedbed.data.formats import open_source
    from seedbed.data.pack import pack as pack_source

    with tempfile.TemporaryDirectory() as folder, Bar("reading") as bar:
        packed = pack_source(
            open_source(options.path),
            Path(folder) / "store",
            size_px=_SCRATCH_PX,
            allow_unreadable=1.0,
            for_inspection=True,
            progress=bar,
        )
        document = _inspect_data(options, packed.store, "source")
        return document | {"num_unreadable": packed.num_unreadable}


def _inspect_data(options: Namespace, store: Store, kind: str) -> dict[str, Any]:
    if store.annotation_kind is not None:
        return _inspect_annotated(options, store, kind)
    from seedbed.data.view import make_view

    view = make_view(store, options.recipe, options.seed, min_classes=0)
    faults, classes, splits = _class_faults(store), _class_rows(view), _split_sizes(view)
    notes = [*store.source_notes, *faults.pop("notes"), *view.notes]
    title = f"{options.path}: {len(view.rows):,} training images, {len(view.classes)} classes"
    _show_classes(options, title, classes)
    if view.steps:
        show_rows(options, "after each recipe:", [dataclasses.asdict(step) for step in view.steps])
    say(options, splits_line(splits, store.card), *notes)
    return {
        "kind": kind,
        "num_images": len(view.rows),
        "num_classes": len(view.classes),
        "splits": splits,
        "classes": classes,
        "entropy_bits": view.entropy_bits,
        "ids_sha256": view.ids_sha256,
        "notes": notes,
        "derived_splits": store.card["derived_splits"],
        **faults,
        "steps": [dataclasses.asdict(step) for step in view.steps],
    }


def _inspect_annotated(options: Namespace, store: Store, kind: str) -> dict[str, Any]:
    """Images with boxes, several labels, or queries; class sizes count the training images that
    show a class."""
    from seedbed.data.annotations import Relevance
    from seedbed.data.source import TRAIN
    from seedbed.data.view import entropy_bits, ids_sha256

    if options.recipe:
        store.require_single_label()
    sizes, train = store.class_sizes(TRAIN), np.flatnonzero(store.splits == TRAIN)
    annotations = store.annotations
    if isinstance(annotations, Relevance):
        rows: list[dict[str, Any]] = []
        facts = {
            "num_queries": len(annotations.queries),
            "num_gallery": len(annotations.gallery),
            "protocol": str(annotations.protocol),
        }
        num_queries, num_gallery = facts["num_queries"], facts["num_gallery"]
        say(options, f"{options.path}: {num_queries:,} queries, {num_gallery:,} gallery images")
    else:
        rows, facts, what = _annotated_rows(store, sizes)
        title = f"{options.path}: {len(train):,} training images with {what}, {len(rows)} classes"
        _show_classes(options, title, rows)
    of_all = {f"{k} (of all splits)" if "boxes" in k else k: v for k, v in facts.items()}
    show_facts(options, of_all)
    faults = _class_faults(store)
    notes = [*store.source_notes, *faults.pop("notes")]
    say(options, *notes, splits_line(store.card["splits"], store.card))
    return {
        "kind": kind,
        "annotations": store.annotation_kind,
        "num_images": len(train),
        "num_classes": len(rows),
        "splits": store.card["splits"],
        "derived_splits": store.card["derived_splits"],
        "classes": rows,
        "entropy_bits": entropy_bits(sizes) if sizes.sum() else 0.0,
        "ids_sha256": ids_sha256(store.ids[train]),
        "notes": notes,
        **faults,
        **facts,
    }


def _annotated_rows(
    store: Store, sizes: np.ndarray
) -> tuple[list[dict[str, Any]], dict[str, Any], str]:
    """A row for each class, facts, and what the images have."""
    from seedbed.data.annotations import Boxes
    from seedbed.data.source import TRAIN

    rows: list[dict[str, Any]] = [
        {"label": label, "name": store.names.get(label, label), "num_images": int(n)}
        for label, n in zip(store.classes, sizes, strict=True)
    ]
    boxes = store.annotations
    if not isinstance(boxes, Boxes):
        return rows, {}, "several labels an image"
    is_train = store.splits == TRAIN
    num_boxes = np.bincount(boxes.labels[is_train[boxes.rows]], minlength=len(sizes))
    rows = [{**row, "num_boxes": int(n)} for row, n in zip(rows, num_boxes, strict=True)]
    facts = {"num_boxes": len(boxes.rows), "num_difficult": int(boxes.difficult.sum())}
    return rows, facts, "boxes"


def _class_faults(store: Store) -> dict[str, Any]:
    from seedbed.data.class_faults import find_class_faults
    from seedbed.data.skipped_files import to_card

    faults = find_class_faults(store)
    return {
        "skipped": to_card(store.skipped),
        "notes": faults.notes,
        "empty_classes": faults.empty,
        "unreadable_classes": faults.unreadable,
        "single_image_classes": faults.single_image,
    }


def _show_classes(options: Namespace, title: str, rows: list[dict[str, Any]]) -> None:
    show_rows(options, title, rows[:_MAX_CLASSES_SHOWN])
    if len(rows) > _MAX_CLASSES_SHOWN:
        say(options, f"... and {len(rows) - _MAX_CLASSES_SHOWN} more classes")


def _class_rows(view: View) -> list[dict[str, Any]]:
    tree = view.store.hierarchy
    names, sizes = {**(tree.names if tree else {}), **view.store.names}, view.class_sizes
    return [
        {"label": c, "name": names.get(c, c), "num_images": int(n)}
        for c, n in zip(view.classes, sizes, strict=True)
    ]


def _split_sizes(view: View) -> dict[str, int]:
    held_out = {name: len(view.held_out(name)[0]) for name in ("val", "test")}
    return {"train": len(view.rows), **held_out}
