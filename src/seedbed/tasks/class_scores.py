"""Tasks whose methods predict a score for each image and class.

In: a store and rows of it. Out: what methods need to train on such a task and to choose settings by
held-out images, whether an image has one label or several.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from seedbed.tasks.task import Task

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """Out-of-fold predictions: scores float [n, K] of images that the model was not trained on,
    and their labels, int64 [n] or marks int8 [n, K]."""

    scores: torch.Tensor
    labels: torch.Tensor


@dataclass(frozen=True, kw_only=True)
class ClassScoresTask(Task):
    """A task that is scored by class scores float [t, K] of its test images."""

    several_labels: ClassVar[bool]  # whether an image may have several of the classes, or none

    @property
    @abstractmethod
    def selection_metric(self) -> str:
        """The metric of `value`, in names of facts: `validation_top1`."""

    @abstractmethod
    def labels(self, rows: np.ndarray) -> np.ndarray:
        """Labels of training or validation rows: int64 [n], or marks int8 [n, K] (1 yes, -1 no, 0
        difficult). Other rows are refused."""

    @abstractmethod
    def value(self, scores: torch.Tensor, labels: torch.Tensor) -> float:
        """How good scores float [n, K] of held-out images are, in percent; settings are chosen by
        it."""
