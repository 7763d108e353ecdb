"""inline: one step after another in this process, for debugging."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import ClassVar

from seedbed.base.artifacts import Workspace
from seedbed.base.errors import StorageError
from seedbed.engine.steps import torch_threads
from seedbed.trials.executors import Event, Executor, OnEvent
from seedbed.trials.executors.queue import Queue, describe
from seedbed.trials.steps import Step


@dataclass(frozen=True, kw_only=True)
class Inline(Executor):
    """One step after another in this process, for debugging; the same numbers."""

    runs_in_this_process: ClassVar[bool] = True

    def run(self, steps: list[Step], workspace: Workspace, device: str, on_event: OnEvent) -> None:
        queue = Queue(steps, workspace, on_event)
        while (step := queue.take()) is not None:
            on_event(Event(what="began", step=step))
            try:
                with torch_threads(step.threads):
                    step.run(
                        workspace,
                        device,
                        lambda p, s=step: on_event(Event(what="progress", step=s, progress=p)),
                    )
            except StorageError:
                raise
            # A failed step is recorded, and the others go on.
            except Exception as error:
                queue.fail(step, describe(error), traceback.format_exc())
            else:
                on_event(Event(what="done", step=step))
