"""pretrain, codes: one backbone at a time.

In: parsed options. Out: (document, exit status).
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from seedbed.verbs.output import Bar, Result, say, show_facts, show_rows


def pretrain(options: Namespace) -> Result:
    from seedbed.api import networks as api

    with Bar("training") as bar:
        done = api.pretrain(
            options.store,
            options.backbone,
            options.out,
            recipe=options.recipe,
            images_seen=options.images_seen,
            seed=options.seed,
            device=options.device,
            size_px=options.size_px,
            workspace=options.workspace,
            checkpoint_every_s=60 * options.checkpoint_minutes,
            on_pack=bar,
            on_progress=bar.training,
            objective=options.objective,
            batch_size=options.batch_size,
            learning_rate=options.learning_rate,
            weight_decay=options.weight_decay,
            optimiser=options.optimiser,
            decay=options.decay,
            warmup=options.warmup,
            augmentation=options.augmentation,
            early_stopping=options.early_stopping,
            threads=options.threads,
        )
    card, fitted = done.backbone.card, done.fitted
    document = {
        "backbone": str(options.out),
        "source_top1": done.metrics.get("top1"),
        "source_top5": done.metrics.get("top5"),
        "num_images": card["num_images"],
        "num_classes": card["num_classes"],
        "images_seen": options.images_seen,
        "images_trained": card["images_trained"],  # fewer than asked for where it ended early
        "epochs": card["epochs"],
        "images_per_s": fitted.images_per_s if fitted else None,
        "seconds": fitted.seconds if fitted else 0.0,
        **done.facts(),
    }
    show_facts(options, {key: value for key, value in document.items() if key != "early_stopping"})
    if fitted is None and options.images_seen:
        say(options, "trained already by the same command: nothing was done")
    if early := document.get("early_stopping"):
        size = card["schedule"]["batch_size"]
        steps, planned = -(-card["images_trained"] // size), -(-options.images_seen // size)
        ended = (
            f"ended at step {steps:,} of {planned:,}" if steps < planned else "did not end it early"
        )
        best = f"{early['best_score']:.2f} % of the {early['num_held_out']:,} training images held out for it"
        say(
            options,
            f"early stopping: {ended}; the weights are those of step {early['best_at_step']:,}, right on {best}",
        )
    return document, 0


def codes(options: Namespace) -> Result:
    from seedbed.api import networks as api

    with Bar("packing") as bar:
        found = api.codes(
            options.backbone,
            options.data,
            layer="all" if options.layer == ["all"] else options.layer or "penultimate",
            flatten=options.flatten,
            dtype=options.dtype,
            out=options.out,
            split=options.split,
            recipe=options.recipe,
            seed=options.seed,
            device=options.device,
            workspace=options.workspace,
            on_pack=bar,
            on_codes=bar,
        )
    first = found.layers[0]
    about = {"codes": str(options.out), "num_images": len(found.labels)}
    of_first = {"dim": first["dim"], "layer": first["layer"], "pooling": first["pooling"]}
    size = {
        "dtype": options.dtype,
        "bytes": Path(options.out).stat().st_size,
        "images_per_s": found.images_per_s,
    }
    show_facts(options, about | (of_first if len(found.layers) == 1 else {}) | size)
    if len(found.layers) > 1:
        show_rows(options, f"{len(found.layers)} layers:", found.layers)
    return about | of_first | size | {"layers": [dict(la) for la in found.layers]}, 0
