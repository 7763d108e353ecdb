"""Tasks by name *(plug-ins)*: `load(store, seed) -> a task`."""

from __future__ import annotations

from abc import ABC, abstractmethod

from seedbed.base.registry import Registry
from seedbed.data.store import Store
from seedbed.metrics import METRICS
from seedbed.tasks.task import Task


class TaskSpec(ABC):
    """How a store becomes a task; a frozen dataclass of its settings."""

    @property
    def is_drawn(self) -> bool:
        """Whether the task is drawn anew with each seed."""
        return False

    @abstractmethod
    def load(self, store: Store, seed: int, *, needs_training_images: bool = True) -> Task:
        """Train, validation and test rows, disjoint; the same at the same seed.

        `needs_training_images=False`, for methods that look at test images alone: training and
        validation rows may be empty, and a data set that has test images alone is not split.
        """


TASKS: Registry[TaskSpec] = Registry("task", "seedbed.tasks")
TASKS.add("adaptation", "seedbed.tasks.catalogue.adaptation:Adaptation")
TASKS.add("classification", "seedbed.tasks.catalogue.classification:Classification")
TASKS.add("detection", "seedbed.tasks.catalogue.detection:Detection")
TASKS.add("multilabel", "seedbed.tasks.catalogue.multilabel:MultiLabel")
TASKS.add("retrieval", "seedbed.tasks.catalogue.retrieval:Retrieval")


def check_primary_metric(metric: str, kind: str) -> None:
    """Raise ValueError for a metric that a task of this kind cannot have as its primary one."""
    names = [name for name in METRICS if kind in METRICS.get(name).primary_for]
    if metric not in names:
        raise ValueError(
            f"metric = {metric!r} is not a metric of {kind}; valid: {', '.join(names)}"
        )


# The task of a store with annotations, unless another one is named.
TASK_OF_ANNOTATIONS = {"boxes": "detection", "marks": "multilabel", "relevance": "retrieval"}
