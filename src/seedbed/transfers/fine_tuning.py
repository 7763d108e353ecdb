"""Fine-tuning: train a network with a new head on a task; choose the learning rate on held-out
images.

In: a function that builds the initial network, a task, settings. Out: a measurement with its model.
The learning rate is chosen from a grid on the validation split. With few labels it is chosen on up
to three folds, and the network is then trained again on all images. Networks with pre-trained and
with random weights are tuned by the same code.

Sources. Discriminative learning rates: Howard and Ruder 2018, section 3.2 (here one factor per
stage, counted from the head). L2-SP: Li, Grandvalet and Davoine 2018, equation 2. Number of steps
by the size of the data: the BiT-HyperRule (Kolesnikov et al. 2020, section 3.3), with our one-cycle
schedule and batch size instead of its step schedule and batches of 512.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from seedbed.base.errors import DivergedError, UsageError
from seedbed.base.randomness import stream
from seedbed.data.images import Batch
from seedbed.data.loader import Stream
from seedbed.models.backbone import Backbone
from seedbed.models.codes import logits
from seedbed.models.fit import Loss, fit
from seedbed.models.schedule import Schedule
from seedbed.models.stages import batch_norms, stages_of
from seedbed.models.training_progress import Progress
from seedbed.pretraining.objectives.supervised import Supervised
from seedbed.readout.calibration import fit_temperature
from seedbed.readout.model import Model
from seedbed.tasks.class_scores import ClassScoresTask, HeldOut
from seedbed.tasks.task import Measurement

BY_SIZE = "by_size"
# (number of images, steps for tasks with fewer images).
_STEPS = ((20_000, 500), (500_000, 10_000))
_MAX_STEPS = 20_000
# Folds that a learning rate is chosen on: each of them costs a training.
_MAX_FOLDS = 3


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """Settings of the training of a network on a task."""

    images_seen: int | Literal["by_size"] = 100_000
    learning_rates: tuple[float, ...] = (0.1, 0.3, 1.0)
    batch_size: int = 128
    weight_decay: float = 5e-4
    stages: int | Literal["all"] = "all"  # number of last stages to train, besides the head
    stage_decay: float = 1.0  # learning rate of a stage, relative to that of the next stage
    batch_norm: Literal["learns", "rests"] = "learns"
    l2_sp: float = 0.0
    # The learning rate is divided by ten after each of these shares of the images seen; without
    # drops it follows one cycle.
    drops: tuple[float, ...] = ()
    # Train again on all labelled images after the choice on a validation split.
    refit: bool = False

    def __post_init__(self) -> None:
        if (self.images_seen != BY_SIZE and int(self.images_seen) < 1) or self.batch_size < 2:
            raise ValueError(
                f"images_seen = {self.images_seen}, batch_size = {self.batch_size}: images_seen "
                "must be at least 1, batch_size at least 2"
            )
        if not self.learning_rates or min(self.learning_rates) <= 0:
            raise ValueError(f"learning_rates = {list(self.learning_rates)} must be positive")
        if self.stages != "all" and int(self.stages) < 0:
            raise ValueError(
                f"stages = {self.stages} must be the number of last stages to train, or 'all'"
            )
        if not 0 < self.stage_decay <= 1:
            raise ValueError(
                f"stage_decay = {self.stage_decay} must lie in (0, 1]: it is a factor of the "
                "learning rate"
            )
        if any(not 0 < drop < 1 for drop in self.drops):
            raise ValueError(
                f"drops = {list(self.drops)} must lie in (0, 1): they are shares of the images seen"
            )
        if self.l2_sp < 0 or self.weight_decay < 0:
            raise ValueError(
                f"l2_sp = {self.l2_sp}, weight_decay = {self.weight_decay} must not be negative"
            )

    def num_images(self, num_known: int) -> int:
        """Images seen by one training on a task with `num_known` labelled images."""
        if self.images_seen != BY_SIZE:
            return int(self.images_seen)
        steps = next((steps for below, steps in _STEPS if num_known < below), _MAX_STEPS)
        return steps * self.batch_size

    def schedule(self, images_seen: int, learning_rate: float) -> Schedule:
        return Schedule(
            images_seen=images_seen,
            batch_size=self.batch_size,
            peak_learning_rate=learning_rate,
            # With L2-SP, the loss includes the weight decay of the head.
            weight_decay=0.0 if self.l2_sp else self.weight_decay,
            **({"decay": "steps", "drops": self.drops, "warmup_share": 0.0} if self.drops else {}),
        )


@dataclass(kw_only=True)
class TuningResult:
    """Result of the tuning."""

    learning_rate: float
    metric: str
    # Learning rate -> validation metric in percent; None if the training diverged.
    tried: dict[str, float | None]
    held_out: HeldOut
    model: Model
    num_train: int
    images_seen: int

    def facts(self, tuning: Tuning) -> dict[str, Any]:
        """Facts for a measurement."""
        rates = tuning.learning_rates
        return {
            "learning_rate": self.learning_rate,
            # A wider grid might be better.
            "learning_rate_at_edge": len(rates) > 1
            and self.learning_rate in (min(rates), max(rates)),
            f"validation_{self.metric}": self.tried,
            "num_train": self.num_train,
            "images_seen": self.images_seen,
        }


@dataclass
class Trainer:
    """Trains networks on rows of a task; `make` builds the initial network of each training."""

    make: Callable[[], Backbone]
    task: ClassScoresTask
    tuning: Tuning
    seed: int
    device: str
    on_progress: Callable[[Progress], None] | None = None
    images_seen: int = field(init=False)

    def __post_init__(self) -> None:
        self.images_seen = self.tuning.num_images(len(self.task.known))

    @staticmethod
    def check_stages(network: Backbone, num: int) -> None:
        """Raise UsageError if the network has fewer stages than are to be trained."""
        num_stages = len(stages_of(network))
        if num > num_stages:
            raise UsageError(
                f"stages = {num}, but {network.architecture} has {num_stages} besides its head",
                "Give a smaller number, or stages='all'.",
            )

    def train(self, rows: np.ndarray, rate: float) -> Backbone:
        """Train a network with a head for the task's classes on these rows."""
        network = self.make()
        network.module.to(self.device)
        images = network.images(self.task.store, rows, self.task.labels(rows))
        batches = Stream(images, self.tuning.batch_size, stream(self.seed, "finetune"))
        self.fit(
            network,
            batches,
            _multilabel_loss if self.task.several_labels else Supervised().loss,
            rate,
        )
        return network

    def fit(
        self,
        network: Backbone,
        batches: Any,
        loss: Loss,
        rate: float,
        module: nn.Module | None = None,
    ) -> None:
        """Train the stages that the settings select; `module` contains the network as `network` and
        other parts to train."""
        prefix = "network." if module is not None else ""
        scales, eval_modules = _select_parameters(network, self.tuning, prefix)
        if self.tuning.l2_sp:
            loss = _with_l2_sp(network, loss, self.tuning)
        schedule = self.tuning.schedule(self.images_seen, rate)
        whole = network.module if module is None else module
        fit(
            whole,
            batches,
            loss,
            schedule,
            on_progress=self.on_progress,
            scales=scales,
            eval_modules=eval_modules,
        )
        for parameter in network.module.parameters():
            parameter.requires_grad_(True)


def tune(
    trainer: Trainer, train: Callable[[np.ndarray, float], Backbone] | None = None
) -> TuningResult:
    """Choose the learning rate and train; `train(rows, rate)` replaces `trainer.train`.

    Raises DivergedError if the training diverges at all learning rates of the grid.
    """
    task, tuning = trainer.task, trainer.tuning
    run, known = train or trainer.train, task.known
    folds = task.folds()[:_MAX_FOLDS]
    best: tuple[float, float, HeldOut, Backbone] | None = None
    tried: dict[str, float | None] = {}
    for rate in sorted(tuning.learning_rates):
        try:
            held_out, network = _train_folds(run, task, known, folds, rate)
        except DivergedError:
            tried[f"{rate:g}"] = None
            continue
        metric = task.value(held_out.scores, held_out.labels)
        tried[f"{rate:g}"] = metric
        if best is None or metric > best[0]:
            best = (metric, rate, held_out, network)
    if best is None:
        raise DivergedError(
            f"the training diverged at all learning rates of {list(tuning.learning_rates)}",
            "Give smaller ones: learning_rates=[0.003].",
        )
    _, rate, held_out, network = best
    num_train = len(task.train)
    # With few labels, the final network is trained on all of them.
    if len(task.folds()) > 1 or tuning.refit:
        network, num_train = run(known, rate), len(known)
    temperature = fit_temperature(held_out.scores, held_out.labels)
    model = Model(
        backbone=network,
        classes=task.classes,
        temperature=temperature,
        num_calibrated=len(held_out.labels),
    )
    model.several = task.several_labels
    return TuningResult(
        learning_rate=rate,
        metric=task.selection_metric,
        tried=tried,
        held_out=held_out,
        model=model,
        num_train=num_train,
        images_seen=trainer.images_seen,
    )


def _multilabel_loss(model: nn.Module, batch: Batch) -> tuple[torch.Tensor, None]:
    """Binary cross-entropy summed over the classes that are not ignored for an image; marks [b,
    K]."""
    images, marks = batch
    used = (marks != 0).float()
    total = functional.binary_cross_entropy_with_logits(
        model(images), (marks > 0).float(), used, reduction="sum"
    )
    return total / len(images), None


def measure_tuned(tuned: TuningResult, task: ClassScoresTask, facts: dict[str, Any]) -> Measurement:
    """Measure a tuned model on the test images."""
    scores = tuned.model.scores(tuned.model.backbone.images(task.store, task.test))
    return task.score(scores.numpy(), facts, tuned.model)


def _train_folds(
    run: Callable[[np.ndarray, float], Backbone],
    task: ClassScoresTask,
    known: np.ndarray,
    folds: list[Any],
    rate: float,
) -> tuple[HeldOut, Backbone]:
    """Train on each fold: scores of all held-out images, and the network of the last fold."""
    scores, labels, network = [], [], None
    for train, held_out in folds:
        network = run(known[train], rate)
        rows = known[held_out]
        scores.append(logits(network, network.images(task.store, rows)))
        labels.append(torch.from_numpy(task.labels(rows)))
    assert network is not None
    return HeldOut(scores=torch.cat(scores), labels=torch.cat(labels)), network


def _select_parameters(
    network: Backbone, tuning: Tuning, prefix: str
) -> tuple[dict[str, float], list[nn.Module]]:
    """Freeze the stages that are not trained.

    Returns factors of the learning rate by parameter name (with `prefix`), and the modules that
    stay in evaluation mode.
    """
    if tuning.stages == "all" and tuning.stage_decay == 1.0 and tuning.batch_norm == "learns":
        return {}, []
    stages, module = stages_of(network), network.module
    num = len(stages) if tuning.stages == "all" else int(tuning.stages)
    frozen_stages = stages[: len(stages) - num]
    frozen = {name for stage in frozen_stages for name in stage.parameters}
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(name not in frozen)
    depth = {name: len(stages) - i for i, stage in enumerate(stages) for name in stage.parameters}
    scales = {
        f"{prefix}{name}": tuning.stage_decay**d for name, d in depth.items() if name not in frozen
    }
    eval_modules = [module.get_submodule(path) for stage in frozen_stages for path in stage.modules]
    if tuning.batch_norm == "rests":
        eval_modules += batch_norms(module)
    return scales, eval_modules


def _with_l2_sp(network: Backbone, loss: Loss, tuning: Tuning) -> Loss:
    """The loss plus L2-SP: l2_sp / 2 times the squared distance of the body from its initial
    weights, and weight decay of the head."""
    heads = tuple(f"{head}." for head in network.heads)
    named = [(n, p) for n, p in network.module.named_parameters() if p.requires_grad]
    body = [(p, p.detach().clone()) for n, p in named if not n.startswith(heads)]
    head = [p for n, p in named if n.startswith(heads)]

    def penalised(model: nn.Module, batch: Batch) -> tuple[torch.Tensor, torch.Tensor | None]:
        value, right = loss(model, batch)
        distance = sum(((p - start).square().sum() for p, start in body), value.new_zeros(()))
        norm = sum((p.square().sum() for p in head), value.new_zeros(()))
        return value + 0.5 * (tuning.l2_sp * distance + tuning.weight_decay * norm), right

    return penalised
