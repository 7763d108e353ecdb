"""Executors: what runs where. In: steps that are not done. Out: events, as steps begin, go on, end
or fail.

`inline` runs in this process; `processes` keeps one worker per core, each a fresh interpreter with
`threads` threads, sharing stores through their memory maps. Both give the same numbers. Workers are
fresh interpreters at the other end of a socket pair, not forks, so that a script needs no
`__main__` guard. A worker that dies costs its step one retry; when this process dies, workers
notice and end.
"""

from __future__ import annotations

import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from typing import Literal

from seedbed.base.artifacts import Workspace
from seedbed.base.device import flush_denormals
from seedbed.base.errors import SeedbedError, StorageError
from seedbed.base.worker_pool import Worker, start_worker, stop_workers
from seedbed.models.fit import Progress
from seedbed.trials.steps import Step

_RETRIES = 1


@dataclass(frozen=True, kw_only=True)
class Event:
    """What happened to a step."""

    what: Literal["began", "progress", "done", "failed"]
    step: Step
    progress: Progress | None = None
    error: str = ""
    details: str = ""  # traceback


OnEvent = Callable[[Event], None]


class Executor(ABC):
    """Runs steps whose inputs are there, until none is left; a failed step fails those that need
    it."""

    @abstractmethod
    def run(self, steps: list[Step], workspace: Workspace, on_event: OnEvent) -> None:
        """Run all of `steps`; raises StorageError when the disk is full, KeyboardInterrupt when
        interrupted, workers ended."""


class Queue:
    """The steps not yet begun; gives a ready one, measurements before trainings, long trainings
    first."""

    def __init__(self, steps: list[Step], workspace: Workspace, on_event: OnEvent) -> None:
        self._waiting = sorted(steps, key=lambda s: (s.needs is None, -s.num_images))
        self._workspace, self._on_event = workspace, on_event
        self._failed: set[str] = set()

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self) -> Step | None:
        """A step that can begin now, or None; the waiting ones whose input failed are reported as
        failed."""
        for step in list(self._waiting):
            need = step.needs
            # another process that shares the workspace was first
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
        self._failed.add(step.key)
        self._on_event(Event(what="failed", step=step, error=error, details=details))

    def again(self, step: Step) -> None:
        self._waiting.insert(0, step)


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """This many threads for torch inside the block; tiny numbers count as zero."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with flush_denormals():
            yield
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True)
class Inline(Executor):
    """One step after another in this process, for debugging; the same numbers."""

    device: str = "cpu"

    def run(self, steps: list[Step], workspace: Workspace, on_event: OnEvent) -> None:
        queue = Queue(steps, workspace, on_event)
        while (step := queue.take()) is not None:
            on_event(Event(what="began", step=step))
            try:
                with torch_threads(step.threads):
                    step.run(
                        workspace,
                        self.device,
                        lambda p, s=step: on_event(Event(what="progress", step=s, progress=p)),
                    )
            except StorageError:
                raise
            except Exception as error:  # a failing cell is recorded and the rest carried on
                queue.fail(step, describe(error), traceback.format_exc())
            else:
                on_event(Event(what="done", step=step))


def describe(error: BaseException) -> str:
    """One line for an error of a step."""
    return error.message if isinstance(error, SeedbedError) else f"{type(error).__name__}: {error}"


@dataclass
class _Worker:
    worker: Worker
    step: Step | None = None
    ready: bool = False  # it has said so


@dataclass
class Processes(Executor):
    """One worker process per core (or per GPU), each with the study's threads."""

    workers: int
    device: str = "cpu"
    _deaths: dict[str, int] = field(default_factory=dict)
    _stillborn: int = 0

    def run(self, steps: list[Step], workspace: Workspace, on_event: OnEvent) -> None:
        queue = Queue(steps, workspace, on_event)
        pool: list[_Worker] = []
        threads = max((s.threads for s in steps), default=1)
        try:
            for _ in range(min(self.workers, len(steps))):
                _add_worker(pool, threads, self.workers)
            while self._feed(pool, queue, workspace, on_event):
                self._listen(pool, queue, threads, on_event)
        finally:
            stop_workers(w.worker for w in pool)

    def _feed(
        self, pool: list[_Worker], queue: Queue, workspace: Workspace, on_event: OnEvent
    ) -> bool:
        """Give idle workers what is ready; False when nothing runs and nothing is left."""
        for worker in pool:
            if worker.step is None and (step := queue.take()) is not None:
                worker.step = step
                on_event(Event(what="began", step=step))
                # it died while idle: `_listen` hears the end of its connection and buries it
                with suppress(OSError):
                    worker.worker.connection.send((step, workspace, self.device))
        return any(w.step for w in pool)

    def _listen(self, pool: list[_Worker], queue: Queue, threads: int, on_event: OnEvent) -> None:
        for ready in wait([w.worker.connection for w in pool], timeout=1.0):
            worker = next(w for w in pool if w.worker.connection is ready)
            try:
                what, value, details = worker.worker.connection.recv()
            except (EOFError, OSError):
                self._bury(worker, pool, queue, threads)
                continue
            self._hear(worker, what, value, details, queue, on_event)

    def _hear(
        self,
        worker: _Worker,
        what: str,
        value: object,
        details: str,
        queue: Queue,
        on_event: OnEvent,
    ) -> None:
        if what == "ready":
            worker.ready = True
            return
        step = worker.step
        assert step is not None
        if what == "progress":
            on_event(Event(what="progress", step=step, progress=value))  # pyright: ignore[reportArgumentType]
            return
        worker.step = None
        if what == "done":
            on_event(Event(what="done", step=step))
        elif isinstance(value, StorageError):
            raise value
        else:
            queue.fail(step, describe(value), details)  # pyright: ignore[reportArgumentType]

    def _bury(self, worker: _Worker, pool: list[_Worker], queue: Queue, threads: int) -> None:
        """A worker died: its step gets one retry, and another worker takes its place."""
        status = worker.worker.process.wait()
        worker.worker.connection.close()
        pool.remove(worker)
        self._stillborn += not worker.ready
        if self._stillborn > self.workers:  # not one that was killed: none can begin
            raise SeedbedError(
                f"a worker ended before it began (exit status {status})",
                "Try --executor inline to see why.",
            )
        if (step := worker.step) is not None:
            self._deaths[step.key] = self._deaths.get(step.key, 0) + 1
            if self._deaths[step.key] <= _RETRIES:
                queue.again(step)
            else:
                queue.fail(
                    step,
                    f"its worker died twice (exit status {status}); out of memory? Try --workers 1",
                )
        _add_worker(pool, threads, self.workers)


def _add_worker(pool: list[_Worker], threads: int, sharers: int) -> None:
    pool.append(_Worker(start_worker("seedbed.trials.worker", threads, sharers)))
