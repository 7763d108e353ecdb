"""Negative transfer: is the pre-trained network worse than training from scratch on this task?

In: a contender and a time limit. Out: a verdict. The pre-trained network and the same architecture
from random weights are tuned equally: same images, same number of steps, and the learning rate of
each from the same grid, selected on the held-out images of the first fold. Both are then trained
with several seeds on all labelled images and scored on the test images, which are not used for
selection. The verdict is that of a study with two arms (`seedbed.verdicts.contrasts`). Fine-tuning
stands for transfer here, because a frozen readout has no equally tuned counterpart.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from seedbed.advice.candidate import short_name
from seedbed.advice.contender import Contender
from seedbed.advice.successive_halving import affordable_images_seen, batch_size_for, trainer_for
from seedbed.base.errors import DivergedError, SeedbedError
from seedbed.metrics.accuracy import TOP1, rank
from seedbed.models.backbone import CUSTOM_MODULE, Backbone
from seedbed.models.codes import logits
from seedbed.models.zoo import BACKBONES
from seedbed.tasks.classification import ClassificationTask
from seedbed.transfers.fine_tuning import Trainer, Tuning
from seedbed.verdicts.arm_scores import ArmScores
from seedbed.verdicts.contrasts import contrast_pairs

LEARNING_RATES = (0.03, 0.1, 0.3)
SEEDS = (0, 1, 2)
# points
MARGIN = 1.0
_NUM_TRAININGS = 2 * (len(LEARNING_RATES) + len(SEEDS))

Verdict = Literal["yes", "no", "undecided"]
# Builds a network for a seed.
Builder = Callable[[int], Backbone]


@dataclass(frozen=True, kw_only=True)
class NegativeTransfer:
    """The verdict for one backbone.

    Accuracies in percent; differences in points, positive where pre-training helps.
    """

    backbone: str
    verdict: Verdict
    from_scratch: float | None = None
    transferred: float | None = None
    difference: float | None = None
    interval: tuple[float, float] | None = None
    num_seeds: int = 0
    images_seen: int = 0
    # why nothing was measured
    why: str = ""

    @property
    def sentence(self) -> str:
        name = short_name(self.backbone)
        if self.difference is None or self.interval is None:
            return f"{name}: negative transfer was not measured: {self.why}."
        words = {
            "yes": "negative transfer, pre-training hurts",
            "no": "no negative transfer",
            "undecided": "undecided whether pre-training hurts",
        }[self.verdict]
        low, high = self.interval
        return (
            f"{name}: {words}: fine-tuned {self.transferred:.1f} %, from scratch "
            f"{self.from_scratch:.1f} %, difference {self.difference:+.1f} points (95 % interval "
            f"{low:+.1f} to {high:+.1f}; {self.num_seeds} seeds, equally tuned, "
            f"{self.images_seen:,} images seen each)."
        )


def negative_transfer(contender: Contender, seconds: float) -> NegativeTransfer:
    """Compare the pre-trained network with the same architecture from scratch, equally tuned.

    Undecided if the time does not suffice or if the architecture cannot be built anew.
    """
    name, backbone, task = contender.name, contender.backbone, contender.task
    if backbone.architecture == CUSTOM_MODULE:
        return NegativeTransfer(
            backbone=name,
            verdict="undecided",
            why="the network is a user's module, which cannot be built with new random weights",
        )
    if len(task.test) < 2:
        return NegativeTransfer(
            backbone=name, verdict="undecided", why="there are fewer than two test images"
        )
    images_seen = affordable_images_seen(contender, seconds, _NUM_TRAININGS)
    if not images_seen:
        return NegativeTransfer(
            backbone=name,
            verdict="undecided",
            why=f"its {_NUM_TRAININGS} trainings need more time than was left",
        )
    try:
        contributions_by_arm = _train_arms(contender, images_seen, time.monotonic() + seconds)
    except SeedbedError as error:
        return NegativeTransfer(backbone=name, verdict="undecided", why=error.message)
    return _judge(name, contributions_by_arm, images_seen)


def _builders(contender: Contender) -> dict[str, Builder]:
    """How each arm's network is built."""
    backbone, task = contender.backbone, contender.task
    architecture = BACKBONES.make(backbone.architecture)

    def from_scratch(seed: int) -> Backbone:
        network = architecture.build(task.classes, backbone.size_px, seed)
        network.preprocessing = backbone.preprocessing
        return network

    return {
        "transferred": lambda seed: backbone.with_new_head(task.classes, seed),
        "from_scratch": from_scratch,
    }


def _train_arms(contender: Contender, images_seen: int, until: float) -> dict[str, np.ndarray]:
    """Each test image's contribution to the accuracy, percent [seeds, n], of both arms."""
    task, size = contender.task, batch_size_for(len(contender.task.known))
    builders = _builders(contender)
    rates: dict[str, float] = {}
    for arm, build in builders.items():
        tuning = Tuning(images_seen=images_seen, learning_rates=LEARNING_RATES, batch_size=size)
        trainer = trainer_for(contender, task, tuning, 0, lambda build=build: build(0))
        rates[arm] = _best_learning_rate(trainer, task)
    rows: dict[str, list[np.ndarray]] = {arm: [] for arm in builders}
    for seed in SEEDS:
        started = time.monotonic()
        for arm, build in builders.items():
            tuning = Tuning(images_seen=images_seen, learning_rates=(rates[arm],), batch_size=size)
            trainer = trainer_for(
                contender, task, tuning, seed, lambda build=build, seed=seed: build(seed)
            )
            network = trainer.train(task.known, rates[arm])
            rows[arm].append(_test_contributions(network, task))
        if time.monotonic() + (time.monotonic() - started) > until:
            break
    return {arm: np.stack(of_arm) for arm, of_arm in rows.items()}


def _best_learning_rate(trainer: Trainer, task: ClassificationTask) -> float:
    """The learning rate with the best accuracy on the held-out images of the first fold."""
    labelled, (train, held_out) = task.known, task.folds()[0]
    labels = task.labels(labelled[held_out])
    accuracies: dict[float, float] = {}
    for rate in trainer.tuning.learning_rates:
        try:
            network = trainer.train(labelled[train], rate)
        except DivergedError:
            continue
        scores = logits(network, network.images(task.store, labelled[held_out])).numpy()
        accuracies[rate] = float((scores.argmax(1) == labels).mean())
    if not accuracies:
        raise DivergedError("training diverged at every learning rate", "")
    return max(accuracies, key=lambda rate: (accuracies[rate], -rate))


def _test_contributions(network: Backbone, task: ClassificationTask) -> np.ndarray:
    """Each test image's contribution to top-1 accuracy, percent [n]."""
    ranked = rank(logits(network, network.images(task.store, task.test)).numpy())
    return TOP1.per_image(task.score_ranked(ranked, {}).predictions)


def _judge(
    name: str, contributions_by_arm: dict[str, np.ndarray], images_seen: int
) -> NegativeTransfer:
    arms = {
        arm: ArmScores(arm=arm, values=rows.mean(1), per_image=rows)
        for arm, rows in contributions_by_arm.items()
    }
    (contrast,) = contrast_pairs([(arms["transferred"], arms["from_scratch"])], margin=MARGIN)
    verdicts: dict[str, Verdict] = {"worse": "yes", "better": "no", "equivalent": "no"}
    return NegativeTransfer(
        backbone=name,
        verdict=verdicts.get(contrast.verdict, "undecided"),
        from_scratch=float(arms["from_scratch"].values.mean()),
        transferred=float(arms["transferred"].values.mean()),
        difference=contrast.difference,
        interval=contrast.interval,
        num_seeds=contrast.num_seeds,
        images_seen=images_seen,
        why="the time sufficed for one seed only" if contrast.interval is None else "",
    )
