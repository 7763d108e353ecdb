"""Tasks by name *(plug-ins)*: `load(store, seed) -> Task`."""

from __future__ import annotations

from abc import ABC, abstractmethod

from seedbed.base.registry import Registry
from seedbed.data.store import Store
from seedbed.tasks.task import Task


class TaskKind(ABC):
    """How a store becomes a task; a frozen dataclass of its settings."""

    @property
    def is_drawn(self) -> bool:
        """Whether the task is drawn anew with each seed."""
        return False

    @abstractmethod
    def load(self, store: Store, seed: int) -> Task:
        """Train, validation and test rows, disjoint; the same at the same seed."""


TASKS: Registry[TaskKind] = Registry("task", "seedbed.tasks")
TASKS.add("adaptation", "seedbed.tasks.catalogue.adaptation:Adaptation")
TASKS.add("classification", "seedbed.tasks.catalogue.classification:Classification")
