"""Pre-train a backbone on a view of a source.

In: a view, an architecture, an objective, a schedule, seeds. Out: a Backbone, and its predictions
on the held-out images of the source.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from seedbed.base.errors import UsageError
from seedbed.base.randomness import Draw, content_hash, stream
from seedbed.data.images import Augmentation
from seedbed.data.loader import Stream
from seedbed.data.preprocessing import interpolation_of
from seedbed.data.splits import hold_out
from seedbed.data.view import View
from seedbed.metrics.accuracy import accuracies, rank
from seedbed.models.backbone import Backbone
from seedbed.models.codes import batch_size_for, codes, fill_codes, logits
from seedbed.models.fit import FitResult, fit
from seedbed.models.resolve import load_file
from seedbed.models.schedule import Schedule
from seedbed.models.training_progress import Progress
from seedbed.models.training_state import Checkpoint, EarlyStopping
from seedbed.models.weights import resolve
from seedbed.models.weights_file import WeightsFile
from seedbed.models.zoo import Architecture
from seedbed.pretraining.objectives import OBJECTIVES

# Increased by hand when the same settings give another training.
REVISION = 1
_NUM_CARD_CODES = 2048
_NUM_NORM_IMAGES = 1024
# Evaluations of early stopping over the whole training budget.
_NUM_EVALUATIONS = 20


@dataclass(frozen=True, kw_only=True)
class Seeds:
    """Seed of the sample (images and classes), and of the training (initial weights, order,
    augmentation)."""

    sample: int = 0
    init: int = 0


@dataclass(frozen=True, kw_only=True)
class Pretrained:
    """A backbone, and its accuracy on the held-out images of the source."""

    backbone: Backbone
    metrics: dict[str, float]  # percent; empty for random initialisation
    predictions: dict[str, np.ndarray] = field(default_factory=dict)
    # Penultimate codes of held-out images, [<=2048, d], float16 (float32 if that would overflow).
    card_codes: np.ndarray
    fitted: FitResult | None = None
    loading: str = ""  # how the images reached the device
    num_train: int = 0  # training images, without those that early stopping held out
    # Images seen, with repetitions: the budget, or less after early stopping.
    images_trained: int = 0

    @property
    def epochs(self) -> float:
        return self.images_trained / self.num_train if self.num_train else 0.0

    def facts(self) -> dict[str, Any]:
        """Facts about the training, in addition to its settings."""
        if self.fitted is None:
            return dict(self.backbone.card.get("training") or {})
        return {"loading": self.loading, **self.fitted.facts()}


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a backbone is trained: objective, schedule, augmentation, early stopping.

    `early_stopping` is the patience, in evaluations; 0 turns early stopping off. There are twenty
    evaluations over the budget, on a fifth of the training images, which are then not trained on.
    """

    schedule: Schedule
    objective: str = "supervised()"
    augmentation: Augmentation = "crop"
    early_stopping: int = 0

    @property
    def images_seen(self) -> int:
        return self.schedule.images_seen

    def key(self) -> list[Any]:
        """What the trained weights depend on; random weights depend on nothing of it."""
        objective = OBJECTIVES.make(self.objective)
        return [
            objective.revision,
            objective,
            self.schedule,
            self.augmentation,
            self.early_stopping,
        ]


def _initial_backbone(
    view: View, architecture: Architecture, weights: WeightsFile | None, seed: int
) -> Backbone:
    """The backbone at the start of its training, with a new head for the classes of the view."""
    size_px = architecture.size_px or view.store.size_px
    backbone = architecture.build(view.classes, size_px, seed)
    if weights:
        load_file(architecture, backbone, weights, keep_head=False)
    # It sees the images as the store holds them, however its published weights were trained.
    interpolation = interpolation_of(view.store.fit)
    backbone.preprocessing = replace(backbone.preprocessing, interpolation=interpolation)
    return backbone


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
    """Train a backbone on the training rows of a view, from random weights or from those that the
    architecture names.

    With a budget of 0 the weights stay as they are. The batch-norm statistics of random weights are
    then those of 1,024 training images, without labels: with the initial statistics (mean 0,
    variance 1), the accuracy of a probe can differ by two points.
    """
    seeds, weights = seeds or Seeds(), initial_weights(architecture)
    backbone = _initial_backbone(view, architecture, weights, seeds.init)
    backbone.module.to(device)
    if training.images_seen == 0:
        if not weights:
            _set_batch_norm_statistics(backbone, view)
        return _measure(backbone, view, None)
    rows, labels, early_stopping = _split_for_early_stopping(backbone, view, training)
    images = backbone.images(view.store, rows, labels)
    batches = Stream(
        images,
        training.schedule.batch_size,
        stream(seeds.init, "pretraining"),
        training.augmentation,
    )
    objective = OBJECTIVES.make(training.objective)
    result = fit(
        backbone.module,
        batches,
        objective.loss,
        training.schedule,
        on_progress=on_progress,
        checkpoint=checkpoint,
        early_stopping=early_stopping,
    )
    # Whole batches may contain a few more images than the budget.
    images_trained = min(training.images_seen, result.images_seen)
    return replace(
        _measure(backbone, view, result),
        loading=images.loading,
        num_train=len(rows),
        images_trained=images_trained,
    )


def identity(
    view: View, architecture: Architecture, training: Training, init_seed: int
) -> dict[str, Any]:
    """What the trained weights depend on, for keys: the content of the data, the network and the
    settings, but no names or paths."""
    weights = initial_weights(architecture)
    # These settings are replaced by the resolved weights and size below.
    settings: Any = architecture
    resolved = {f.name for f in fields(settings)} & {"weights", "size_px"}
    return {
        "step": "pretraining",
        "revision": [REVISION, architecture.revision],
        "view": view.fingerprint,
        "architecture": replace(settings, **dict.fromkeys(resolved)),
        "size_px": architecture.size_px or view.store.size_px,
        "weights": weights.fingerprint() if weights else None,
        # Random weights depend neither on the objective nor on the schedule.
        "training": training.key() if training.images_seen else None,
        # Early stopping holds out whole groups of near duplicates.
        "groups": content_hash(view.store.groups[view.rows].tobytes())
        if training.early_stopping
        else None,
        "seed": init_seed,
    }


def initial_weights(architecture: Architecture) -> WeightsFile | None:
    """The file with the initial weights, if the architecture names one; None means random
    weights."""
    if architecture.weights is None:
        return None
    stem = f" with stem={architecture.stem!r}" if architecture.stem != "imagenet" else ""
    network = f"{type(architecture).__name__}{stem}"
    return resolve(architecture.weights, architecture.published(), network)


def _split_for_early_stopping(
    backbone: Backbone, view: View, training: Training
) -> tuple[np.ndarray, np.ndarray, EarlyStopping | None]:
    """Rows and labels to train on, and early stopping on the rest."""
    if not training.early_stopping:
        return view.rows, view.labels, None
    aside = hold_out(view.labels, view.store.groups[view.rows], len(view.classes), "early stopping")
    if not aside.any():
        raise UsageError(
            "early_stopping needs at least one class with two images in every arm",
            "Leave it out, or keep more images.",
        )
    images = backbone.images(view.store, view.rows[aside])
    labels = torch.from_numpy(view.labels[aside].astype(np.int64))

    def score(_module: nn.Module) -> float:
        return 100.0 * (logits(backbone, images).argmax(1) == labels).double().mean().item()

    early_stopping = EarlyStopping(
        score=score,
        num_held_out=int(aside.sum()),
        every=max(1, training.schedule.num_steps // _NUM_EVALUATIONS),
        patience=training.early_stopping,
    )
    return view.rows[~aside], view.labels[~aside], early_stopping


def _measure(backbone: Backbone, view: View, result: FitResult | None) -> Pretrained:
    """Measure a backbone on the held-out images of its source; one without training gets card
    codes only."""
    rows, labels = view.held_out()
    if not len(rows):  # the test split of the source has none of these classes
        return Pretrained(
            backbone=backbone,
            metrics={},
            card_codes=np.zeros((0, backbone.layer().dim), np.float16),
            fitted=result,
        )
    ranks = Draw(seed=0, purpose="card").ranks(view.store.hashes[rows])
    sample = backbone.images(view.store, rows[np.argsort(ranks)[:_NUM_CARD_CODES]])
    card_codes = np.empty((len(sample), backbone.layer().dim), np.float16)
    try:
        fill_codes(backbone, sample, {backbone.penultimate: card_codes})
    except UsageError:  # float16 would overflow
        card_codes = codes(backbone, sample).numpy()
    if result is None:
        return Pretrained(backbone=backbone, metrics={}, card_codes=card_codes)
    ranked = rank(logits(backbone, backbone.images(view.store, rows)).numpy())
    return Pretrained(
        backbone=backbone,
        metrics=accuracies(labels, ranked, len(view.classes)),
        predictions={"ids": view.store.hashes[rows], "labels": labels, "ranked": ranked},
        card_codes=card_codes,
        fitted=result,
    )


@torch.no_grad()
def _set_batch_norm_statistics(backbone: Backbone, view: View) -> None:
    """Set the running statistics of batch norm to those of the 1,024 training images of lowest
    rank, without updating weights."""
    order = np.argsort(Draw(seed=0, purpose="norm").ranks(view.store.hashes[view.rows]))
    images = backbone.images(view.store, view.rows[np.sort(order[:_NUM_NORM_IMAGES])])
    norms = [
        m
        for m in backbone.module.modules()
        if isinstance(m, torch.nn.modules.batchnorm._BatchNorm) and m.track_running_stats
    ]
    momenta = [norm.momentum for norm in norms]
    # Batch norm in training mode, dropout in evaluation mode.
    backbone.module.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # plain mean over the batches
        norm.train()
    batch_size = _NUM_NORM_IMAGES if backbone.size_px <= 64 else batch_size_for(backbone.size_px)
    for batch in images.plain(batch_size) if norms else ():
        backbone.module(batch)
    backbone.module.eval()
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def view_facts(view: View) -> dict[str, Any]:
    """Facts about the training data of a backbone, for its card."""
    return {
        "source": view.store.name,
        "num_images": len(view.rows),
        "num_classes": len(view.classes),
        "entropy_bits": view.entropy_bits,
        "data_digest": view.store.digest,
        "view": view.fingerprint,
        "notes": list(view.notes),
    }
