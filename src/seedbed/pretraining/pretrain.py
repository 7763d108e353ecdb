"""Pre-training: a view becomes a backbone, with its accuracy on the source's held-out images.

In: a view, an architecture, an objective, a schedule, seeds. Out: a Backbone with its card, and
predictions on the held-out split. Knows nothing of targets or of studies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from seedbed.base.errors import UsageError
from seedbed.base.randomness import Draw, content_hash, stream
from seedbed.data.images import Augmentation
from seedbed.data.loader import Stream
from seedbed.data.splits import held_out
from seedbed.data.view import View
from seedbed.metrics.accuracy import accuracies, rank
from seedbed.models.backbone import Backbone
from seedbed.models.checkpoint import file_fingerprint
from seedbed.models.codes import batch_size_for, codes, fill_codes, logits
from seedbed.models.fit import FitResult, Progress, fit
from seedbed.models.schedule import Schedule
from seedbed.models.training_state import Checkpoint, EarlyStopping
from seedbed.models.weights import load_weights, read_weights, resolve
from seedbed.models.zoo import Architecture
from seedbed.pretraining.objectives import OBJECTIVES

REVISION = 1  # raised by hand when the meaning of a pre-training changes
_NUM_CARD_CODES = 2048
_NUM_NORM_IMAGES = 1024
_NUM_LOOKS = 20  # of early stopping, over the whole budget


@dataclass(frozen=True, kw_only=True)
class Seeds:
    """The seed of the sample (which images and classes) and of the training (initial weights,
    order, augmentation)."""

    sample: int = 0
    init: int = 0


@dataclass(frozen=True, kw_only=True)
class Pretrained:
    """A backbone and how well it does on the source's held-out images."""

    backbone: Backbone
    metrics: dict[str, float]  # percent; empty for random initialisation
    predictions: dict[str, np.ndarray] = field(default_factory=dict)
    # float16 (float32 where that would overflow) [<=2048, d], penultimate codes of held-out images
    card_codes: np.ndarray
    fitted: FitResult | None = None
    loading: str = ""  # how the images reached the device
    num_trained_on: int = 0  # training images, without those that early stopping held out
    # images seen, with repeats: what was asked for, or less where it ended early
    images_trained: int = 0

    @property
    def epochs(self) -> float:
        return self.images_trained / self.num_trained_on if self.num_trained_on else 0.0

    def facts(self) -> dict[str, Any]:
        """How it was trained, beside what was asked for."""
        return (
            {"loading": self.loading, **self.fitted.facts()}
            if self.fitted
            else dict(self.backbone.card.get("training") or {})
        )


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a backbone is trained: objective, schedule, augmentation, and whether it may end early.

    `early_stopping` is how many looks at held-out training images without a better accuracy end it;
    0: it never ends early. A look comes after each twentieth of the budget, at a fifth of the
    training images, which then are not trained on.
    """

    schedule: Schedule
    objective: str = "supervised()"
    augmentation: Augmentation = "crop"
    early_stopping: int = 0

    @property
    def images_seen(self) -> int:
        return self.schedule.images_seen

    def key(self) -> list[Any]:
        """What makes its weights what they are; random weights depend on none of it."""
        objective = OBJECTIVES.make(self.objective)
        return [
            objective.revision,
            objective,
            self.schedule,
            self.augmentation,
            self.early_stopping,
        ]


def pretrain_view(
    view: View,
    architecture: Architecture,
    training: Training,
    *,
    seeds: Seeds | None = None,
    device: str = "cpu",
    on_progress: Callable[[Progress], None] | None = None,
    checkpoint: Checkpoint | None = None,
) -> Pretrained:
    """Train on the view's training rows, from scratch or from the weights that the architecture
    names; a budget of 0 leaves them.

    With random weights the statistics of batch norm are those of 1,024 training images, seen once,
    without labels: with the initial statistics (mean 0, variance 1) a probe can differ by two
        points, so this is part of what "random" means here.
    """
    seeds = seeds or Seeds()
    backbone = architecture.build(
        view.classes, architecture.size_px or view.store.size_px, seeds.init
    )
    begun_with = initial_weights(architecture)
    if begun_with:
        load_weights(backbone, read_weights(begun_with), str(begun_with), keep_head=False)
    backbone.module.to(device)
    if training.images_seen == 0:
        if not begun_with:
            _set_norm_statistics(backbone, view)
        return _measured(backbone, view, None)
    rows, labels, stopping = _split_for_stopping(backbone, view, training)
    images = backbone.images(view.store, rows, labels)
    batches = Stream(
        images,
        training.schedule.batch_size,
        stream(seeds.init, "pretraining"),
        training.augmentation,
    )
    objective = OBJECTIVES.make(training.objective)
    fitted = fit(
        backbone.module,
        batches,
        objective.loss,
        training.schedule,
        on_progress=on_progress,
        checkpoint=checkpoint,
        stopping=stopping,
    )
    # whole batches may have been a little more
    seen = min(training.images_seen, fitted.images_seen)
    return replace(
        _measured(backbone, view, fitted),
        loading=images.loading,
        num_trained_on=len(rows),
        images_trained=seen,
    )


def identity(
    view: View, architecture: Architecture, training: Training, init_seed: int
) -> dict[str, Any]:
    """What the weights of a pre-training depend on, for keys: data, network and settings by what
    they are, never by names or paths."""
    begun_with = initial_weights(architecture)
    own = {f.name for f in fields(architecture)} & {"weights", "size_px"}  # pyright: ignore[reportArgumentType]
    return {
        "step": "pretraining",
        "revision": [REVISION, architecture.revision],
        "view": view.fingerprint,
        "architecture": replace(architecture, **dict.fromkeys(own)),  # pyright: ignore[reportArgumentType]
        "size_px": architecture.size_px or view.store.size_px,
        "weights": file_fingerprint(begun_with) if begun_with else None,
        # Random weights depend neither on the objective nor on the schedule.
        "training": training.key() if training.images_seen else None,
        # Early stopping holds out whole groups of near duplicates.
        "groups": content_hash(view.store.groups[view.rows].tobytes())
        if training.early_stopping
        else None,
        "seed": init_seed,
    }


def initial_weights(architecture: Architecture) -> Path | None:
    """The file of weights that a training begins with, where the architecture names one; published
    ones only when asked for."""
    if architecture.weights is None:
        return None
    what = type(architecture).__name__ + (
        f" with stem={architecture.stem!r}" if architecture.stem != "imagenet" else ""
    )
    return resolve(architecture.weights, architecture.published(), what)


def _split_for_stopping(
    backbone: Backbone, view: View, training: Training
) -> tuple[np.ndarray, np.ndarray, EarlyStopping | None]:
    """Rows and labels to train on, and what early stopping looks at."""
    if not training.early_stopping:
        return view.rows, view.labels, None
    aside = held_out(view.labels, view.store.groups[view.rows], len(view.classes), "early stopping")
    if not aside.any():
        raise UsageError(
            "early_stopping needs two images in some class of every arm",
            "Leave it out, or keep more images.",
        )
    looked_at = backbone.images(view.store, view.rows[aside])
    labels = torch.from_numpy(view.labels[aside].astype(np.int64))

    def score(_module: nn.Module) -> float:
        return 100.0 * (logits(backbone, looked_at).argmax(1) == labels).double().mean().item()

    every = max(1, training.schedule.num_steps // _NUM_LOOKS)
    return (
        view.rows[~aside],
        view.labels[~aside],
        EarlyStopping(
            score=score,
            num_held_out=int(aside.sum()),
            every=every,
            patience=training.early_stopping,
        ),
    )


def _measured(backbone: Backbone, view: View, fitted: FitResult | None) -> Pretrained:
    rows, labels = view.held_out()
    if not len(rows):  # the source's test split has none of these classes
        return Pretrained(
            backbone=backbone,
            metrics={},
            card_codes=np.zeros((0, backbone.layer().dim), np.float16),
            fitted=fitted,
        )
    few = rows[
        np.argsort(Draw(seed=0, purpose="card").ranks(view.store.hashes[rows]))[:_NUM_CARD_CODES]
    ]
    card_codes = np.empty((len(few), backbone.layer().dim), np.float16)
    try:
        fill_codes(backbone, backbone.images(view.store, few), {backbone.penultimate: card_codes})
    except UsageError:  # beyond what float16 holds
        card_codes = codes(backbone, backbone.images(view.store, few)).numpy()
    if fitted is None:
        return Pretrained(backbone=backbone, metrics={}, card_codes=card_codes)
    ranked = rank(logits(backbone, backbone.images(view.store, rows)).numpy())
    return Pretrained(
        backbone=backbone,
        metrics=accuracies(labels, ranked, len(view.classes)),
        predictions={"ids": view.store.hashes[rows], "labels": labels, "ranked": ranked},
        card_codes=card_codes,
        fitted=fitted,
    )


@torch.no_grad()
def _set_norm_statistics(backbone: Backbone, view: View) -> None:
    """One forward pass in training mode over the 1,024 lowest-ranked training images sets the
    running statistics."""
    order = np.argsort(Draw(seed=0, purpose="norm").ranks(view.store.hashes[view.rows]))
    images = backbone.images(view.store, view.rows[np.sort(order[:_NUM_NORM_IMAGES])])
    norms = [
        m
        for m in backbone.module.modules()
        if isinstance(m, torch.nn.modules.batchnorm._BatchNorm) and m.track_running_stats
    ]
    momenta = [norm.momentum for norm in norms]
    backbone.module.eval()  # dropout rests; norms alone learn
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
        norm.train()
    batch_size = _NUM_NORM_IMAGES if backbone.size_px <= 64 else batch_size_for(backbone.size_px)
    for batch in images.plain(batch_size) if norms else ():
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
