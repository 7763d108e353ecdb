"""pretrain, codes, transfer: one backbone at a time.

In: parsed options. Out: (document, exit status).
"""

from __future__ import annotations

from argparse import Namespace

from seedbed.verbs.speech import Bar, Result, show_facts, show_rows


def pretrain(options: Namespace) -> Result:
    from dataclasses import fields

    from seedbed import api
    from seedbed.trials.arms import Pretraining

    named = {f.name for f in fields(Pretraining)} - {"backbone", "images_seen"}
    training = {key: value for key, value in vars(options).items() if key in named and value is not None}
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
            **training,
        )
    card, fitted = done.backbone.card, done.fitted
    document = {
        "backbone": str(options.out),
        "source_top1": done.metrics.get("top1"),
        "source_top5": done.metrics.get("top5"),
        "num_images": card["num_images"],
        "num_classes": card["num_classes"],
        "images_seen": options.images_seen,
        "images_trained": fitted.images_seen if fitted else 0,  # fewer than asked for where it ended early
        "epochs": min(options.images_seen, fitted.images_seen if fitted else 0) / card["num_images"],
        "images_per_s": fitted.images_per_s if fitted else None,
        "seconds": fitted.seconds if fitted else 0.0,
        **done.facts(),
    }
    show_facts(options, document)
    return document, 0


def codes(options: Namespace) -> Result:
    from seedbed import api

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
    document = {
        "codes": str(options.out),
        "num_images": len(found.labels),
        "dim": first["dim"],
        "layer": first["layer"],
        "pooling": first["pooling"],
        "images_per_s": found.images_per_s,
    }
    show_facts(options, document)
    if len(found.layers) > 1:
        show_rows(options, "all layers:", found.layers)
    return document | {"layers": [dict(la) for la in found.layers]}, 0


def transfer(options: Namespace) -> Result:
    import time

    from seedbed import api
    from seedbed.base.spec import fingerprint
    from seedbed.metrics import HIGHER_IS_BETTER, UNITS
    from seedbed.models.opening import fingerprint_of, open_backbone

    net, started = open_backbone(options.backbone), time.monotonic()
    with Bar("transfer") as bar:
        measured = api.transfer(
            net,
            options.task,
            options.method,
            seed=options.seed,
            device=options.device,
            workspace=options.workspace,
            on_pack=bar,
            on_progress=bar.training,
        )
    metric = measured.primary
    document = {
        "study": None,
        "arm": str(options.backbone),
        "seed": options.seed,
        "images_seen": net.card.get("images_seen"),
        "target": options.task,
        "method": options.method,
        "backbone": net.architecture,
        "metric": metric,
        "unit": UNITS[metric],
        "value": measured.metrics[metric],
        "num_test": len(measured.predictions["labels"]),
        "higher_is_better": HIGHER_IS_BETTER[metric],
        "seconds": time.monotonic() - started,
        "key": fingerprint([fingerprint_of(options.backbone), measured.task, options.method, options.seed]),
        "metrics": dict(measured.metrics),
        "facts": dict(measured.facts),
    }
    show_facts(options, document)
    return document, 0
