"""Negative transfer: is a network's pre-training worse than none, on this task?

In: a contender and seconds. Out: a verdict. The pre-trained network and the same architecture from
random weights are trained
alike: the same images, the same number of steps, the learning rate of each chosen from the same
    grid on the first fold's held-out
images. Then both are trained with several seeds on all that is known and scored on the test images,
which choose nothing; the verdict is that of a study with two arms (`seedbed.verdicts.contrasts`).
Fine-tuning stands for transfer here: a frozen readout cannot be tuned alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from seedbed.advice.candidate import short
from seedbed.advice.contender import Contender
from seedbed.advice.successive_halving import batch_size_for, budget, trainer_of
from seedbed.base.errors import DivergedError, SeedbedError
from seedbed.metrics.accuracy import TOP1, rank
from seedbed.models.backbone import CUSTOM_MODULE, Backbone
from seedbed.models.codes import logits
from seedbed.models.zoo import BACKBONES
from seedbed.tasks.classification import ClassificationTask
from seedbed.transfers.fine_tuning import Trainer, Tuning
from seedbed.verdicts.arm_scores import ArmScores
from seedbed.verdicts.contrasts import contrast_pairs

GRID = (0.03, 0.1, 0.3)
SEEDS = (0, 1, 2)
MARGIN = 1.0
_NUM_TRAININGS = 2 * (len(GRID) + len(SEEDS))


@dataclass(frozen=True, kw_only=True)
class NegativeTransfer:
    """The verdict for one backbone; accuracies in percent, differences in points, positive where
    pre-training helps."""

    backbone: str
    verdict: Literal["yes", "no", "undecided"]
    from_scratch: float | None = None
    transferred: float | None = None
    difference: float | None = None
    interval: tuple[float, float] | None = None
    num_seeds: int = 0
    images_seen: int = 0
    why: str = ""

    @property
    def sentence(self) -> str:
        if self.difference is None or self.interval is None:
            return (
                f"{short(self.backbone)}: whether pre-training hurts was not measured: {self.why}."
            )
        words = {
            "yes": "pre-training hurts here",
            "no": "no negative transfer",
            "undecided": "undecided",
        }[self.verdict]
        low, high = self.interval
        return (
            f"{short(self.backbone)}: {words}: fine-tuned {self.transferred:.1f} %, from scratch {self.from_scratch:.1f} %, "
            f"{self.difference:+.1f} points (95 % interval {low:+.1f} to {high:+.1f}; {self.num_seeds} seeds, equally tuned, "
            f"{self.images_seen:,} images seen each)."
        )


def negative_transfer(contender: Contender, seconds: float) -> NegativeTransfer:
    """Pre-trained against random weights, tuned alike; undecided where there is no time, or nothing
    to draw weights with."""
    name, backbone, task = contender.name, contender.backbone, contender.task
    if backbone.architecture == CUSTOM_MODULE:
        return NegativeTransfer(
            backbone=name,
            verdict="undecided",
            why="no new weights can be drawn for a module of one's own",
        )
    if len(task.test) < 2:
        return NegativeTransfer(backbone=name, verdict="undecided", why="there is one test image")
    images_seen = budget(contender, seconds, _NUM_TRAININGS)
    if not images_seen:
        return NegativeTransfer(
            backbone=name,
            verdict="undecided",
            why=f"{_NUM_TRAININGS} trainings do not fit the time that was left",
        )
    architecture = BACKBONES.make(backbone.architecture)

    def drawn(seed: int) -> Backbone:
        made = architecture.build(task.classes, backbone.size_px, seed)
        made.preprocessing = backbone.preprocessing
        return made

    makers: dict[str, Callable[[int], Backbone]] = {
        "transferred": lambda seed: backbone.with_new_head(task.classes, seed),
        "from_scratch": drawn,
    }
    try:
        found = _trained(contender, makers, images_seen, time.monotonic() + seconds)
    except SeedbedError as error:
        return NegativeTransfer(backbone=name, verdict="undecided", why=error.message)
    return _verdict(name, found, images_seen)


def _trained(
    contender: Contender,
    makers: dict[str, Callable[[int], Backbone]],
    images_seen: int,
    until: float,
) -> dict[str, np.ndarray]:
    """What each test image contributes, percent [seeds, n], of both ways to begin."""
    task, size = contender.task, batch_size_for(len(contender.task.known))
    rates: dict[str, float] = {}
    for arm, make in makers.items():
        tuning = Tuning(images_seen=images_seen, learning_rates=GRID, batch_size=size)
        rates[arm] = _best_rate(trainer_of(contender, task, tuning, 0, lambda m=make: m(0)), task)
    hits: dict[str, list[np.ndarray]] = {arm: [] for arm in makers}
    for seed in SEEDS:
        started = time.monotonic()
        for arm, make in makers.items():
            tuning = Tuning(images_seen=images_seen, learning_rates=(rates[arm],), batch_size=size)
            trainer = trainer_of(contender, task, tuning, seed, lambda m=make, s=seed: m(s))
            hits[arm].append(_scored(trainer.train(task.known, rates[arm]), task))
        if time.monotonic() + (time.monotonic() - started) > until:
            break
    return {arm: np.stack(rows) for arm, rows in hits.items()}


def _best_rate(trainer: Trainer, task: ClassificationTask) -> float:
    """Of the grid, on the first fold's held-out images."""
    known, (learnt, held) = task.known, task.folds()[0]
    labels, found = task.labels(known[held]), {}
    for rate in trainer.tuning.learning_rates:
        try:
            network = trainer.train(known[learnt], rate)
        except DivergedError:
            continue
        scores = logits(network, network.images(task.store, known[held])).numpy()
        found[rate] = float((scores.argmax(1) == labels).mean())
    if not found:
        raise DivergedError("training diverged at every learning rate", "")
    return max(found, key=lambda rate: (found[rate], -rate))


def _scored(network: Backbone, task: ClassificationTask) -> np.ndarray:
    """Percent [n], each test image's contribution to top-1."""
    ranked = rank(logits(network, network.images(task.store, task.test)).numpy())
    return TOP1.per_image(task.score(ranked, {}).predictions)


def _verdict(name: str, found: dict[str, np.ndarray], images_seen: int) -> NegativeTransfer:
    arms = {
        arm: ArmScores(arm=arm, values=rows.mean(1), per_image=rows) for arm, rows in found.items()
    }
    (contrast,) = contrast_pairs([(arms["transferred"], arms["from_scratch"])], margin=MARGIN)
    words: dict[str, Literal["yes", "no", "undecided"]] = {
        "worse": "yes",
        "better": "no",
        "equivalent": "no",
    }
    return NegativeTransfer(
        backbone=name,
        verdict=words.get(contrast.verdict, "undecided"),
        from_scratch=float(arms["from_scratch"].values.mean()),
        transferred=float(arms["transferred"].values.mean()),
        difference=contrast.difference,
        interval=contrast.interval,
        num_seeds=contrast.num_seeds,
        images_seen=images_seen,
        why="one seed fitted the time" if contrast.interval is None else "",
    )
