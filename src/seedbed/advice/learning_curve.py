"""The learning curve: accuracy against the number of labels, and what twice the labels would buy.

In: a contender and a layer. Out: points and a fitted law. A linear readout is fitted on nested
parts of the images that are learnt from, drawn five times, and scored on the held-out ones; the law
and its intervals are `seedbed.verdicts.scaling`'s.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from seedbed.advice.contender import Contender
from seedbed.advice.task_by_size import rough
from seedbed.base.randomness import Draw
from seedbed.readout.heads import prepare_codes
from seedbed.transfers.methods import probe
from seedbed.transfers.readout_selection import make_readout
from seedbed.verdicts.scaling import Points, UnfitError, fit_law

_SHARES = (0.0625, 0.125, 0.25, 0.5, 1.0)
_DRAWS = 5
_MOST = 5_000
_LEAST_VARIANCE = 0.01  # of one draw, points squared: draws that all agree say little of the law
_NUM_DRAWN = 60  # points of the law's curve


@dataclass(frozen=True, kw_only=True)
class LearningCurve:
    """Percent of held-out images by number of images learnt from, and the law through them, where
    one can be fitted."""

    num_images: tuple[int, ...]
    accuracies: tuple[tuple[float, ...], ...]  # of each draw
    doubling: float | None = None  # points that twice the labels would add
    doubling_interval: tuple[float, float] | None = None
    # num_images, value, low, high
    law: tuple[tuple[float, float, float, float], ...] = field(default=())
    why: str = ""  # there is no law

    @property
    def sentence(self) -> str:
        if self.doubling is None or self.doubling_interval is None:
            return f"What twice the labels would buy cannot be told: {self.why}."
        low, high = self.doubling_interval
        now = self.num_images[-1]
        return (
            f"Twice the labels ({now:,} learnt from to {2 * now:,}) would add "
            f"{self.doubling:+.1f} points (95 % interval {low:+.1f} to {high:+.1f}), by the curve."
        )


def learning_curve(contender: Contender, layer: str) -> LearningCurve:
    """Of a linear readout at a layer."""
    row, task = contender.backbone.layer(layer), rough(contender.task, _MOST)
    known = task.known
    codes = contender.codes_of(task, layer)
    codes = prepare_codes(codes[:, None], [row.dim], normalise=True, power=False)
    labels = task.labels(known)
    hashes = task.store.hashes[known]
    sizes, found = [], []
    for share in _SHARES:
        draws = range(_DRAWS if share < 1 else 1)
        parts = [
            [_thinned(fold, labels, hashes, share, draw) for fold in task.folds()] for draw in draws
        ]
        if any(len(np.unique(labels[learnt])) < 2 for folds in parts for learnt, _ in folds):
            continue
        readout = make_readout("svm", probe.C_GRID, ())
        chosen = [
            readout.choose(codes, torch.from_numpy(labels), folds, task.num_classes).accuracy
            for folds in parts
        ]
        size = round(float(np.mean([len(learnt) for folds in parts for learnt, _ in folds])))
        if size in sizes:
            continue  # so few images that two shares are the same ones
        sizes.append(size)
        found.append(tuple(chosen))
    return _fitted(sizes, found, task.num_classes)


def _thinned(
    fold: tuple[np.ndarray, np.ndarray],
    labels: np.ndarray,
    hashes: np.ndarray,
    share: float,
    draw: int,
) -> tuple[np.ndarray, np.ndarray]:
    """The fold with a share of each class of what is learnt from, at least one image."""
    learnt, held = fold
    ranks = Draw(seed=draw, purpose="advice/curve").ranks(hashes[learnt])
    order = np.lexsort((ranks, labels[learnt]))
    of_class = labels[learnt][order]
    place = np.arange(len(order)) - np.searchsorted(of_class, of_class)
    sizes = np.bincount(of_class, minlength=int(labels.max()) + 1)[of_class]
    kept = order[place < np.maximum(1, np.round(share * sizes))]
    return np.sort(learnt[kept]), held


def _points(per_class: np.ndarray, classes: np.ndarray, found: list[tuple[float, ...]]) -> Points:
    """Means over draws; their variance is pooled over the sizes that were drawn more than once, and
    all images, drawn once, have it too."""
    spread = [np.var(values, ddof=1) for values in found if len(values) > 1]
    if not spread:
        raise UnfitError("there are too few images to draw parts of")
    nums = np.array([len(values) for values in found])
    variance = max(float(np.mean(spread)), _LEAST_VARIANCE)
    df = float((nums - 1).sum())
    means = np.array([float(np.mean(values)) for values in found])
    return Points(
        per_class=per_class, classes=classes, values=means, variances=variance / nums, df=df
    )


def _fitted(sizes: list[int], found: list[tuple[float, ...]], num_classes: int) -> LearningCurve:
    curve = LearningCurve(num_images=tuple(sizes), accuracies=tuple(found))
    per_class, classes = np.array(sizes) / num_classes, np.full(len(sizes), float(num_classes))
    try:
        law = fit_law(_points(per_class, classes, found), over=("per_class",))
    except UnfitError as error:
        return LearningCurve(
            num_images=curve.num_images, accuracies=curve.accuracies, why=str(error)
        )
    now = (per_class[-1], float(num_classes))
    gain = law.gain(now, (2 * now[0], now[1]))
    drawn = []
    for size in np.geomspace(sizes[0], 2 * sizes[-1], _NUM_DRAWN):
        at = law.at(size / num_classes, float(num_classes))
        drawn.append((float(size), at.value, at.interval[0], at.interval[1]))
    return LearningCurve(
        num_images=curve.num_images,
        accuracies=curve.accuracies,
        doubling=gain.value,
        doubling_interval=gain.interval,
        law=tuple(drawn),
    )
