"""pack and inspect: data sets as they lie, and as they are packed.

In: parsed options. Out: (document, exit status).
"""

from __future__ import annotations

import dataclasses
import os
from argparse import Namespace
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seedbed.base.errors import BadDataError, SeedbedError, nearest
from seedbed.verbs.output import Bar, Result, say, show_facts, show_rows

if TYPE_CHECKING:
    from seedbed.data.hierarchy import Hierarchy
    from seedbed.data.store import Store
    from seedbed.data.view import View


def pack(options: Namespace) -> Result:
    from seedbed.data.formats import open_source
    from seedbed.data.pack import pack as pack_source

    source = open_source(options.source, format_name=options.format, hierarchy=options.hierarchy)
    with Bar("packing") as bar:
        packed = pack_source(
            source,
            options.store,
            size_px=options.size_px,
            fit=options.fit,
            encoded=options.encoded,
            workers=options.workers,
            allow_unreadable=options.allow_unreadable,
            progress=bar,
        )
    card = packed.store.card
    rate = (
        f"{packed.images_per_s:,.0f} images/s"
        if packed.images_per_s
        else "already packed, unchanged"
    )
    say(
        options,
        f"{options.store}: {card['num_images']:,} images of {len(card['classes'])} classes {_kept_as(packed.store)} ({rate})",
    )
    say(
        options,
        "splits: " + ", ".join(f"{k} {v:,}" for k, v in card["splits"].items()) + derived(card),
    )
    if packed.num_unreadable:
        say(
            options,
            f"{packed.num_unreadable} unreadable images were left out; they are listed in {packed.unreadable}",
        )
    doubts = packed.store.doubts
    if packed.store.annotated == "boxes" and (options.size_px is not None or options.fit != "crop"):
        doubts.append(
            "images with boxes are kept whole: --size-px and --fit have no effect, detect(short_px=...) says how large they are seen"
        )
    say(options, *doubts)
    return {
        "store": str(options.store),
        "num_images": card["num_images"],
        "num_classes": len(card["classes"]),
        "splits": card["splits"],
        "derived_splits": card["derived_splits"],
        "size_px": card["size_px"],
        "fit": card["fit"],
        "encoded": packed.store.is_encoded,
        "num_unreadable": packed.num_unreadable,
        "unreadable": str(packed.unreadable) if packed.unreadable else None,
        "notes": doubts,
        "images_per_s": packed.images_per_s,
    }, 0


def _kept_as(store: Store) -> str:
    """Squares of one side; or files, whose side is chosen when they are read, and which stay whole
    where they have boxes."""
    if store.annotated == "boxes":
        return "as they are, whole"
    return f"as files, read at {store.size_px} px" if store.is_encoded else f"at {store.size_px} px"


def hierarchy(options: Namespace) -> Result:
    from seedbed.data.hierarchy_files import open_hierarchy
    from seedbed.data.recipes import Recipe, relabelled_leaves
    from seedbed.data.view import entropy_bits

    leaves = _read_leaves(options.leaves)
    tree = open_hierarchy(options.hierarchy, leaves)
    classes = relabelled_leaves(leaves, tree, Recipe(options.recipe), options.seed)
    counts = Counter(c for c in classes.values() if c is not None)
    document = {
        "num_classes": len(counts),
        "classes": classes,
        "names": {c: tree.names[c] for c in sorted(counts) if c in tree.names},
        "entropy_bits": entropy_bits(np.array(list(counts.values()))) if counts else 0.0,
    }
    dropped = sum(c is None for c in classes.values())
    say(
        options,
        f"{len(leaves):,} leaves, {len(counts):,} classes"
        + (f", {dropped:,} leaves dropped" if dropped else ""),
    )
    if counts:
        say(
            options,
            f"entropy {document['entropy_bits']:.2f} bits, counted in leaves; {np.log2(len(counts)):.2f} when balanced",
        )
    _show_excluded(options, document, leaves, tree)
    largest = [
        {"class": c, "name": tree.names.get(c, ""), "num_leaves": n}
        for c, n in counts.most_common(20)
    ]
    show_rows(options, "the largest:", largest)
    return document, 0


def _show_excluded(
    options: Namespace, document: dict[str, Any], leaves: list[str], tree: Hierarchy
) -> None:
    """What the recipe's exclusions took out, and what stays that a person might call the same."""
    from seedbed.data.excluded_classes import excluded_classes
    from seedbed.data.recipes import Recipe

    excluded = excluded_classes(leaves, tree, Recipe(options.recipe))
    if excluded is None:
        return
    document["dropped"] = excluded.dropped
    document["near"] = [dataclasses.asdict(near) for near in excluded.near]
    under: dict[str, list[str]] = {}
    for leaf, node in excluded.dropped.items():
        under.setdefault(node, []).append(_called(tree, leaf))
    gone = [
        f"under {_called(tree, node)} ({node}): {', '.join(sorted(names))}"
        for node, names in under.items()
    ]
    _show_found(options, "nodes whose classes were dropped", gone, 20)
    _show_found(
        options,
        "stay, though a person might call them the same",
        [n.sentence for n in excluded.near],
        20,
    )


def _called(tree: Hierarchy, node: str) -> str:
    """The first of its names."""
    return tree.names.get(node, node).partition(",")[0]


def _read_leaves(path: str) -> list[str]:
    """The labels of a text file, a line each."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadDataError(
            f"cannot read {path}: {error}", "Give a text file with a class label a line."
        ) from None
    leaves = list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
    if not leaves:
        raise BadDataError(f"{path} holds no labels", "Give a text file with a class label a line.")
    return leaves


def audit(options: Namespace) -> Result:
    from seedbed.api import data as api

    with Bar("reading") as bar:
        found = api.audit(
            options.data,
            options.against,
            hierarchy=options.hierarchy,
            backbone=options.backbone,
            workspace=options.workspace,
            on_pack=bar,
            on_progress=bar,
        )
    document = found.to_dict()
    say(options, f"{options.data}: {found.num_images:,} images, {len(found.class_sizes)} classes")
    say(options, f"class sizes: {document['smallest_class']:,} to {document['largest_class']:,}")
    _show_found(
        options, "unreadable", [f"{row['id']}: {row['reason']}" for row in found.unreadable]
    )
    say(options, *found.notes)
    _show_found(
        options, "tiny classes", [f"{c}: {found.class_sizes[c]} images" for c in found.tiny_classes]
    )
    _show_found(
        options, "groups of near duplicates", [", ".join(group) for group in found.duplicate_groups]
    )
    _show_found(
        options, "of them across splits", [", ".join(group) for group in found.across_splits]
    )
    _show_found(
        options, "of them across classes", [", ".join(group) for group in found.across_classes]
    )
    if options.against:
        shared = [f"{row['id']}: {', '.join(row['near'])}" for row in found.shared_with]
        _show_found(
            options, f"images that are near duplicates of some in {options.against}", shared
        )
        classes = [f"{label}: {', '.join(same)}" for label, same in found.shared_classes.items()]
        _show_found(
            options,
            f"classes of {options.against} that are classes here too (theirs: ours)",
            classes,
        )
    if found.codes_threshold is not None:
        near = [
            f"{row['id']}: {row['near']} ({row['similarity']:.3f})" for row in found.near_by_codes
        ]
        _show_found(
            options,
            f"other images near to some in {options.against} by codes (cosine above {found.codes_threshold:.3f})",
            near,
        )
        if near:
            say(
                options,
                f"  look at them: {100 * (found.codes_lookalikes or 0):.0f} % of the images here are as near to another one here",
            )
    return document, 0


def _show_found(options: Namespace, what: str, lines: list[str], most: int = 10) -> None:
    say(options, f"{what}: {len(lines)}", *(f"  {line}" for line in lines[:most]))
    if len(lines) > most:
        say(options, f"  ... and {len(lines) - most} more (--json lists all)")


def inspect(options: Namespace) -> Result:
    from seedbed.data.formats import FORMATS
    from seedbed.data.store import Store
    from seedbed.models.checkpoint import CARD
    from seedbed.models.zoo import BACKBONES

    path = Path(options.path)
    if path.suffix == ".toml" and path.is_file():
        from seedbed.verbs.studies import study_status

        options.file = options.path
        return study_status(options)
    if (path / CARD).is_file():
        return _inspect_backbone(options), 0
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


def _inspect_backbone(options: Namespace) -> dict[str, Any]:
    """The card of a trained backbone."""
    from seedbed.models.checkpoint import read_card
    from seedbed.models.layers import layer_record

    card = read_card(options.path)
    layers = [layer_record(row) for row in card["layers"]]  # pyright: ignore[reportGeneralTypeIssues]
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
    title = f"{built.architecture} at {built.size_px} px, {built.num_parameters:,} parameters with a head of two classes"
    show_rows(options, title, [{k: row[k] for k in _LAYER_COLUMNS} for row in rows])
    say(
        options,
        f"penultimate: {built.penultimate}; any submodule may be named too (--layer), by its dotted path in the module",
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
    """A source is read once, small, in a scratch folder: content decides its splits."""
    import tempfile

    from seedbed.data.formats import open_source
    from seedbed.data.pack import pack as pack_source

    with tempfile.TemporaryDirectory() as scratch, Bar("reading") as bar:
        packed = pack_source(
            open_source(options.path),
            Path(scratch) / "store",
            size_px=8,
            allow_unreadable=1.0,
            for_inspection=True,
            progress=bar,
        )
        return _inspect_data(options, packed.store, "source") | {
            "num_unreadable": packed.num_unreadable
        }


def _inspect_annotated(options: Namespace, store: Store, kind: str) -> dict[str, Any]:
    """Images with boxes, several labels, or queries: classes are counted by the training images
    that show them."""
    from seedbed.data.annotations import Boxes, Relevance
    from seedbed.data.class_faults import find_class_faults
    from seedbed.data.source import TRAIN
    from seedbed.data.view import entropy_bits, ids_sha256

    if options.recipe:
        store.must_have_one_label()
    found, sizes = store.annotations, store.class_sizes(TRAIN)
    is_train = store.splits == TRAIN
    boxes = (
        np.bincount(found.labels[is_train[found.rows]], minlength=len(sizes))
        if isinstance(found, Boxes)
        else None
    )
    rows: list[dict[str, Any]] = [
        {"label": label, "name": store.names.get(label, label), "num_images": int(n)}
        for label, n in zip(store.classes, sizes, strict=True)
    ]
    if boxes is not None:
        rows = [{**row, "num_boxes": int(n)} for row, n in zip(rows, boxes, strict=True)]
    train = np.flatnonzero(is_train)
    facts: dict[str, Any] = (
        {"num_boxes": len(found.rows), "num_difficult": int(found.difficult.sum())}
        if isinstance(found, Boxes)
        else {}
    )
    if isinstance(found, Relevance):
        rows, facts = (
            [],
            {
                "num_queries": len(found.queries),
                "num_gallery": len(found.gallery),
                "protocol": str(found.protocol),
            },
        )
    if isinstance(found, Relevance):
        say(
            options,
            f"{options.path}: {len(found.queries):,} queries, {len(found.gallery):,} images to be searched",
        )
    else:
        what = "boxes" if isinstance(found, Boxes) else "several labels an image"
        show_rows(
            options,
            f"{options.path}: {len(train):,} training images with {what}, {len(rows)} classes",
            rows[:20],
        )
    if len(rows) > 20:
        say(options, f"... and {len(rows) - 20} more classes")
    show_facts(
        options,
        {
            f"{name} (of all splits)" if "boxes" in name else name: value
            for name, value in facts.items()
        },
    )
    faults = find_class_faults(store)
    notes = [*store.doubts, *faults.notes]
    say(options, *notes)
    splits: dict[str, int] = store.card["splits"]
    say(
        options,
        "splits: " + ", ".join(f"{k} {v:,}" for k, v in splits.items()) + derived(store.card),
    )
    return {
        "kind": kind,
        "annotations": store.annotated,
        "num_images": len(train),
        "num_classes": len(rows),
        "splits": splits,
        "derived_splits": store.card["derived_splits"],
        "classes": rows,
        "entropy_bits": entropy_bits(sizes) if sizes.sum() else 0.0,
        "ids_sha256": ids_sha256(store.ids[train]),
        "notes": notes,
        "empty_classes": faults.empty,
        "unreadable_classes": faults.unreadable,
        "single_image_classes": faults.single_image,
        **facts,
    }


def _inspect_data(options: Namespace, store: Store, kind: str) -> dict[str, Any]:
    from seedbed.data.class_faults import find_class_faults
    from seedbed.data.view import make_view

    if store.annotated is not None:
        return _inspect_annotated(options, store, kind)
    view = make_view(store, options.recipe, options.seed, min_classes=0)
    faults = find_class_faults(store)
    notes = [*faults.notes, *view.notes]
    classes = _class_rows(view)
    show_rows(
        options,
        f"{options.path}: {len(view.rows):,} training images, {len(view.classes)} classes",
        classes[:20],
    )
    if len(classes) > 20:
        say(options, f"... and {len(classes) - 20} more classes")
    if view.steps:
        show_rows(options, "after each recipe:", [dataclasses.asdict(step) for step in view.steps])
    say(
        options,
        "splits: "
        + ", ".join(f"{k} {v:,}" for k, v in _split_sizes(view).items())
        + derived(store.card),
        *notes,
    )
    return {
        "kind": kind,
        "num_images": len(view.rows),
        "num_classes": len(view.classes),
        "splits": _split_sizes(view),
        "classes": classes,
        "entropy_bits": view.entropy_bits,
        "ids_sha256": view.ids_sha256,
        "notes": notes,
        "derived_splits": store.card["derived_splits"],
        "empty_classes": faults.empty,
        "unreadable_classes": faults.unreadable,
        "single_image_classes": faults.single_image,
        "steps": [dataclasses.asdict(step) for step in view.steps],
    }


def _class_rows(view: View) -> list[dict[str, Any]]:
    tree = view.store.hierarchy
    names, sizes = {**(tree.names if tree else {}), **view.store.names}, view.class_sizes
    return [
        {"label": c, "name": names.get(c, c), "num_images": int(n)}
        for c, n in zip(view.classes, sizes, strict=True)
    ]


def _split_sizes(view: View) -> dict[str, int]:
    return {
        "train": len(view.rows),
        **{name: len(view.held_out(name)[0]) for name in ("val", "test")},
    }


def derived(card: dict[str, Any]) -> str:
    return "".join(f" ({name}: {how})" for name, how in card["derived_splits"].items())
