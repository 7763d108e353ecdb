"""processes: one worker process per core, or per GPU.

Each worker is a fresh interpreter at the other end of a socket pair, not a fork, so that a script
needs no `__main__` guard. Workers share stores through memory maps. A worker that dies costs its
step one retry. When this process dies, the workers notice and end.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Any

from seedbed.base.artifacts import Workspace
from seedbed.base.device import num_cores
from seedbed.base.errors import SeedbedError, StorageError, UsageError
from seedbed.base.worker_pool import Worker, interrupt_workers, start_worker, stop_workers
from seedbed.trials.executors import Event, Executor, OnEvent
from seedbed.trials.executors.queue import Queue, describe
from seedbed.trials.steps import Step

_WORKER_MODULE = "seedbed.trials.executors.worker"
_MAX_RETRIES = 1
_POLL_S = 1.0
# How long interrupted workers may take to save the states of their trainings.
_SAVE_TIMEOUT_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Processes(Executor):
    """One worker process per core, or per GPU, each with the study's threads.

    `workers`: how many (default: one per core on the CPU, one on a GPU).
    """

    workers: int | None = None

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise UsageError(f"workers = {self.workers} must be at least 1")

    def run(self, steps: list[Step], workspace: Workspace, device: str, on_event: OnEvent) -> None:
        num_workers = self.workers or default_workers(device)
        _Pool(steps, workspace, device, on_event, num_workers).run()


def default_workers(device: str) -> int:
    """One worker per core on the CPU, one on a GPU."""
    return num_cores() if device == "cpu" else 1


@dataclass
class _Place:
    """A worker, the step that it runs, and whether it has started."""

    worker: Worker
    step: Step | None = None
    is_ready: bool = False


class _Pool:
    """The workers of one run."""

    def __init__(
        self,
        steps: list[Step],
        workspace: Workspace,
        device: str,
        on_event: OnEvent,
        num_workers: int,
    ) -> None:
        self._workspace, self._device, self._on_event = workspace, device, on_event
        self._queue = Queue(steps, workspace, on_event)
        self._num_workers, self._num_steps = num_workers, len(steps)
        self._threads = max((s.threads for s in steps), default=1)
        self._places: list[_Place] = []
        # Deaths of the worker that ran a step, by the step's key.
        self._deaths: dict[str, int] = {}
        self._num_dead_at_start = 0

    def run(self) -> None:
        try:
            for _ in range(min(self._num_workers, self._num_steps)):
                self._start_worker()
            while self._give_work():
                self._listen()
        except KeyboardInterrupt:
            # Each worker finishes its training step and saves the state of its training.
            busy = (place.worker for place in self._places if place.is_ready and place.step)
            interrupt_workers(busy, _SAVE_TIMEOUT_S)
            raise
        finally:
            stop_workers(place.worker for place in self._places)

    def _start_worker(self) -> None:
        worker = start_worker(_WORKER_MODULE, self._threads, self._num_workers)
        self._places.append(_Place(worker))

    def _give_work(self) -> bool:
        """Give idle workers steps that can begin; False when nothing runs and nothing is left."""
        for place in self._places:
            if place.step is None and (step := self._queue.take()) is not None:
                place.step = step
                self._on_event(Event(what="began", step=step))
                # If it died while idle, `_listen` reads the end of its connection.
                with suppress(OSError):
                    place.worker.connection.send((step, self._workspace, self._device))
        return any(place.step for place in self._places)

    def _listen(self) -> None:
        connections = [place.worker.connection for place in self._places]
        for connection in wait(connections, timeout=_POLL_S):
            place = next(p for p in self._places if p.worker.connection is connection)
            try:
                what, value, details = place.worker.connection.recv()
            except (EOFError, OSError):
                self._replace_worker(place)
                continue
            self._handle(place, what, value, details)

    def _handle(self, place: _Place, what: str, value: Any, details: str) -> None:
        if what == "ready":
            place.is_ready = True
            return
        step = place.step
        assert step is not None
        if what == "progress":
            self._on_event(Event(what="progress", step=step, progress=value))
            return
        place.step = None
        if what == "done":
            self._on_event(Event(what="done", step=step))
        elif isinstance(value, StorageError):
            raise value
        else:
            self._queue.fail(step, describe(value), details)

    def _replace_worker(self, place: _Place) -> None:
        """A worker died: its step gets one retry, and a new worker starts."""
        status = place.worker.process.wait()
        place.worker.connection.close()
        self._places.remove(place)
        self._num_dead_at_start += not place.is_ready
        # More deaths at the start than workers: none can start at all.
        if self._num_dead_at_start > self._num_workers:
            raise SeedbedError(
                f"a worker ended before it began (exit status {status})",
                "Try --executor inline to see why.",
            )
        if (step := place.step) is not None:
            self._deaths[step.key] = self._deaths.get(step.key, 0) + 1
            if self._deaths[step.key] <= _MAX_RETRIES:
                self._queue.put_back(step)
            else:
                self._queue.fail(
                    step,
                    f"its worker died twice (exit status {status}); out of memory? Try --workers 1",
                )
        self._start_worker()
