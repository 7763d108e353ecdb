"""Readouts with one hyperparameter (C, or the number of neighbours), chosen on held-out images.

In: codes [n, v, d] of v views of each labelled image, labels, folds, a grid. Out: for each value of
the grid the scores of the held-out images, the best value, and the head fitted on all images.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from seedbed.readout.heads import Head, LinearHead, NeighboursHead
from seedbed.readout.linear import fit_linear
from seedbed.readout.neighbours import nearest, vote
from seedbed.tasks.class_scores import ClassScoresTask, HeldOut

Folds = Sequence[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The best value of the grid on held-out images, the metric of each value in percent, and the
    values at which the solver did not converge."""

    best: float
    metric: str
    tried: dict[str, float]  # value -> metric
    unsolved: list[float]
    held_out: HeldOut  # at the best value
    positions: np.ndarray  # of the held-out images among the labelled ones: int64 [m]
    num_folds: int
    # Whether each image is classified correctly, bool [m] for each value; empty for several
    # classes.
    right: tuple[np.ndarray, ...]

    @property
    def accuracy(self) -> float:
        """The metric (top-1, if an image has one class) at the best value, in percent."""
        return self.tried[f"{self.best:g}"]

    def facts(self) -> dict[str, Any]:
        """Facts for a measurement about the choice of the value."""
        unsolved = {"unsolved_on_validation": self.unsolved} if self.unsolved else {}
        return {f"validation_{self.metric}": self.tried, "num_folds": self.num_folds, **unsolved}


@dataclass(frozen=True, kw_only=True)
class HeadShape:
    """Shape and preparation of the codes of a head."""

    dims: tuple[int, ...]
    normalise: bool
    power: bool
    num_classes: int


class Readout(ABC):
    """A readout on prepared codes with one hyperparameter."""

    @abstractmethod
    def scores_by_value(
        self, codes: torch.Tensor, labels: torch.Tensor, queries: torch.Tensor, num_classes: int
    ) -> tuple[dict[float, torch.Tensor], list[float]]:
        """Train on codes [n, v, d] with each value of the grid: scores [m, K] of queries [m, v, d],
        and the values at which the solver did not converge."""

    @abstractmethod
    def fit(
        self,
        codes: torch.Tensor,
        labels: torch.Tensor,
        value: float,
        tried: Mapping[str, float],
        shape: HeadShape,
    ) -> tuple[Head, dict[str, Any]]:
        """Fit the head on all images with one value of the grid; and facts for the measurement."""

    def choose(
        self,
        codes: torch.Tensor,
        labels: torch.Tensor,
        folds: Folds,
        task: ClassScoresTask,
    ) -> Choice:
        """Choose the value with the best metric on the held-out images of all folds; ties go to the
        smaller value.

        Args:
            codes: float [n, v, d], prepared.
            labels: int64 [n], or marks int8 [n, K], on the same device.
            folds: pairs of positions, to train on and to validate on.
            task: computes the metric of out-of-fold scores.
        """
        parts = []
        unsolved: set[float] = set()
        for train, held_out in folds:
            scores_of_fold, failed = self.scores_by_value(
                codes[train], labels[train], codes[held_out], task.num_classes
            )
            parts.append(scores_of_fold)
            unsolved |= set(failed)
        scores = {value: torch.cat([part[value] for part in parts]) for value in parts[0]}
        positions = np.concatenate([held_out for _, held_out in folds])
        assert len(positions), "no image is held out"
        truth = labels[torch.from_numpy(positions).to(labels.device)]
        metric = {value: task.value(s, truth) for value, s in scores.items()}
        best = max(metric, key=lambda value: (metric[value], -value))
        hits = () if task.several_labels else (s.argmax(1) == truth for s in scores.values())
        return Choice(
            best=best,
            metric=task.selection_metric,
            tried={f"{value:g}": result for value, result in metric.items()},
            unsolved=sorted(unsolved),
            held_out=HeldOut(scores=scores[best].cpu(), labels=truth.cpu()),
            positions=positions,
            num_folds=len(folds),
            right=tuple(hit.cpu().numpy() for hit in hits),
        )


def _flatten_views(codes: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Codes [n * v, d] and labels of all views, as separate images."""
    return codes.flatten(0, 1), labels.repeat_interleave(codes.shape[1], dim=0)


@dataclass(frozen=True)
class Linear(Readout):
    """A linear classifier; the hyperparameter is C."""

    grid: tuple[float, ...]
    loss: str

    def scores_by_value(
        self, codes: torch.Tensor, labels: torch.Tensor, queries: torch.Tensor, num_classes: int
    ) -> tuple[dict[float, torch.Tensor], list[float]]:
        classifiers = fit_linear(
            *_flatten_views(codes, labels), num_classes, sorted(self.grid), self.loss
        )
        flat, shape = queries.flatten(0, 1), (*queries.shape[:2], num_classes)
        scores = {one.c: one.scores(flat).view(shape).sum(1) for one in classifiers}
        return scores, [one.c for one in classifiers if not one.converged]

    def fit(
        self,
        codes: torch.Tensor,
        labels: torch.Tensor,
        value: float,
        tried: Mapping[str, float],
        shape: HeadShape,
    ) -> tuple[Head, dict[str, Any]]:
        [final] = fit_linear(*_flatten_views(codes, labels), shape.num_classes, [value], self.loss)
        head = LinearHead.from_classifier(
            final, shape.dims, normalise=shape.normalise, power=shape.power
        )
        facts = {
            "c": value,
            "c_at_edge": self._is_at_edge(value, tried),
            "solver_converged": final.converged,
        }
        return head, facts | ({"solved_in_parts": final.num_parts} if final.num_parts > 1 else {})

    def _is_at_edge(self, value: float, tried: Mapping[str, float]) -> bool:
        """Whether a wider grid might be better: the best value is the first or last of the grid,
        and better than its neighbour."""
        grid = sorted(set(self.grid))
        if len(grid) == 1 or value not in (grid[0], grid[-1]):
            return False
        neighbour = grid[1] if value == grid[0] else grid[-2]
        return tried[f"{value:g}"] > tried[f"{neighbour:g}"]


@dataclass(frozen=True)
class Neighbours(Readout):
    """Votes of the nearest neighbours; the hyperparameter is their number."""

    numbers: tuple[int, ...]

    def scores_by_value(
        self, codes: torch.Tensor, labels: torch.Tensor, queries: torch.Tensor, num_classes: int
    ) -> tuple[dict[float, torch.Tensor], list[float]]:
        gallery, gallery_labels = _flatten_views(codes, labels)
        # There may be fewer images than neighbours.
        numbers = {k: min(k, len(gallery)) for k in sorted(set(self.numbers))}
        similarities, rows = nearest(gallery, queries.flatten(0, 1), max(numbers.values()))
        shape = (*queries.shape[:2], num_classes)
        return {
            k: vote(similarities, gallery_labels[rows], num_classes, n).view(shape).sum(1)
            for k, n in numbers.items()
        }, []

    def fit(
        self,
        codes: torch.Tensor,
        labels: torch.Tensor,
        value: float,
        tried: Mapping[str, float],
        shape: HeadShape,
    ) -> tuple[Head, dict[str, Any]]:
        gallery, gallery_labels = _flatten_views(codes, labels)
        k = min(int(value), len(gallery))
        head = NeighboursHead.from_gallery(
            gallery,
            gallery_labels,
            shape.num_classes,
            k,
            shape.dims,
            normalise=shape.normalise,
            power=shape.power,
        )
        return head, {"k": k}


def make_readout(name: str, c: tuple[float, ...], k: tuple[int, ...]) -> Readout:
    """Create the readout of this name: "knn", or the loss of a linear classifier."""
    return Neighbours(k) if name == "knn" else Linear(c, name)
