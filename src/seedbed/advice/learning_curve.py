"""The learning curve: accuracy by number of labels, and the gain expected from twice the labels.

In: a contender and a layer. Out: points and a fitted scaling law. A linear classifier is trained on
nested subsets of the training images, five random draws each, and scored on the held-out images.
The law and its intervals come from `seedbed.verdicts.scaling`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from seedbed.advice.contender import Contender
from seedbed.advice.task_by_size import subset_task
from seedbed.base.randomness import Draw
from seedbed.readout.heads import prepare_codes
from seedbed.transfers.methods import probe
from seedbed.transfers.readout_selection import make_readout
from seedbed.verdicts.scaling import Points, UnfitError, fit_law

_SHARES = (0.0625, 0.125, 0.25, 0.5, 1.0)
_NUM_DRAWS = 5
_MAX_IMAGES = 5_000
# of one draw, points squared: identical draws do not show that the variance is zero
_MIN_VARIANCE = 0.01
_NUM_LAW_POINTS = 60

Fold = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class LearningCurve:
    """Held-out accuracy in percent by number of training images, and the law fitted to it."""

    num_images: tuple[int, ...]
    # of each draw, by number of images
    accuracies: tuple[tuple[float, ...], ...]
    # points gained with twice the labels
    doubling: float | None = None
    doubling_interval: tuple[float, float] | None = None
    # num_images, value, low, high
    law: tuple[tuple[float, float, float, float], ...] = field(default=())
    # why there is no law
    why: str = ""

    @property
    def sentence(self) -> str:
        if self.doubling is None or self.doubling_interval is None:
            return f"The gain from twice the labels cannot be estimated: {self.why}."
        low, high = self.doubling_interval
        now = self.num_images[-1]
        return (
            f"Twice the labels would add {self.doubling:+.1f} points (95 % interval {low:+.1f} to "
            f"{high:+.1f}), extrapolated from the learning curve: {2 * now:,} training images "
            f"instead of {now:,}, which are the labelled images without the held-out ones."
        )


def learning_curve(contender: Contender, layer: str) -> LearningCurve:
    """Measure the learning curve of a linear classifier on one layer."""
    row, task = contender.backbone.layer(layer), subset_task(contender.task, _MAX_IMAGES)
    codes = contender.codes_of(task, layer)
    codes = prepare_codes(codes[:, None], [row.dim], normalise=True, power=False)
    labels, hashes = task.labels(task.known), task.store.hashes[task.known]
    readout = make_readout("svm", probe.C_GRID, ())
    accuracies: dict[int, tuple[float, ...]] = {}
    for share in _SHARES:
        draws = [
            [_thin_fold(fold, labels, hashes, share, draw) for fold in task.folds()]
            for draw in range(_NUM_DRAWS if share < 1 else 1)
        ]
        train_sets = [train for folds in draws for train, _ in folds]
        if any(len(np.unique(labels[train])) < 2 for train in train_sets):
            continue
        # With few images two shares may be the same images: these are measured once.
        size = round(float(np.mean([len(train) for train in train_sets])))
        if size not in accuracies:
            accuracies[size] = tuple(
                readout.choose(codes, torch.from_numpy(labels), folds, task).accuracy
                for folds in draws
            )
    return _fit_curve(list(accuracies), list(accuracies.values()), task.num_classes)


def _thin_fold(fold: Fold, labels: np.ndarray, hashes: np.ndarray, share: float, draw: int) -> Fold:
    """The fold with a share of each class's training images, at least one image per class."""
    train, held_out = fold
    ranks = Draw(seed=draw, purpose="advice/curve").ranks(hashes[train])
    order = np.lexsort((ranks, labels[train]))
    class_of_image = labels[train][order]
    rank_in_class = np.arange(len(order)) - np.searchsorted(class_of_image, class_of_image)
    class_sizes = np.bincount(class_of_image, minlength=int(labels.max()) + 1)[class_of_image]
    selected = order[rank_in_class < np.maximum(1, np.round(share * class_sizes))]
    return np.sort(train[selected]), held_out


def _curve_points(
    per_class: np.ndarray, classes: np.ndarray, accuracies: Sequence[tuple[float, ...]]
) -> Points:
    """Means over draws with a variance pooled over all sizes that have several draws.

    The whole set of images, drawn once, has that variance too.
    """
    spread = [np.var(values, ddof=1) for values in accuracies if len(values) > 1]
    if not spread:
        raise UnfitError("there are too few images to draw subsets of")
    nums = np.array([len(values) for values in accuracies])
    variance = max(float(np.mean(spread)), _MIN_VARIANCE)
    df = float((nums - 1).sum())
    means = np.array([float(np.mean(values)) for values in accuracies])
    return Points(
        per_class=per_class, classes=classes, values=means, variances=variance / nums, df=df
    )


def _fit_curve(
    sizes: Sequence[int], accuracies: Sequence[tuple[float, ...]], num_classes: int
) -> LearningCurve:
    curve = LearningCurve(num_images=tuple(sizes), accuracies=tuple(accuracies))
    per_class, classes = np.array(sizes) / num_classes, np.full(len(sizes), float(num_classes))
    try:
        law = fit_law(_curve_points(per_class, classes, accuracies), over=("per_class",))
    except UnfitError as error:
        return replace(curve, why=str(error))
    now = (per_class[-1], float(num_classes))
    gain = law.gain(now, (2 * now[0], now[1]))
    law_points = []
    for size in np.geomspace(sizes[0], 2 * sizes[-1], _NUM_LAW_POINTS):
        at = law.at(size / num_classes, float(num_classes))
        law_points.append((float(size), at.value, at.interval[0], at.interval[1]))
    return replace(
        curve, doubling=gain.value, doubling_interval=gain.interval, law=tuple(law_points)
    )
