"""Training a detector on a task, its learning rate chosen on held-out images.

In: a backbone, a task of detection, settings. Out: a trained detector, and what it finds in rows of
the task. Every way of beginning, from pre-trained weights or random ones, goes through here, so
that they are tuned alike. Knows nothing of which it is.

Label-free remedies for a shift of domain: adaptive batch norm (Li et al. 2017): statistics of the
new domain in place of those of training; aligned features (Chen et al. 2018, image level): a critic
tells the domains apart at every position of the maps, its gradient reversed; running statistics
stay those of the labelled domain meanwhile, and the new domain gets its own at the end (Chang et
al. 2019).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from seedbed.base.errors import DivergedError, UsageError
from seedbed.base.randomness import stream
from seedbed.data.detection_batches import DetectionBatch, DetectionStream, WholeImages
from seedbed.models.backbone import Backbone
from seedbed.models.fit import fit
from seedbed.models.schedule import Schedule
from seedbed.models.stages import batch_norms, stages_of
from seedbed.models.training_progress import Progress
from seedbed.models.training_state import Checkpoint
from seedbed.readout.detector import Detector, DetectorModel, DetectorSettings
from seedbed.tasks.detection import Detections, DetectionTask
from seedbed.transfers.gradient_reversal import (
    GradientReversal,
    InterleavedBatches,
    initialise_critic,
    reversal_weight,
)

_PREFIX = "maps.network."  # of the backbone's parameters in a detector
_HIDDEN = 64
_REPORTED_EVERY = 5  # steps
_AT_ONCE = 4  # images in a forward pass that trains nothing


@dataclass(frozen=True, kw_only=True)
class DetectorTraining:
    """How a detector is trained."""

    iterations: int
    batch_size: int
    learning_rates: tuple[float, ...]
    # shares of the iterations after which the rate is a tenth; none: one cycle down to 0
    drops: tuple[float, ...]
    weight_decay: float
    max_gradient_norm: float | None
    frozen_stages: int
    batch_norm: str  # "learns" or "rests"
    flip: bool
    align: float  # weight of the critic of domains; 0: none

    def schedule(self, rate: float) -> Schedule:
        return Schedule(
            images_seen=self.iterations * self.batch_size,
            batch_size=self.batch_size,
            peak_learning_rate=rate,
            weight_decay=self.weight_decay,
            warmup_share=min(0.1, 500 / self.iterations),
            decay="steps" if self.drops else "linear",
            drops=self.drops,
            max_gradient_norm=self.max_gradient_norm,
        )


@dataclass(kw_only=True)
class DetectorTrainer:
    """Trains detectors on a task, each on a copy of the backbone."""

    backbone: Backbone
    task: DetectionTask
    anatomy: DetectorSettings
    settings: DetectorTraining
    seed: int
    device: str
    on_progress: Callable[[Progress], None] | None = None
    unfinished: Callable[[str], Path | None] | None = None
    # learning rate -> steps at which its training went on
    resumed_at: dict[str, list[int]] = field(default_factory=dict)
    num_done: int = 0  # trainings of the grid
    _scenes: dict[bytes, WholeImages] = field(default_factory=dict)

    def scenes(self, rows: np.ndarray) -> WholeImages:
        """The images of some rows; decoded once for all trainings."""
        return self._scenes.setdefault(
            rows.tobytes(), WholeImages(self.task.store, rows, self.anatomy.size)
        )

    def train(self, rows: np.ndarray, rate: float) -> DetectorModel:
        """A detector after its training on these rows."""
        backbone = copy.deepcopy(self.backbone)
        task, settings = self.task, self.settings
        detector = Detector(backbone, self.anatomy, task.num_classes, self.seed).to(self.device)
        eval_modules = _freeze(backbone, detector, settings)
        seed = stream(self.seed, "detect")
        batches: Any = DetectionStream(
            self.scenes(rows), task.boxes(rows), settings.batch_size, seed, settings.flip
        )
        module: nn.Module = detector
        loss: Any = _loss
        if settings.align:
            assert task.unlabelled is not None
            unlabelled = self.scenes(task.unlabelled)
            other = DetectionStream(
                unlabelled,
                _nothing(len(unlabelled)),
                settings.batch_size,
                stream(seed, "unlabelled"),
            )
            batches = _Both(labelled=batches, unlabelled=other)
            module = _Aligned(detector, self.seed).to(self.device)
            loss = _aligned_loss(batches, settings)
        place = self.unfinished(f"{rate:g}") if self.unfinished is not None else None
        checkpoint = Checkpoint(path=place, keeps_last=True) if place is not None else None
        fitted = fit(
            module,
            batches,
            loss,
            settings.schedule(rate),
            on_progress=self._told,
            report_every=_REPORTED_EVERY,
            checkpoint=checkpoint,
            eval_modules=eval_modules,
            eager_float32=True,
        )
        # else it had been finished
        if fitted.resumed_at and fitted.resumed_at[-1] < settings.iterations:
            self.resumed_at[f"{rate:g}"] = list(fitted.resumed_at)
        return DetectorModel(
            backbone=backbone, detector=detector, anatomy=self.anatomy, classes=task.classes
        )

    def _told(self, progress: Progress) -> None:
        """One training after another, as one."""
        if self.on_progress is not None:
            rates, total = len(self.settings.learning_rates), progress.images_total
            done = self.num_done * total + progress.images_done
            self.on_progress(replace(progress, images_done=done, images_total=rates * total))

    def detect_objects(self, model: DetectorModel, rows: np.ndarray) -> Detections:
        """What a detector finds in rows of the task, in px of the images as found."""
        return detect_objects(model, self.scenes(rows))

    def tune(self) -> tuple[DetectorModel, dict[str, Any]]:
        """The detector at the rate that the validation images choose, and what was tried; one rate
        alone learns from them too.

        Raises DivergedError where no rate of the grid trains.
        """
        task, rates = self.task, sorted(self.settings.learning_rates)
        if len(rates) == 1:
            rows = np.sort(task.known)
            return self.train(rows, rates[0]), {"learning_rate": rates[0], "num_train": len(rows)}
        best: tuple[float, float, DetectorModel] | None = None
        tried: dict[str, float | None] = {}
        validation = np.sort(task.validation)
        for self.num_done, rate in enumerate(rates):
            try:
                model = self.train(np.sort(task.train), rate)
                value = task.value(validation, self.detect_objects(model, validation))
            except DivergedError:
                tried[f"{rate:g}"] = None
                continue
            tried[f"{rate:g}"] = value
            if best is None or value > best[0]:
                best = (value, rate, model)
        if best is None:
            raise DivergedError(
                f"training diverged at every learning rate of {rates}",
                "Give smaller ones: learning_rates=[0.001].",
            )
        _, rate, model = best
        facts = {
            "learning_rate": rate,
            "learning_rate_at_edge": rate in (rates[0], rates[-1]),
            f"validation_{task.primary}": tried,
            "num_train": len(task.train),
        }
        return model, facts


def detect_objects(model: DetectorModel, scenes: WholeImages) -> Detections:
    """What a detector finds in images, in px of these as found."""
    model.detector.eval()
    parts: list[tuple[np.ndarray, ...]] = []
    with torch.inference_mode():
        for which, images in scenes.plain(_AT_ONCE):
            for position, image, found in zip(which, images, model.detector(images), strict=True):
                width, height = scenes.sizes[position]
                scale = np.array([width / image.shape[2], height / image.shape[1]] * 2)
                boxes = found["boxes"].double().cpu().numpy() * scale
                labels = found["labels"].cpu().numpy() - 1
                parts.append(
                    (
                        np.full(len(labels), position, np.int64),
                        labels,
                        found["scores"].double().cpu().numpy(),
                        boxes,
                    )
                )
    images, labels, scores, corners = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    return Detections(
        images=images, labels=labels.astype(np.int32), scores=scores, corners=corners.reshape(-1, 4)
    )


def adapt_batch_norms(model: DetectorModel, scenes: WholeImages) -> int:
    """Adaptive batch norm: running statistics of these images in place of those of training; how
    many modules were adapted."""
    model.detector.eval()
    norms: list[Any] = _that_run(model, scenes)
    kept = [(norm, norm.momentum) for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over batches
        norm.train()
    with torch.no_grad():
        for _, images in scenes.plain(_AT_ONCE):
            model.detector.features(model.detector.shown(images).tensors)
    for norm, momentum in kept:
        norm.momentum = momentum
        norm.eval()
    return len(norms)


def _that_run(model: DetectorModel, scenes: WholeImages) -> list[nn.Module]:
    """The batch-norm modules that a forward pass reaches: those behind the last map never run."""
    reached: list[nn.Module] = []
    handles = [
        norm.register_forward_hook(lambda m, _i, _o: reached.append(m))
        for norm in batch_norms(model.detector.maps)
    ]
    try:
        with torch.no_grad():
            model.detector.features(model.detector.shown(scenes.images([0])).tensors)
    finally:
        for handle in handles:
            handle.remove()
    return list(dict.fromkeys(reached))


def _freeze(backbone: Backbone, detector: Detector, settings: DetectorTraining) -> list[nn.Module]:
    """Freeze the first stages; the modules that stay in evaluation mode."""
    network = detector.maps.network
    stages = stages_of(backbone)
    if settings.frozen_stages > len(stages):
        raise UsageError(
            f"frozen_stages = {settings.frozen_stages}, and {backbone.architecture} has {len(stages)} besides its head",
            "Give fewer.",
        )
    frozen = stages[: settings.frozen_stages]
    names = {name for stage in frozen for name in stage.parameters}
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name not in names)
    eval_modules = [network.get_submodule(path) for stage in frozen for path in stage.modules]
    if settings.batch_norm == "rests":
        norms = batch_norms(network)
        eval_modules += norms
    return eval_modules


def _loss(detector: nn.Module, batch: DetectionBatch) -> tuple[torch.Tensor, None]:
    losses = detector(*batch)
    return torch.stack(list(losses.values())).sum(), None


def _nothing(num: int) -> list[Any]:
    """No boxes, of images whose boxes are not looked at."""
    none = (np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0, bool))
    return [none] * num


class _Both(InterleavedBatches):
    """Of both domains; the unlabelled have no entry of boxes."""

    def mixed(
        self, labelled: DetectionBatch, unlabelled: DetectionBatch
    ) -> tuple[list[torch.Tensor], list[Any]]:
        images = [i for pair in zip(labelled[0], unlabelled[0], strict=True) for i in pair]
        return images, [entry for boxes in labelled[1] for entry in (boxes, None)]


class _Aligned(nn.Module):
    """A detector and the critic that tells its domains apart, trained together."""

    def __init__(self, detector: Detector, seed: int) -> None:
        super().__init__()
        self.detector = detector
        width = detector.width
        self.critic = initialise_critic(
            nn.Sequential(nn.Conv2d(width, _HIDDEN, 1), nn.ReLU(), nn.Conv2d(_HIDDEN, 1, 1)), seed
        )

    def of_domain(
        self, images: Sequence[torch.Tensor], domain: float, weight: float
    ) -> torch.Tensor:
        """The critic's loss on the maps of images of one domain."""
        features = self.detector.features(self.detector.shown(images).tensors)
        scores = [
            self.critic(GradientReversal.apply(m, weight)).flatten() for m in features.values()
        ]  # pyright: ignore[reportArgumentType]
        flat = torch.cat(scores)
        return functional.binary_cross_entropy_with_logits(flat, torch.full_like(flat, domain))


@contextmanager
def _statistics_kept(norms: Sequence[Any]) -> Iterator[None]:
    """Batch norm goes by its batch, and its running statistics stay as they are."""
    kept = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, kept, strict=True):
            norm.momentum = momentum


def _aligned_loss(
    batches: _Both, settings: DetectorTraining
) -> Callable[[Any, tuple[list[torch.Tensor], list[Any]]], tuple[torch.Tensor, None]]:
    def loss(model: Any, batch: tuple[list[torch.Tensor], list[Any]]) -> tuple[torch.Tensor, None]:
        own = [(image, boxes) for image, boxes in zip(*batch, strict=True) if boxes is not None]
        others = [image for image, boxes in zip(*batch, strict=True) if boxes is None]
        value = torch.zeros((), device=next(model.parameters()).device)
        weight = settings.align * reversal_weight(batches.step / settings.iterations)
        if own:
            images = [image for image, _ in own]
            value = value + _loss(model.detector, (images, [boxes for _, boxes in own]))[0]
            value = value + model.of_domain(images, 0.0, weight)
        if others:
            with _statistics_kept(batch_norms(model.detector.maps)):
                value = value + model.of_domain(others, 1.0, weight)
        return value, None

    return loss
