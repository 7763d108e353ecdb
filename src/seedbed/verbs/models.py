"""pretrain, codes, transfer: one backbone at a time.

In: parsed options. Out: (document, exit status).
"""

from __future__ import annotations

from argparse import Namespace

from seedbed.verbs.speech import Bar, Result, show_facts


def pretrain(options: Namespace) -> Result:
    from seedbed import api

    with Bar("training") as bar:
        done = api.pretrain(
            options.store,
            options.backbone,
            options.out,
            recipe=options.recipe,
            objective=options.objective,
            images_seen=options.images_seen,
            seed=options.seed,
            device=options.device,
            on_progress=bar.training,
        )
    card, fitted = done.backbone.card, done.fitted
    document = {
        "backbone": str(options.out),
        "source_top1": done.metrics.get("top1"),
        "source_top5": done.metrics.get("top5"),
        "num_images": card["num_images"],
        "num_classes": card["num_classes"],
        "images_seen": options.images_seen,
        "epochs": options.images_seen / card["num_images"],
        "images_per_s": fitted.images_per_s if fitted else None,
        "seconds": fitted.seconds if fitted else 0.0,
    }
    show_facts(options, document)
    return document, 0


def codes(options: Namespace) -> Result:
    from seedbed import api

    out = api.codes_path(options.out)
    with Bar("packing") as bar:
        found = api.codes(
            options.backbone,
            options.data,
            layer=options.layer,
            split=options.split,
            recipe=options.recipe,
            seed=options.seed,
            device=options.device,
            workspace=options.workspace,
            on_pack=bar,
        )
    document = {
        "codes": str(found.save(out)),
        "num_images": len(found.labels),
        "dim": found.codes.shape[1],
        "layer": found.layer,
        "pooling": found.pooling,
        "images_per_s": found.images_per_s,
    }
    show_facts(options, document)
    return document, 0


def transfer(options: Namespace) -> Result:
    import time

    from seedbed import api
    from seedbed.base.spec import fingerprint
    from seedbed.metrics import HIGHER_IS_BETTER, UNITS
    from seedbed.models.checkpoint import read_card, weights_fingerprint

    card, started = read_card(options.backbone), time.monotonic()
    with Bar("transfer") as bar:
        measured = api.transfer(
            options.backbone,
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
        "images_seen": card.get("images_seen"),
        "target": options.task,
        "method": options.method,
        "backbone": card["architecture"],
        "metric": metric,
        "unit": UNITS[metric],
        "value": measured.metrics[metric],
        "num_test": len(measured.predictions["labels"]),
        "higher_is_better": HIGHER_IS_BETTER[metric],
        "seconds": time.monotonic() - started,
        "key": fingerprint([weights_fingerprint(options.backbone), measured.task, options.method, options.seed]),
        "metrics": dict(measured.metrics),
        "facts": dict(measured.facts),
    }
    show_facts(options, document)
    return document, 0
