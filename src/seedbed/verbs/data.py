"""pack, hierarchy, audit: data sets on disk and in stores.

In: parsed options. Out: (document, exit status).
"""

from __future__ import annotations

import dataclasses
from argparse import Namespace
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seedbed.base.errors import BadDataError
from seedbed.verbs.output import Bar, Result, say, show_list, show_rows, splits_line

if TYPE_CHECKING:
    from seedbed.data.audit import Audit
    from seedbed.data.hierarchy import Hierarchy
    from seedbed.data.pack import PackResult
    from seedbed.data.store import Store


def pack(options: Namespace) -> Result:
    from seedbed.data.formats import open_source
    from seedbed.data.pack import pack as pack_source
    from seedbed.data.skipped_files import to_card

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
    store = packed.store
    card, notes = store.card, list(store.source_notes)
    if store.annotation_kind == "boxes" and (options.size_px is not None or options.fit != "crop"):
        notes.append(
            "images with boxes are kept whole: --size-px and --fit have no effect; "
            "detect(short_px=...) sets the size that a detector sees"
        )
    _show_packed(options, packed, notes)
    return {
        "store": str(options.store),
        "num_images": card["num_images"],
        "num_classes": len(card["classes"]),
        "splits": card["splits"],
        "derived_splits": card["derived_splits"],
        "size_px": card["size_px"],
        "fit": card["fit"],
        "encoded": store.is_encoded,
        "num_unreadable": packed.num_unreadable,
        "unreadable": str(packed.unreadable) if packed.unreadable else None,
        "notes": notes,
        "skipped": to_card(store.skipped),
        "images_per_s": packed.images_per_s,
    }, 0


def _show_packed(options: Namespace, packed: PackResult, notes: list[str]) -> None:
    card, rate = packed.store.card, packed.images_per_s
    speed = f"{rate:,.0f} images/s" if rate else "already packed, unchanged"
    counts = f"{card['num_images']:,} images of {len(card['classes'])} classes"
    say(options, f"{options.store}: {counts} {_describe_pixels(packed.store)} ({speed})")
    say(options, splits_line(card["splits"], card))
    if packed.num_unreadable:
        say(
            options,
            f"{packed.num_unreadable} unreadable images were left out; they are listed in "
            f"{packed.unreadable}",
        )
    say(options, *notes)


def _describe_pixels(store: Store) -> str:
    """How the images are kept: whole, as files, or as squares of one side."""
    if store.annotation_kind == "boxes":
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
            f"entropy {document['entropy_bits']:.2f} bits, counted in leaves; "
            f"{np.log2(len(counts)):.2f} when balanced",
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
    dropped = [
        f"under {_called(tree, node)} ({node}): {', '.join(sorted(names))}"
        for node, names in under.items()
    ]
    show_list(options, "nodes whose classes were dropped", dropped, 20)
    show_list(
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
        report = api.audit(
            options.data,
            options.against,
            hierarchy=options.hierarchy,
            backbone=options.backbone,
            workspace=options.workspace,
            on_pack=bar,
            on_progress=bar,
        )
    document = report.to_dict()
    sizes = report.class_sizes
    say(options, f"{options.data}: {report.num_images:,} images, {len(sizes)} classes")
    say(options, f"class sizes: {document['smallest_class']:,} to {document['largest_class']:,}")
    unreadable = [f"{row['id']}: {row['reason']}" for row in report.unreadable]
    show_list(options, "unreadable", unreadable)
    say(options, *report.notes)
    show_list(options, "images of nearly one colour", report.flat)
    show_list(options, "tiny classes", [f"{c}: {sizes[c]} images" for c in report.tiny_classes])
    for title, groups in (
        ("groups of near duplicates", report.duplicate_groups),
        ("of them across splits", report.across_splits),
        ("of them across classes", report.across_classes),
    ):
        show_list(options, title, [", ".join(group) for group in groups])
    if options.against:
        _show_comparison(options, report)
    return document, 0


def _show_comparison(options: Namespace, report: Audit) -> None:
    """Images and classes that both data sets hold."""
    other = options.against
    shared = [f"{row['id']}: {', '.join(row['near'])}" for row in report.shared_with]
    show_list(options, f"images that are near duplicates of images in {other}", shared)
    classes = [f"{label}: {', '.join(same)}" for label, same in report.shared_classes.items()]
    show_list(options, f"classes of {other} that this data set has, too (other: this)", classes)
    if report.codes_threshold is None:
        return
    near = [f"{row['id']}: {row['near']} ({row['similarity']:.3f})" for row in report.near_by_codes]
    show_list(
        options,
        f"other images that are near images in {other} by their codes "
        f"(cosine above {report.codes_threshold:.3f})",
        near,
    )
    if near:
        share = 100 * (report.codes_lookalikes or 0)
        say(
            options,
            f"  look at them: {share:.0f} % of the images here are as near to another image here",
        )
