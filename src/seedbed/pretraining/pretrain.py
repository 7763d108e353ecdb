"""Pre-training: a view becomes a backbone, with its accuracy on the source's held-out images.

In: a view, an architecture, an objective, a schedule, seeds. Out: a Backbone with its card, and predictions on the held-out split.
Knows nothing of targets or of studies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from seedbed.base.randomness import Draw, stream
from seedbed.data.loader import Resident, Stream
from seedbed.data.view import View
from seedbed.metrics.accuracy import accuracies, rank
from seedbed.models.backbone import Backbone, initialise
from seedbed.models.codes import codes, logits
from seedbed.models.fit import Fitted, Progress, Schedule, fit
from seedbed.models.zoo import Architecture
from seedbed.pretraining.objectives import Objective
from seedbed.pretraining.objectives.supervised import Supervised

REVISION = 1  # raised by hand when the meaning of a pre-training changes
_NUM_CARD_CODES = 2048
_NUM_NORM_IMAGES = 1024


@dataclass(frozen=True, kw_only=True)
class Seeds:
    """The seed of the sample (which images and classes) and of the training (initial weights, order, augmentation)."""

    sample: int = 0
    init: int = 0


@dataclass(frozen=True, kw_only=True)
class Pretrained:
    """A backbone and how well it does on the source's held-out images."""

    backbone: Backbone
    metrics: dict[str, float]  # percent; empty for random initialisation
    predictions: dict[str, np.ndarray] = field(default_factory=dict)
    card_codes: np.ndarray  # float16 [<=2048, d], penultimate codes of held-out images
    fitted: Fitted | None = None


def pretrain_view(
    view: View,
    architecture: Architecture,
    schedule: Schedule,
    *,
    objective: Objective | None = None,
    seeds: Seeds | None = None,
    device: str = "cpu",
    on_progress: Callable[[Progress], None] | None = None,
) -> Pretrained:
    """Train from scratch on the view's training rows; `schedule.images_seen` 0 leaves the weights random.

    With random weights the statistics of batch norm are those of 1,024 training images, seen once, without labels: with the
    initial statistics (mean 0, variance 1) a probe can differ by two points, so this is part of what "random" means here.
    """
    seeds, objective = seeds or Seeds(), objective or Supervised()
    backbone = architecture.build(view.classes, view.store.size_px)
    initialise(backbone.module, seeds.init)
    backbone.module.to(device)
    fitted = None
    if schedule.images_seen == 0:
        _set_norm_statistics(backbone, view, device)
    else:
        images = Resident(view.store.pixels, view.rows, view.labels, device)
        batches = Stream(images, schedule.batch_size, stream(seeds.init, "pretraining"))
        fitted = fit(backbone.module, batches, objective.loss, schedule, on_progress=on_progress)
    return _measured(backbone, view, fitted, device)


def _measured(backbone: Backbone, view: View, fitted: Fitted | None, device: str) -> Pretrained:
    rows, labels = view.held_out()
    if not len(rows):  # the source's test split has none of these classes
        return Pretrained(
            backbone=backbone, metrics={}, card_codes=np.zeros((0, backbone.layer().shape[0]), np.float16), fitted=fitted
        )
    few = rows[np.argsort(Draw(seed=0, purpose="card").ranks(view.store.hashes[rows]))[:_NUM_CARD_CODES]]
    card_codes = codes(backbone, Resident(view.store.pixels, few, None, device)).numpy().astype(np.float16)
    if fitted is None:
        return Pretrained(backbone=backbone, metrics={}, card_codes=card_codes)
    ranked = rank(logits(backbone, Resident(view.store.pixels, rows, None, device)).numpy())
    return Pretrained(
        backbone=backbone,
        metrics=accuracies(labels, ranked, len(view.classes)),
        predictions={"ids": view.store.hashes[rows], "labels": labels, "ranked": ranked},
        card_codes=card_codes,
        fitted=fitted,
    )


@torch.no_grad()
def _set_norm_statistics(backbone: Backbone, view: View, device: str) -> None:
    """One forward pass in training mode over the 1,024 lowest-ranked training images sets the running statistics."""
    order = np.argsort(Draw(seed=0, purpose="norm").ranks(view.store.hashes[view.rows]))
    images = Resident(view.store.pixels, view.rows[np.sort(order[:_NUM_NORM_IMAGES])], None, device)
    norms = [m for m in backbone.module.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = 1.0
    backbone.module.train()
    for batch in images.plain(_NUM_NORM_IMAGES):
        backbone.module(batch)
    backbone.module.eval()
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def view_facts(view: View) -> dict[str, Any]:
    """What a card says of the data behind a backbone."""
    return {
        "source": view.store.name,
        "num_images": len(view.rows),
        "num_classes": len(view.classes),
        "entropy_bits": view.entropy_bits,
        "data_digest": view.store.digest,
        "view": view.fingerprint,
        "notes": list(view.notes),
    }
