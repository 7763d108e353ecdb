"""Executors *(plug-ins)*: `run(steps, workspace, device, on_event)` decides where steps run.

In: steps that are not finished. Out: their artifacts in the workspace, and events. Every executor
gives the same numbers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

from seedbed.base.artifacts import Workspace
from seedbed.base.registry import Registry
from seedbed.models.training_progress import Progress
from seedbed.trials.steps import Step


@dataclass(frozen=True, kw_only=True)
class Event:
    """What happened to a step; `details` holds the traceback of a failure."""

    what: Literal["began", "progress", "done", "failed"]
    step: Step
    progress: Progress | None = None
    error: str = ""
    details: str = ""


OnEvent = Callable[[Event], None]


class Executor(ABC):
    """Runs steps; a frozen dataclass of its settings."""

    # Whether steps may hold a module of the user, which exists in this process alone.
    runs_in_this_process: ClassVar[bool] = False

    @abstractmethod
    def run(self, steps: list[Step], workspace: Workspace, device: str, on_event: OnEvent) -> None:
        """Run all steps whose inputs exist or come to exist.

        A failed step is reported as an event, and fails the steps that need it; the others go on.
        `seedbed.trials.executors.queue.Queue` keeps that order.

        Raises StorageError when the disk is full, and KeyboardInterrupt when interrupted; no
        process is left behind.
        """


EXECUTORS: Registry[Executor] = Registry("executor", "seedbed.executors")
EXECUTORS.add("inline", "seedbed.trials.executors.inline:Inline")
EXECUTORS.add("processes", "seedbed.trials.executors.processes:Processes")
