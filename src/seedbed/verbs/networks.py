"""pretrain, codes, reference-codes: one backbone at a time.

In: parsed options. Out: (document, exit status).
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedbed.base.errors import UsageError
from seedbed.verbs.output import Bar, Result, say, show_facts, show_rows

if TYPE_CHECKING:
    from seedbed.pretraining.pretrain import Pretrained


def pretrain(options: Namespace) -> Result:
    from seedbed.api import networks as api

    with Bar("training") as bar:
        result = api.pretrain(
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
            on_pack=bar.named("packing"),
            on_progress=bar.training,
            objective=options.objective,
            batch_size=options.batch_size,
            learning_rate=options.learning_rate,
            weight_decay=options.weight_decay,
            optimiser=options.optimiser,
            decay=options.decay,
            drops=_read_drops(options.drops),
            warmup=options.warmup,
            augmentation=options.augmentation,
            early_stopping=options.early_stopping,
            threads=options.threads,
        )
    document = _pretrained_document(options, result)
    _show_pretrained(options, document)
    if result.fitted is None and options.images_seen:
        say(options, "this training was finished before: nothing was done")
    if early := document.get("early_stopping"):
        _show_early_stopping(options, result.backbone.card, early)
    return document, 0


def _pretrained_document(options: Namespace, result: Pretrained) -> dict[str, Any]:
    """The JSON document of one training."""
    card, fitted = result.backbone.card, result.fitted
    return {
        "backbone": str(options.out),
        "source_top1": result.metrics.get("top1"),
        "source_top5": result.metrics.get("top5"),
        "num_images": card["num_images"],
        "num_classes": card["num_classes"],
        "images_seen": options.images_seen,
        # Fewer than `images_seen` after early stopping.
        "images_trained": card["images_trained"],
        "epochs": card["epochs"],
        "images_per_s": fitted.images_per_s if fitted else None,
        "seconds": fitted.seconds if fitted else 0.0,
        "key": card["key"],
        **result.facts(),
    }


def _read_drops(text: str | None) -> list[float] | None:
    """The numbers of --drops."""
    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(
            f"--drops {text!r} is not a list of numbers", "Write for example --drops 0.5,0.75."
        ) from None


def _show_pretrained(options: Namespace, document: dict[str, Any]) -> None:
    """What was trained, and how accurate it is."""
    images = f"{document['num_images']:,} images of {document['num_classes']:,} classes"
    if not options.images_seen:
        say(options, f"{options.out}: random weights (--images-seen 0), for {images}")
        return
    say(
        options,
        f"{options.out}: trained on {images}, {document['images_trained']:,} images seen "
        f"({document['epochs']:.1f} epochs)",
    )
    if (top1 := document["source_top1"]) is not None:
        top5 = document["source_top5"]
        also = "" if top5 is None else f", top-5 {top5:.2f} %"
        say(options, f"on held-out images of the same source: top-1 accuracy {top1:.2f} %{also}")
    if document["images_per_s"] is not None:
        seconds, rate = document["seconds"], document["images_per_s"]
        say(options, f"{seconds:,.0f} s of training, {rate:,.0f} images/s")


def _show_early_stopping(options: Namespace, card: dict[str, Any], early: dict[str, Any]) -> None:
    batch_size = card["schedule"]["batch_size"]
    steps, planned = -(-card["images_trained"] // batch_size), -(-options.images_seen // batch_size)
    end = f"at step {steps:,} of {planned:,}" if steps < planned else "not before the last step"
    say(
        options,
        f"early stopping: {end}; the weights are those of step {early['best_at_step']:,}, with "
        f"{early['best_score']:.2f} % accuracy on {early['num_held_out']:,} held-out "
        "training images",
    )


def codes(options: Namespace) -> Result:
    from seedbed.api import networks as api

    with Bar("packing") as bar:
        computed = api.codes(
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
    first = computed.layers[0]
    summary = {"codes": str(options.out), "num_images": len(computed.labels)}
    first_layer = {"dim": first["dim"], "layer": first["layer"], "pooling": first["pooling"]}
    size = {
        "dtype": options.dtype,
        "bytes": Path(options.out).stat().st_size,
        "images_per_s": computed.images_per_s,
    }
    show_facts(options, summary | (first_layer if len(computed.layers) == 1 else {}) | size)
    if len(computed.layers) > 1:
        show_rows(options, f"{len(computed.layers)} layers:", computed.layers)
    return summary | first_layer | size | {"layers": [dict(la) for la in computed.layers]}, 0


def reference_codes(options: Namespace) -> Result:
    from seedbed.api import networks as api
    from seedbed.models.reference_codes import read_reference_codes

    with Bar("codes") as bar:
        path = api.reference_codes(
            options.backbone,
            options.data,
            num=options.num,
            name=options.name,
            seed=options.seed,
            device=options.device,
            workspace=options.workspace,
            on_codes=bar,
        )
    reference = read_reference_codes(path)
    document = {
        "reference_codes": str(path),
        "num_images": len(reference.codes),
        "dim": reference.codes.shape[1],
        "source": reference.source,
    }
    show_facts(options, document)
    return document, 0
