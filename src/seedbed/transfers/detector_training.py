"""Train a detector on a task; choose its learning rate on held-out images.

In: a backbone, a detection task, settings. Out: a trained detector, and its detections in rows of
the task. Networks with pre-trained and with random weights are tuned by the same code.

Domain adaptation without labels. Adaptive batch norm (Li et al. 2017) replaces the running
statistics by those of the new domain. Feature alignment (Chen et al. 2018, image level) trains a
domain classifier at each position of the feature maps, with gradient reversal. During that training
the running statistics are those of the labelled domain; at the end, they are replaced by those of
the new domain (Chang et al. 2019).
"""

from __future__ import annotations

import copy
import time
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

# Channels of the hidden layer of the domain classifier.
_HIDDEN = 64
_REPORT_EVERY = 5  # steps
_TIMED_STEPS = 4
_EVAL_BATCH_SIZE = 4


@dataclass(frozen=True, kw_only=True)
class DetectorTraining:
    """Settings of the training of a detector."""

    iterations: int
    batch_size: int
    learning_rates: tuple[float, ...]
    # The learning rate is divided by ten after each of these shares of the iterations; without
    # drops it follows one cycle.
    drops: tuple[float, ...]
    weight_decay: float
    max_gradient_norm: float | None
    frozen_stages: int
    batch_norm: str  # "learns" or "rests"
    flip: bool
    align: float  # weight of the domain classifier; 0 turns feature alignment off

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
    """Trains detectors on a task, each with a copy of the backbone."""

    backbone: Backbone
    task: DetectionTask
    settings: DetectorSettings
    training: DetectorTraining
    seed: int
    device: str
    on_progress: Callable[[Progress], None] | None = None
    unfinished: Callable[[str], Path | None] | None = None
    # Learning rate -> steps at which its training was resumed.
    resumed_at: dict[str, list[int]] = field(default_factory=dict)
    num_done: int = 0  # finished trainings of the grid
    _scenes: dict[bytes, WholeImages] = field(default_factory=dict)

    def scenes(self, rows: np.ndarray) -> WholeImages:
        """The images of rows, decoded once for all trainings."""
        return self._scenes.setdefault(
            rows.tobytes(), WholeImages(self.task.store, rows, self.settings.size)
        )

    def train(self, rows: np.ndarray, rate: float) -> DetectorModel:
        """Train a detector on these rows."""
        backbone = copy.deepcopy(self.backbone)
        task, training = self.task, self.training
        detector = Detector(backbone, self.settings, task.num_classes, self.seed).to(self.device)
        eval_modules = _freeze(backbone, detector, training)
        seed = stream(self.seed, "detect")
        batches: Any = DetectionStream(
            self.scenes(rows), task.boxes(rows), training.batch_size, seed, training.flip
        )
        module: nn.Module = detector
        loss: Any = _detector_loss
        if training.align:
            assert task.unlabelled is not None
            unlabelled = self.scenes(task.unlabelled)
            other = DetectionStream(
                unlabelled,
                _no_boxes(len(unlabelled)),
                training.batch_size,
                stream(seed, "unlabelled"),
            )
            batches = _TwoDomainBatches(labelled=batches, unlabelled=other)
            module = _AlignedDetector(detector, self.seed).to(self.device)
            loss = _aligned_loss(batches, training)
        path = self.unfinished(f"{rate:g}") if self.unfinished is not None else None
        checkpoint = Checkpoint(path=path, keeps_last=True) if path is not None else None
        result = fit(
            module,
            batches,
            loss,
            training.schedule(rate),
            on_progress=self._report,
            report_every=_REPORT_EVERY,
            checkpoint=checkpoint,
            eval_modules=eval_modules,
            eager_float32=True,
        )
        # A training that was resumed at its end had been finished before.
        if result.resumed_at and result.resumed_at[-1] < training.iterations:
            self.resumed_at[f"{rate:g}"] = list(result.resumed_at)
        return DetectorModel(
            backbone=backbone, detector=detector, settings=self.settings, classes=task.classes
        )

    def measure_speed(self) -> float:
        """Training images per second, over a few steps of a detector that is thrown away."""
        rate = min(self.training.learning_rates)
        rows = np.sort(self.task.train)
        speed = 0.0
        # The first step decodes images and is slower.
        for num_steps in (1, _TIMED_STEPS):
            training = replace(self.training, iterations=num_steps, drops=())
            trial = replace(self, training=training, on_progress=None, unfinished=None)
            started = time.perf_counter()
            trial.train(rows, rate)
            num_images = num_steps * self.training.batch_size * (2 if training.align else 1)
            speed = num_images / max(1e-4, time.perf_counter() - started)
        return speed

    def _report(self, progress: Progress) -> None:
        """Report the progress over all trainings of the grid."""
        if self.on_progress is not None:
            rates, total = len(self.training.learning_rates), progress.images_total
            done = self.num_done * total + progress.images_done
            self.on_progress(replace(progress, images_done=done, images_total=rates * total))

    def detect_objects(self, model: DetectorModel, rows: np.ndarray) -> Detections:
        """Detections in rows of the task, in px of the original images."""
        return detect_objects(model, self.scenes(rows))

    def tune(self) -> tuple[DetectorModel, dict[str, Any]]:
        """Choose the learning rate on the validation images: the trained detector, and facts.

        With a single learning rate, the detector is trained on the validation images too. Raises
        DivergedError if the training diverges at all learning rates of the grid.
        """
        task, rates = self.task, sorted(self.training.learning_rates)
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
                f"the training diverged at all learning rates of {rates}",
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
    """Detections of a detector in images, in px of the original images."""
    model.detector.eval()
    parts: list[tuple[np.ndarray, ...]] = []
    with torch.inference_mode():
        for which, images in scenes.plain(_EVAL_BATCH_SIZE):
            for position, image, output in zip(which, images, model.detector(images), strict=True):
                width, height = scenes.sizes[position]
                scale = np.array([width / image.shape[2], height / image.shape[1]] * 2)
                boxes = output["boxes"].double().cpu().numpy() * scale
                labels = output["labels"].cpu().numpy() - 1
                parts.append(
                    (
                        np.full(len(labels), position, np.int64),
                        labels,
                        output["scores"].double().cpu().numpy(),
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
    """Adaptive batch norm: replace the running statistics by those of these images; returns the
    number of adapted modules."""
    model.detector.eval()
    norms: list[Any] = _used_batch_norms(model, scenes)
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # plain mean over the batches
        norm.train()
    with torch.no_grad():
        for _, images in scenes.plain(_EVAL_BATCH_SIZE):
            model.detector.features(model.detector.preprocess(images).tensors)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()
    return len(norms)


def _used_batch_norms(model: DetectorModel, scenes: WholeImages) -> list[nn.Module]:
    """The batch-norm modules that a forward pass uses; those after the last feature map are not."""
    used: list[nn.Module] = []
    handles = [
        norm.register_forward_hook(lambda m, _i, _o: used.append(m))
        for norm in batch_norms(model.detector.maps)
    ]
    try:
        with torch.no_grad():
            model.detector.features(model.detector.preprocess(scenes.images([0])).tensors)
    finally:
        for handle in handles:
            handle.remove()
    return list(dict.fromkeys(used))


def _freeze(backbone: Backbone, detector: Detector, training: DetectorTraining) -> list[nn.Module]:
    """Freeze the first stages; returns the modules that stay in evaluation mode."""
    network = detector.maps.network
    stages = stages_of(backbone)
    if training.frozen_stages > len(stages):
        raise UsageError(
            f"frozen_stages = {training.frozen_stages}, but {backbone.architecture} has "
            f"{len(stages)} besides its head",
            "Give a smaller number.",
        )
    frozen = stages[: training.frozen_stages]
    names = {name for stage in frozen for name in stage.parameters}
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name not in names)
    eval_modules = [network.get_submodule(path) for stage in frozen for path in stage.modules]
    if training.batch_norm == "rests":
        norms = batch_norms(network)
        eval_modules += norms
    return eval_modules


def _detector_loss(detector: nn.Module, batch: DetectionBatch) -> tuple[torch.Tensor, None]:
    losses = detector(*batch)
    return torch.stack(list(losses.values())).sum(), None


def _no_boxes(num: int) -> list[Any]:
    """Empty boxes for unlabelled images."""
    empty = (np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0, bool))
    return [empty] * num


class _TwoDomainBatches(InterleavedBatches):
    """Batches of both domains; the boxes of unlabelled images are None."""

    def interleave(
        self, labelled: DetectionBatch, unlabelled: DetectionBatch
    ) -> tuple[list[torch.Tensor], list[Any]]:
        images = [i for pair in zip(labelled[0], unlabelled[0], strict=True) for i in pair]
        return images, [entry for boxes in labelled[1] for entry in (boxes, None)]


class _AlignedDetector(nn.Module):
    """A detector and a domain classifier, trained together."""

    def __init__(self, detector: Detector, seed: int) -> None:
        super().__init__()
        self.detector = detector
        width = detector.width
        self.critic = initialise_critic(
            nn.Sequential(nn.Conv2d(width, _HIDDEN, 1), nn.ReLU(), nn.Conv2d(_HIDDEN, 1, 1)), seed
        )

    def domain_loss(
        self, images: Sequence[torch.Tensor], domain: float, weight: float
    ) -> torch.Tensor:
        """Loss of the domain classifier on images of one domain."""
        features = self.detector.features(self.detector.preprocess(images).tensors)
        scores = [
            self.critic(GradientReversal.apply(m, weight)).flatten() for m in features.values()
        ]  # pyright: ignore[reportArgumentType]
        flat = torch.cat(scores)
        return functional.binary_cross_entropy_with_logits(flat, torch.full_like(flat, domain))


@contextmanager
def _frozen_statistics(norms: Sequence[Any]) -> Iterator[None]:
    """Keep the running statistics of batch norm unchanged inside the block; batches are normalised
    by their own statistics."""
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


def _aligned_loss(
    batches: _TwoDomainBatches, training: DetectorTraining
) -> Callable[[Any, tuple[list[torch.Tensor], list[Any]]], tuple[torch.Tensor, None]]:
    def loss(model: Any, batch: tuple[list[torch.Tensor], list[Any]]) -> tuple[torch.Tensor, None]:
        labelled = [
            (image, boxes) for image, boxes in zip(*batch, strict=True) if boxes is not None
        ]
        unlabelled = [image for image, boxes in zip(*batch, strict=True) if boxes is None]
        value = torch.zeros((), device=next(model.parameters()).device)
        weight = training.align * reversal_weight(batches.step / training.iterations)
        if labelled:
            images, boxes = [image for image, _ in labelled], [boxes for _, boxes in labelled]
            value = value + _detector_loss(model.detector, (images, boxes))[0]
            value = value + model.domain_loss(images, 0.0, weight)
        if unlabelled:
            with _frozen_statistics(batch_norms(model.detector.maps)):
                value = value + model.domain_loss(unlabelled, 1.0, weight)
        return value, None

    return loss
