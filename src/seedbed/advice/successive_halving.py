"""Fine-tuning in a race: configurations thinned out by successive halving, the survivor measured on
every fold.

In: a contender and seconds. Out: a candidate, or why there is none. Successive halving (Jamieson
and Talwalkar 2016): all configurations are trained for a quarter of the budget, the better half for
half of it, the best for all of it. The first two rounds look at the held-out images of the first
fold alone. How long a training is follows from the number of images, and from the time there is.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from seedbed.advice.candidate import Entry, short
from seedbed.advice.contender import Contender
from seedbed.base.errors import DivergedError
from seedbed.models.backbone import Backbone
from seedbed.models.codes import logits
from seedbed.models.stages import stages_of
from seedbed.tasks.classification import ClassificationTask, HeldOut
from seedbed.transfers.fine_tuning import Trainer, Tuning

RATES = (0.01, 0.03, 0.1, 0.3)
_RATES_OF_LAST = (0.03, 0.1)  # where the last stages alone are tuned
_EPOCHS, _FEWEST_EPOCHS = 30, 5
# images seen by a training; the BiT-HyperRule's 500 steps of 128 are the most
_FEWEST, _MOST = 3_000, 64_000
_WARM_UP_STEPS = 4
_SHARE = 0.25  # of the whole time that fine-tuning one backbone has, about
TRAININGS = 3.5  # of the full budget that the first two rounds cost


Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """What is tried."""

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


def batch_size_for(num_known: int) -> int:
    """Batches of a task with few images are small, so that an epoch has some steps."""
    return int(np.clip(2 ** round(np.log2(max(1, num_known) / 8)), 16, 128))


def training_rate(contender: Contender) -> float:
    """Images trained on per second, measured over some steps."""
    if "train" not in contender.rates:
        task, size = contender.task, batch_size_for(len(contender.task.known))
        for steps in (1, _WARM_UP_STEPS):
            tuning = Tuning(images_seen=steps * size, learning_rates=(1e-3,), batch_size=size)
            started = time.monotonic()
            trainer_of(contender, task, tuning, 0).train(task.known, 1e-3)
            contender.rates["train"] = steps * size / max(1e-4, time.monotonic() - started)
    return contender.rates["train"]


def budget(contender: Contender, seconds: float, num_trainings: float) -> int:
    """Images seen by one of so many trainings in so many seconds; 0 where that is too few to be
    worth anything."""
    num = len(contender.task.known)
    wanted = int(np.clip(_EPOCHS * num, _FEWEST, _MOST))
    if seconds <= 0:
        return 0
    affordable = int(seconds * training_rate(contender) / num_trainings)
    return min(wanted, affordable) if affordable >= _least(num) else 0


def _least(num_known: int) -> int:
    """Images seen by the shortest training that is worth anything."""
    return min(
        int(np.clip(_EPOCHS * num_known, _FEWEST, _MOST)), max(_FEWEST, _FEWEST_EPOCHS * num_known)
    )


def _would_do(contender: Contender, num_trainings: float) -> str:
    """How many minutes would, where the rate of training was measured."""
    if "train" not in contender.rates:
        return ""
    seconds = _least(len(contender.task.known)) * num_trainings / contender.rates["train"]
    return f": it trains on {contender.rates['train']:,.0f} images/s; about --minutes {math.ceil(seconds / _SHARE / 60)} would do"


def trainer_of(
    contender: Contender,
    task: ClassificationTask,
    tuning: Tuning,
    seed: int,
    make: Callable[[], Backbone] | None = None,
) -> Trainer:
    """Trains the contender's network, or what `make` makes, on its task."""
    backbone = contender.backbone
    return Trainer(
        make or (lambda: backbone.with_new_head(task.classes, seed)),
        task,
        tuning,
        seed,
        backbone.device,
    )


def race_tuning(
    contender: Contender, seconds: float, seed: int, *, say: Say, note: Say
) -> Entry | None:
    """The best configuration of fine-tuning, measured on every fold; None where there is none, and
    `note` is told why."""
    task, started = contender.task, time.monotonic()
    folds = task.folds()
    images_seen = budget(contender, seconds, TRAININGS + len(folds))
    if not images_seen:
        note(
            f"no time to fine-tune {short(contender.name)}{_would_do(contender, TRAININGS + len(folds))}"
        )
        return None
    size = batch_size_for(len(task.known))
    left = _configurations(contender.backbone)
    for part in (4, 2):
        scored = {
            c: _accuracy(
                contender, task, c.tuning(max(size, images_seen // part), size), folds[0], seed
            )
            for c in left
        }
        alive = [c for c in left if scored[c] >= 0]
        if not alive:
            note(f"fine-tuning {short(contender.name)} diverged at every learning rate")
            return None
        left = sorted(alive, key=lambda c: -scored[c])[: max(1, len(left) // 2 if part == 4 else 1)]
        best = left[0]
        say(
            f"fine-tuning {short(contender.name)}, {images_seen // part:,} images seen: {scored[best]:.1f} % with learning rate "
            f"{best.rate:g}, {_stages_words(best)}"
        )
    best = left[0]
    tuning = best.tuning(images_seen, size)
    say(
        f"fine-tuning {short(contender.name)}: the best of them for {images_seen:,} images, {len(folds)} times"
    )
    parts = [_held_out(contender, task, tuning, fold, seed) for fold in folds]
    positions = np.concatenate([held for _, held in folds])
    return Entry(
        backbone=contender.name,
        method=_call(tuning),
        kind="finetune",
        layer=None,
        is_top=False,
        held_out=HeldOut(
            scores=torch.cat([p.scores for p in parts]), labels=torch.cat([p.labels for p in parts])
        ),
        positions=positions,
        images=task.store.hashes[task.known[positions]],
        seconds=time.monotonic() - started,
        num_folds=len(folds),
    )


def _configurations(backbone: Backbone) -> list[Configuration]:
    num = len(stages_of(backbone))
    found = [Configuration(stages="all", rate=rate) for rate in RATES]
    return found + (
        [Configuration(stages=max(1, num // 2), rate=rate) for rate in _RATES_OF_LAST]
        if num > 1
        else []
    )


def _stages_words(configuration: Configuration) -> str:
    return (
        "all stages" if configuration.stages == "all" else f"the last {configuration.stages} stages"
    )


def _call(tuning: Tuning) -> str:
    rate = tuning.learning_rates[0]
    stages = "" if tuning.stages == "all" else f", stages={tuning.stages}"
    return f"finetune(images_seen={tuning.images_seen}, learning_rates=[{rate!r}], batch_size={tuning.batch_size}{stages})"


def _held_out(
    contender: Contender,
    task: ClassificationTask,
    tuning: Tuning,
    fold: tuple[np.ndarray, np.ndarray],
    seed: int,
) -> HeldOut:
    learnt, held = fold
    known = task.known
    trainer = trainer_of(contender, task, tuning, seed)
    network = trainer.train(known[learnt], tuning.learning_rates[0])
    scores = logits(network, network.images(task.store, known[held]))
    return HeldOut(scores=scores, labels=torch.from_numpy(task.labels(known[held])))


def _accuracy(
    contender: Contender,
    task: ClassificationTask,
    tuning: Tuning,
    fold: tuple[np.ndarray, np.ndarray],
    seed: int,
) -> float:
    """Percent on the fold's held-out images; -1 where the training diverged."""
    try:
        found = _held_out(contender, task, tuning, fold, seed)
    except DivergedError:
        return -1.0
    return 100.0 * float((found.scores.argmax(1) == found.labels).double().mean())
