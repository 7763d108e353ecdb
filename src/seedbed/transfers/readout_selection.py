"""Readouts with one setting (C, or the number of neighbours), chosen on images that were not learnt
from.

In: codes [n, v, d] of v views of each known image, labels, folds, a grid. Out: for each value of
the setting the scores of the held-out images, the best value, and the head fitted on all that is
known. Knows nothing of networks or tasks.
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
    """The value that held-out images chose, the accuracy of each that was tried in percent, and
    which were not solved to the end."""

    best: float
    metric: str
    tried: dict[str, float]
    unsolved: list[float]
    held_out: HeldOut  # at the best value
    positions: np.ndarray  # of the held-out images among the known: int64 [m]
    num_folds: int
    right: tuple[np.ndarray, ...]  # bool [m] for each value tried, where an image has one class

    @property
    def accuracy(self) -> float:
        """The metric (top-1, where an image has one class) at the best value, percent."""
        return self.tried[f"{self.best:g}"]

    def facts(self) -> dict[str, Any]:
        """What a measurement says of how its setting was chosen."""
        unsolved = {"unsolved_on_validation": self.unsolved} if self.unsolved else {}
        return {f"validation_{self.metric}": self.tried, "num_folds": self.num_folds, **unsolved}


@dataclass(frozen=True, kw_only=True)
class HeadShape:
    """What a head has to know of its codes."""

    dims: tuple[int, ...]
    normalise: bool
    power: bool
    num_classes: int


class Readout(ABC):
    """Something with one setting; codes are prepared: normalised where that is asked for."""

    @abstractmethod
    def tried(
        self, codes: torch.Tensor, labels: torch.Tensor, queries: torch.Tensor, num_classes: int
    ) -> tuple[dict[float, torch.Tensor], list[float]]:
        """Scores [m, K] of queries [m, v, d] for each value of the setting, learnt from codes [n,
        v, d]; and the values not solved."""

    @abstractmethod
    def fit(
        self,
        codes: torch.Tensor,
        labels: torch.Tensor,
        value: float,
        tried: Mapping[str, float],
        shape: HeadShape,
    ) -> tuple[Head, dict[str, Any]]:
        """Fitted on all that is known, at one value of those that were tried; and facts."""

    def choose(
        self,
        codes: torch.Tensor,
        labels: torch.Tensor,
        folds: Folds,
        task: ClassScoresTask,
    ) -> Choice:
        """The value of the setting with the best out-of-fold predictions by `task.value`; ties go
        to the smaller.

        Args:
            codes: float [n, v, d], prepared; labels: int64 [n], or marks int8 [n, K], on the same
                device.
            folds: pairs of positions, to learn from and to validate on.
        """
        parts = []
        unsolved: set[float] = set()
        for learnt, held_out in folds:
            scored, failed = self.tried(
                codes[learnt], labels[learnt], codes[held_out], task.num_classes
            )
            parts.append(scored)
            unsolved |= set(failed)
        scores = {value: torch.cat([part[value] for part in parts]) for value in parts[0]}
        positions = np.concatenate([held_out for _, held_out in folds])
        assert len(positions), "nothing is held out to choose by"
        truth = labels[torch.from_numpy(positions).to(labels.device)]
        tried = {value: task.value(s, truth) for value, s in scores.items()}
        best = max(tried, key=lambda value: (tried[value], -value))
        hits = () if task.several_labels else (s.argmax(1) == truth for s in scores.values())
        return Choice(
            best=best,
            metric=task.selection_metric,
            tried={f"{setting:g}": value for setting, value in tried.items()},
            unsolved=sorted(unsolved),
            held_out=HeldOut(scores=scores[best].cpu(), labels=truth.cpu()),
            positions=positions,
            num_folds=len(folds),
            right=tuple(right.cpu().numpy() for right in hits),
        )


def _flat(codes: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Every view as an image of its own."""
    return codes.flatten(0, 1), labels.repeat_interleave(codes.shape[1], dim=0)


@dataclass(frozen=True)
class Linear(Readout):
    """A linear classifier; the setting is C."""

    grid: tuple[float, ...]
    loss: str

    def tried(
        self, codes: torch.Tensor, labels: torch.Tensor, queries: torch.Tensor, num_classes: int
    ) -> tuple[dict[float, torch.Tensor], list[float]]:
        found = fit_linear(*_flat(codes, labels), num_classes, sorted(self.grid), self.loss)
        scores = {
            f.c: f.scores(queries.flatten(0, 1)).view(*queries.shape[:2], num_classes).sum(1)
            for f in found
        }
        return scores, [f.c for f in found if not f.converged]

    def fit(
        self,
        codes: torch.Tensor,
        labels: torch.Tensor,
        value: float,
        tried: Mapping[str, float],
        shape: HeadShape,
    ) -> tuple[Head, dict[str, Any]]:
        final = fit_linear(*_flat(codes, labels), shape.num_classes, [value], self.loss)[0]
        head = LinearHead.of(final, shape.dims, normalise=shape.normalise, power=shape.power)
        facts = {
            "c": value,
            "c_at_edge": self._at_edge(value, tried),
            "solver_converged": final.converged,
        }
        return head, facts | ({"solved_in_parts": final.num_parts} if final.num_parts > 1 else {})

    def _at_edge(self, value: float, tried: Mapping[str, float]) -> bool:
        """Whether a wider grid might do better: the best lies at an end, and above its
        neighbour."""
        grid = sorted(set(self.grid))
        if len(grid) == 1 or value not in (grid[0], grid[-1]):
            return False
        beside = grid[1] if value == grid[0] else grid[-2]
        return tried[f"{value:g}"] > tried[f"{beside:g}"]


@dataclass(frozen=True)
class Neighbours(Readout):
    """Votes of the nearest; the setting is how many."""

    numbers: tuple[int, ...]

    def tried(
        self, codes: torch.Tensor, labels: torch.Tensor, queries: torch.Tensor, num_classes: int
    ) -> tuple[dict[float, torch.Tensor], list[float]]:
        gallery, of_gallery = _flat(codes, labels)
        # all there are, where there are fewer
        reach = {k: min(k, len(gallery)) for k in sorted(set(self.numbers))}
        similarities, rows = nearest(gallery, queries.flatten(0, 1), max(reach.values()))
        shape = (*queries.shape[:2], num_classes)
        return {
            k: vote(similarities, of_gallery[rows], num_classes, n).view(shape).sum(1)
            for k, n in reach.items()
        }, []

    def fit(
        self,
        codes: torch.Tensor,
        labels: torch.Tensor,
        value: float,
        tried: Mapping[str, float],
        shape: HeadShape,
    ) -> tuple[Head, dict[str, Any]]:
        gallery, of_gallery = _flat(codes, labels)
        how = {"normalise": shape.normalise, "power": shape.power}
        k = min(int(value), len(gallery))
        head = NeighboursHead.of(gallery, of_gallery, shape.num_classes, k, shape.dims, **how)
        return head, {"k": k}


def make_readout(name: str, c: tuple[float, ...], k: tuple[int, ...]) -> Readout:
    """The readout by its name: "knn", or the loss of a linear one."""
    return Neighbours(k) if name == "knn" else Linear(c, name)
