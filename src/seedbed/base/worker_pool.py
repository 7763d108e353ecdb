"""Worker processes: fresh interpreters at the other end of a socket pair, and a crew of them that
does jobs in order.

In: a module to run, or a function by its name and jobs for it. Out: connections, or results. Fresh
interpreters, not forks, so that a script needs no `__main__` guard and no thread of this process is
copied. Knows nothing of what is done.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from seedbed.base.device import SHARERS
from seedbed.base.errors import SeedbedError

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_DYING_S = 5.0  # between the end of a connection and that of its process
_AHEAD = 2  # jobs that a worker holds, so that it need not wait for the next


@dataclass(frozen=True)
class Worker:
    """A process and the line to it."""

    process: subprocess.Popen[bytes]
    connection: Connection


class WorkerDiedError(SeedbedError):
    """A worker ended in the middle of a job: killed, out of memory, or brought down by a
    library."""

    kind = "internal"

    def __init__(self, status: int | None) -> None:
        hint = "Out of memory?" if status == -9 else "What it wrote on stderr says more."
        super().__init__(f"a worker ended in the middle of a job (exit status {status})", hint)
        self.status = status


def start_worker(module: str, threads: int, sharers: int) -> Worker:
    """A fresh interpreter that runs `module` with the number of its socket as the argument: nothing
    for others to reach.

    `sharers` is how many such processes share the machine.
    """
    ours, theirs = Pipe()
    source = str(Path(__file__).resolve().parents[2])
    environment = (
        os.environ | {name: str(threads) for name in _THREAD_VARIABLES} | {SHARERS: str(sharers)}
    )
    environment["PYTHONPATH"] = os.pathsep.join(
        filter(None, [source, os.environ.get("PYTHONPATH", "")])
    )
    with theirs:
        process = subprocess.Popen(
            # -P: files of the user's current folder must not stand in for modules.
            [sys.executable, "-P", "-m", module, str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # stdout carries data only; warnings go to stderr
            env=environment,
            pass_fds=[theirs.fileno()],
            # the terminal's Ctrl-C reaches this process alone, which then ends the workers
            start_new_session=True,
        )
    return Worker(process, ours)


def end_workers(workers: Iterable[Worker]) -> None:
    """Kill them and wait until they are gone."""
    workers = list(workers)
    for worker in workers:
        worker.process.kill()
    for worker in workers:
        worker.process.wait()
        worker.connection.close()


def do_jobs(
    function: str,
    jobs: Iterable[Any],
    num_workers: int,
    on_death: Callable[[Any, WorkerDiedError], Any] | None = None,
) -> Generator[Any, None, None]:
    """Results of `function` ("package.module:name") for each job, in the order of the jobs, by some
    worker processes.

    Jobs and results are pickled. An exception of the function's is raised here. Of a job in whose
    middle a worker ended, `on_death` gives the result, and another worker goes on with what that
    one had before it; without it WorkerDiedError is raised.
    """
    crew = [_Member(function, num_workers) for _ in range(num_workers)]
    order: deque[_Member] = deque()
    try:
        for i, job in enumerate(jobs):
            if len(order) >= _AHEAD * num_workers:
                yield order.popleft().result(on_death)
            member = crew[i % num_workers]  # in turn: results come back in the order of the jobs
            member.begin(job)
            order.append(member)
        while order:
            yield order.popleft().result(on_death)
    finally:
        end_workers(member.worker for member in crew)


class _Member:
    """A place in the crew: a worker, and the jobs that it holds, oldest first."""

    def __init__(self, function: str, num_workers: int) -> None:
        self._function, self._num_workers, self._held = function, num_workers, deque[Any]()
        self.worker = start_worker("seedbed.base.pool_worker", 1, num_workers)

    def begin(self, job: Any) -> None:
        self._held.append(job)
        self._send(job)

    def _send(self, job: Any) -> None:
        with suppress(OSError):  # it died: its next result says so
            self.worker.connection.send((self._function, job))

    def result(self, on_death: Callable[[Any, WorkerDiedError], Any] | None) -> Any:
        """Of the oldest job."""
        job = self._held.popleft()
        try:
            value, error = self.worker.connection.recv()
        except (EOFError, OSError):
            with suppress(subprocess.TimeoutExpired):
                self.worker.process.wait(_DYING_S)  # its own status, not that of being killed
            end_workers([self.worker])
            died = WorkerDiedError(self.worker.process.returncode)
            if on_death is None:
                raise died from None
            self.worker = start_worker("seedbed.base.pool_worker", 1, self._num_workers)
            for waiting in self._held:
                self._send(waiting)
            return on_death(job, died)
        if error is not None:
            raise error
        return value


def find_function(name: str) -> Any:
    """The function of a "package.module:name"."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)
