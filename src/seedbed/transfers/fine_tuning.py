"""Tuning: a network and a new head trained on a task, its learning rate chosen on held-out images.

In: what makes the network to begin with, a task, settings. Out: a measurement with its model. The
learning rate of a grid is chosen on the validation split, or on up to three folds where few labels
are known; then the network is trained again on all of them. Both ways of beginning, from
pre-trained weights and from random ones, go through here, so that they are tuned alike. Knows
nothing of which it is.

Sources. Discriminative learning rates: Howard and Ruder 2018, section 3.2 (here a factor a stage,
counted from the head). L2-SP: Li, Grandvalet and Davoine 2018, equation 2. Number of steps by the
size of the data: the BiT-HyperRule of Kolesnikov et al. 2020, section 3.3, whose step counts are
    kept; our one-cycle schedule and batch size stand in for its staircase and its batches of 512.
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
_STEPS = ((20_000, 500), (500_000, 10_000))  # of tasks with fewer images than this
_MOST_STEPS = 20_000
_MOST_FOLDS = 3  # that a learning rate is chosen on: each costs a training


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """How a network is trained on a task."""

    images_seen: int | Literal["by_size"] = 100_000
    learning_rates: tuple[float, ...] = (0.1, 0.3, 1.0)
    batch_size: int = 128
    weight_decay: float = 5e-4
    stages: int | Literal["all"] = "all"  # how many of the last ones, besides the head
    stage_decay: float = 1.0  # factor of the learning rate from each stage to the one before it
    batch_norm: Literal["learns", "rests"] = "learns"
    l2_sp: float = 0.0
    # shares of the images seen after each of which the rate is a tenth; none: one cycle down to 0
    drops: tuple[float, ...] = ()
    refit: bool = False  # train once more on all known images, where one validation split chose

    def __post_init__(self) -> None:
        if (self.images_seen != BY_SIZE and int(self.images_seen) < 1) or self.batch_size < 2:
            raise ValueError(
                f"images_seen = {self.images_seen}, batch_size = {self.batch_size}: give at least 1 and 2"
            )
        if not self.learning_rates or min(self.learning_rates) <= 0:
            raise ValueError(
                f"learning_rates = {list(self.learning_rates)} must be positive values"
            )
        if self.stages != "all" and int(self.stages) < 0:
            raise ValueError(
                f"stages = {self.stages}: how many of the last ones are trained, or 'all'"
            )
        if not 0 < self.stage_decay <= 1:
            raise ValueError(
                f"stage_decay = {self.stage_decay} is a factor of the learning rate, in (0, 1]"
            )
        if any(not 0 < drop < 1 for drop in self.drops):
            raise ValueError(f"drops = {list(self.drops)} are shares of the images seen, in (0, 1)")
        if self.l2_sp < 0 or self.weight_decay < 0:
            raise ValueError(
                f"l2_sp = {self.l2_sp}, weight_decay = {self.weight_decay}: neither may be negative"
            )

    def num_images(self, num_known: int) -> int:
        """Images seen by one training on a task with so many labelled images."""
        if self.images_seen != BY_SIZE:
            return int(self.images_seen)
        steps = next((steps for below, steps in _STEPS if num_known < below), _MOST_STEPS)
        return steps * self.batch_size

    def schedule(self, images_seen: int, learning_rate: float) -> Schedule:
        return Schedule(
            images_seen=images_seen,
            batch_size=self.batch_size,
            peak_learning_rate=learning_rate,
            # of the head it is then part of the loss
            weight_decay=0.0 if self.l2_sp else self.weight_decay,
            **({"decay": "steps", "drops": self.drops, "warmup_share": 0.0} if self.drops else {}),
        )


@dataclass(kw_only=True)
class TuningResult:
    """What tuning found."""

    learning_rate: float
    metric: str
    tried: dict[str, float | None]  # validation score by learning rate; None: the training diverged
    held_out: HeldOut
    model: Model
    num_train: int
    images_seen: int

    def facts(self, tuning: Tuning) -> dict[str, Any]:
        """What a measurement says of it."""
        rates = tuning.learning_rates
        return {
            "learning_rate": self.learning_rate,
            # A wider grid might do better.
            "learning_rate_at_edge": len(rates) > 1
            and self.learning_rate in (min(rates), max(rates)),
            f"validation_{self.metric}": self.tried,
            "num_train": self.num_train,
            "images_seen": self.images_seen,
        }


@dataclass
class Trainer:
    """Trains a network that `make` makes anew each time, on rows of a task."""

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
        """Raise UsageError where the network has fewer stages than are to be trained."""
        found = len(stages_of(network))
        if num > found:
            raise UsageError(
                f"stages = {num}, and {network.architecture} has {found} besides its head",
                "Give fewer, or stages='all'.",
            )

    def train(self, rows: np.ndarray, rate: float) -> Backbone:
        """The network after its training on these rows, with a head for the task's classes."""
        network = self.make()
        network.module.to(self.device)
        images = network.images(self.task.store, rows, self.task.labels(rows))
        batches = Stream(images, self.tuning.batch_size, stream(self.seed, "finetune"))
        self.fit(
            network,
            batches,
            _of_each_class if self.task.several_labels else Supervised().loss,
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
        """Train what the settings leave free; `module` holds the network and more that is trained
        beside it."""
        scales, eval_modules = _freed(
            network, self.tuning, prefix="network." if module is not None else ""
        )
        if self.tuning.l2_sp:
            loss = _toward_start(network, loss, self.tuning)
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
    """Choose the learning rate and train; `train(rows, rate)` where it is not the trainer's own.

    Raises DivergedError where no learning rate of the grid trains.
    """
    task, tuning = trainer.task, trainer.tuning
    run, known = train or trainer.train, task.known
    folds = task.folds()[:_MOST_FOLDS]
    best: tuple[float, float, HeldOut, Backbone] | None = None
    tried: dict[str, float | None] = {}
    for rate in sorted(tuning.learning_rates):
        try:
            parts, network = _held_out(run, task, known, folds, rate)
        except DivergedError:
            tried[f"{rate:g}"] = None
            continue
        right = task.value(parts.scores, parts.labels)
        tried[f"{rate:g}"] = right
        if best is None or right > best[0]:
            best = (right, rate, parts, network)
    if best is None:
        raise DivergedError(
            f"training diverged at every learning rate of {list(tuning.learning_rates)}",
            "Give smaller ones: learning_rates=[0.003].",
        )
    _, rate, held_out, network = best
    num_train = len(task.train)
    if len(task.folds()) > 1 or tuning.refit:  # few labels: those that chose are learnt from too
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


def _of_each_class(model: nn.Module, batch: Batch) -> tuple[torch.Tensor, None]:
    """Binary cross-entropy summed over the classes that an image counts for; marks [b, K]."""
    images, marks = batch
    counted = (marks != 0).float()
    each = functional.binary_cross_entropy_with_logits(
        model(images), (marks > 0).float(), counted, reduction="sum"
    )
    return each / len(images), None


def measure_tuned(tuned: TuningResult, task: ClassScoresTask, facts: dict[str, Any]) -> Measurement:
    """The measurement of what was tuned."""
    scores = tuned.model.scores(tuned.model.backbone.images(task.store, task.test))
    return task.score(scores.numpy(), facts, tuned.model)


def _held_out(
    run: Callable[[np.ndarray, float], Backbone],
    task: ClassScoresTask,
    known: np.ndarray,
    folds: list[Any],
    rate: float,
) -> tuple[HeldOut, Backbone]:
    """Scores of the held-out images of each fold, and the last network."""
    scores, labels, network = [], [], None
    for learnt, held_out in folds:
        network = run(known[learnt], rate)
        rows = known[held_out]
        scores.append(logits(network, network.images(task.store, rows)))
        labels.append(torch.from_numpy(task.labels(rows)))
    assert network is not None
    return HeldOut(scores=torch.cat(scores), labels=torch.cat(labels)), network


def _freed(
    network: Backbone, tuning: Tuning, prefix: str = ""
) -> tuple[dict[str, float], list[nn.Module]]:
    """Freeze what stays as it is; the factor of the learning rate of each parameter, and the
    modules that stay in evaluation mode."""
    if tuning.stages == "all" and tuning.stage_decay == 1.0 and tuning.batch_norm == "learns":
        return {}, []
    stages, module = stages_of(network), network.module
    num = len(stages) if tuning.stages == "all" else int(tuning.stages)
    below = stages[: len(stages) - num]
    frozen = {name for stage in below for name in stage.parameters}
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(name not in frozen)
    depth = {name: len(stages) - i for i, stage in enumerate(stages) for name in stage.parameters}
    scales = {
        f"{prefix}{name}": tuning.stage_decay**d for name, d in depth.items() if name not in frozen
    }
    eval_modules = [module.get_submodule(path) for stage in below for path in stage.modules]
    if tuning.batch_norm == "rests":
        eval_modules += batch_norms(module)
    return scales, eval_modules


def _toward_start(network: Backbone, loss: Loss, tuning: Tuning) -> Loss:
    """The loss plus half of l2_sp times the squared distance of the body from where it began, and
    weight decay of the head."""
    heads = tuple(f"{head}." for head in network.heads)
    named = [(n, p) for n, p in network.module.named_parameters() if p.requires_grad]
    body = [(p, p.detach().clone()) for n, p in named if not n.startswith(heads)]
    head = [p for n, p in named if n.startswith(heads)]

    def penalised(model: nn.Module, batch: Batch) -> tuple[torch.Tensor, torch.Tensor | None]:
        value, right = loss(model, batch)
        away = sum(((p - start).square().sum() for p, start in body), value.new_zeros(()))
        size = sum((p.square().sum() for p in head), value.new_zeros(()))
        return value + 0.5 * (tuning.l2_sp * away + tuning.weight_decay * size), right

    return penalised
