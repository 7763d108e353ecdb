"""The queue of steps that every executor takes from.

In: steps, and a workspace that says which are finished. Out: one step that can begin, at a time.
"""

from __future__ import annotations

from seedbed.base.artifacts import Workspace
from seedbed.base.errors import SeedbedError
from seedbed.trials.executors import Event, OnEvent
from seedbed.trials.steps import Step


class Queue:
    """Steps that have not begun: measurements before trainings, long trainings first."""

    def __init__(self, steps: list[Step], workspace: Workspace, on_event: OnEvent) -> None:
        self._waiting = sorted(steps, key=lambda s: (s.needs is None, -s.num_images))
        self._workspace, self._on_event = workspace, on_event
        self._failed: set[str] = set()

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self) -> Step | None:
        """A step that can begin now, or None; waiting steps whose input failed are reported."""
        for step in list(self._waiting):
            need = step.needs
            # Another process that shares the workspace may have finished it.
            if self._workspace.has(step.kind, step.key):
                self._waiting.remove(step)
                self._on_event(Event(what="done", step=step))
            elif need and need[1] in self._failed:
                self._waiting.remove(step)
                self.fail(step, "its pre-training failed")
            elif need is None or self._workspace.has(*need):
                self._waiting.remove(step)
                return step
        return None

    def fail(self, step: Step, error: str, details: str = "") -> None:
        """Report a failure; the steps that need this one will fail too."""
        self._failed.add(step.key)
        self._on_event(Event(what="failed", step=step, error=error, details=details))

    def put_back(self, step: Step) -> None:
        """Let a step begin again, before the others."""
        self._waiting.insert(0, step)


def describe(error: BaseException) -> str:
    """One line for an error of a step."""
    return error.message if isinstance(error, SeedbedError) else f"{type(error).__name__}: {error}"
