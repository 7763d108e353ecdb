"""Fine-tuning in a race: select a configuration by successive halving, score it on every fold.

In: a contender and a time limit. Out: a candidate, or the reason why there is none. Successive
halving (Jamieson and Talwalkar 2016): all configurations are trained for a quarter of the training
budget, the better half for half of it, the best for all of it. The first two rounds are scored on
the held-out images of the first fold alone. The training budget follows from the number of images
and the time.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from seedbed.advice.candidate import Candidate, short_name
from seedbed.advice.contender import Contender
from seedbed.base.errors import DivergedError
from seedbed.models.backbone import Backbone
from seedbed.models.codes import logits
from seedbed.models.stages import stages_of
from seedbed.tasks.class_scores import HeldOut
from seedbed.tasks.classification import ClassificationTask
from seedbed.transfers.fine_tuning import Trainer, Tuning

LEARNING_RATES = (0.01, 0.03, 0.1, 0.3)
# where only the last stages are fine-tuned
_LAST_STAGES_LEARNING_RATES = (0.03, 0.1)
_EPOCHS, _MIN_EPOCHS = 30, 5
# images seen by one training; at most the 500 steps of 128 images of the BiT-HyperRule
_MIN_IMAGES_SEEN, _MAX_IMAGES_SEEN = 3_000, 64_000
_WARM_UP_STEPS = 4
# of the whole time that fine-tuning one backbone has, about
_SHARE_OF_TIME = 0.25
# cost of the first two rounds, in trainings of the full budget
HALVING_COST = 3.5

Say = Callable[[str], None]
Fold = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """The stages that are fine-tuned, and the learning rate."""

    stages: int | str
    rate: float

    def tuning(self, images_seen: int, batch_size: int) -> Tuning:
        stages = "all" if self.stages == "all" else int(self.stages)
        return Tuning(
            images_seen=images_seen,
            learning_rates=(self.rate,),
            batch_size=batch_size,
            stages=stages,
        )

    def __str__(self) -> str:
        stages = "all stages" if self.stages == "all" else f"the last {self.stages} stages"
        return f"learning rate {self.rate:g}, {stages}"


def batch_size_for(num_labelled: int) -> int:
    """The batch size for a task: small for few images, so that an epoch has several steps."""
    return int(np.clip(2 ** round(np.log2(max(1, num_labelled) / 8)), 16, 128))


def training_speed(contender: Contender) -> float:
    """Training images per second, measured over a few steps and cached."""
    if "train" not in contender.speeds:
        task, size = contender.task, batch_size_for(len(contender.task.known))
        for steps in (1, _WARM_UP_STEPS):
            tuning = Tuning(images_seen=steps * size, learning_rates=(1e-3,), batch_size=size)
            started = time.monotonic()
            trainer_for(contender, task, tuning, 0).train(task.known, 1e-3)
            contender.speeds["train"] = steps * size / max(1e-4, time.monotonic() - started)
    return contender.speeds["train"]


def affordable_images_seen(contender: Contender, seconds: float, num_trainings: float) -> int:
    """Images seen by each of `num_trainings` trainings within the time.

    0 if the time does not suffice for the shortest useful training.
    """
    num = len(contender.task.known)
    if seconds <= 0:
        return 0
    affordable = int(seconds * training_speed(contender) / num_trainings)
    return min(_full_budget(num), affordable) if affordable >= _min_budget(num) else 0


def _full_budget(num_labelled: int) -> int:
    """Images seen by a training that has enough time."""
    return int(np.clip(_EPOCHS * num_labelled, _MIN_IMAGES_SEEN, _MAX_IMAGES_SEEN))


def _min_budget(num_labelled: int) -> int:
    """Images seen by the shortest useful training."""
    return min(_full_budget(num_labelled), max(_MIN_IMAGES_SEEN, _MIN_EPOCHS * num_labelled))


def _minutes_hint(contender: Contender, num_trainings: float) -> str:
    """How many minutes would suffice, if the training speed was measured."""
    if "train" not in contender.speeds:
        return ": the other rounds took it; use a higher --minutes"
    speed = contender.speeds["train"]
    seconds = _min_budget(len(contender.task.known)) * num_trainings / speed
    minutes = math.ceil(seconds / _SHARE_OF_TIME / 60)
    return f": it trains on {speed:,.0f} images/s; use --minutes {minutes} or more"


def trainer_for(
    contender: Contender,
    task: ClassificationTask,
    tuning: Tuning,
    seed: int,
    build: Callable[[], Backbone] | None = None,
) -> Trainer:
    """A trainer of the network that `build` returns; by default of the contender's network."""
    backbone = contender.backbone
    return Trainer(
        build or (lambda: backbone.with_new_head(task.classes, seed)),
        task,
        tuning,
        seed,
        backbone.device,
    )


def fine_tune_candidate(
    contender: Contender, seconds: float, seed: int, *, say: Say, note: Say
) -> Candidate | None:
    """The best fine-tuning configuration, scored on every fold.

    None if the time does not suffice or every training diverges; `note` receives the reason.
    """
    task, started, name = contender.task, time.monotonic(), short_name(contender.name)
    folds = task.folds()
    images_seen = affordable_images_seen(contender, seconds, HALVING_COST + len(folds))
    if not images_seen:
        hint = _minutes_hint(contender, HALVING_COST + len(folds))
        note(f"no time to fine-tune {name}{hint}")
        return None
    best = _select_configuration(contender, images_seen, folds[0], seed, say)
    if best is None:
        note(f"fine-tuning {name} diverged at every learning rate")
        return None
    tuning = best.tuning(images_seen, batch_size_for(len(task.known)))
    say(f"fine-tuning {name}: training the best configuration on {len(folds)} folds")
    parts = [_train_fold(contender, task, tuning, fold, seed) for fold in folds]
    positions = np.concatenate([held_out for _, held_out in folds])
    return Candidate(
        backbone=contender.name,
        method=_method_call(tuning),
        kind="finetune",
        layer=None,
        is_penultimate=False,
        held_out=HeldOut(
            scores=torch.cat([p.scores for p in parts]), labels=torch.cat([p.labels for p in parts])
        ),
        positions=positions,
        images=task.store.hashes[task.known[positions]],
        seconds=time.monotonic() - started,
        num_folds=len(folds),
    )


def _select_configuration(
    contender: Contender, images_seen: int, fold: Fold, seed: int, say: Say
) -> Configuration | None:
    """The configuration that survives successive halving; None if every training diverges."""
    task, size = contender.task, batch_size_for(len(contender.task.known))
    remaining: Sequence[Configuration] = _configurations(contender.backbone)
    for divisor in (4, 2):
        budget = images_seen // divisor
        accuracies = {
            c: _fold_accuracy(contender, task, c.tuning(max(size, budget), size), fold, seed)
            for c in remaining
        }
        ranked = sorted((c for c in remaining if accuracies[c] >= 0), key=lambda c: -accuracies[c])
        if not ranked:
            return None
        remaining = ranked[: max(1, len(remaining) // 2 if divisor == 4 else 1)]
        best = remaining[0]
        say(
            f"fine-tuning {short_name(contender.name)}, {budget:,} images seen: "
            f"{accuracies[best]:.1f} % with {best}"
        )
    return remaining[0]


def _configurations(backbone: Backbone) -> list[Configuration]:
    num_stages = len(stages_of(backbone))
    configurations = [Configuration(stages="all", rate=rate) for rate in LEARNING_RATES]
    if num_stages > 1:
        configurations += [
            Configuration(stages=max(1, num_stages // 2), rate=rate)
            for rate in _LAST_STAGES_LEARNING_RATES
        ]
    return configurations


def _method_call(tuning: Tuning) -> str:
    rate = tuning.learning_rates[0]
    stages = "" if tuning.stages == "all" else f", stages={tuning.stages}"
    return (
        f"finetune(images_seen={tuning.images_seen}, learning_rates=[{rate!r}], "
        f"batch_size={tuning.batch_size}{stages})"
    )


def _train_fold(
    contender: Contender, task: ClassificationTask, tuning: Tuning, fold: Fold, seed: int
) -> HeldOut:
    """Train on the fold's training images and predict its held-out images."""
    train, held_out = fold
    labelled = task.known
    trainer = trainer_for(contender, task, tuning, seed)
    network = trainer.train(labelled[train], tuning.learning_rates[0])
    scores = logits(network, network.images(task.store, labelled[held_out]))
    return HeldOut(scores=scores, labels=torch.from_numpy(task.labels(labelled[held_out])))


def _fold_accuracy(
    contender: Contender, task: ClassificationTask, tuning: Tuning, fold: Fold, seed: int
) -> float:
    """Accuracy on the fold's held-out images, percent; -1 if the training diverged."""
    try:
        predictions = _train_fold(contender, task, tuning, fold, seed)
    except DivergedError:
        return -1.0
    correct = predictions.scores.argmax(1) == predictions.labels
    return 100.0 * float(correct.double().mean())
