"""Worker processes, and a pool of them that runs jobs in order.

In: a module to run, or the name of a function and jobs for it. Out: connections, or results. Each
worker is a new interpreter, not a fork: scripts need no `__main__` guard, and no threads of this
process are copied. A worker and its parent talk over a socket pair.
"""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
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
# Longest time between the end of a connection and the end of its process.
_EXIT_TIMEOUT_S = 5.0
# Jobs that a worker holds at once, so that it does not wait for the next one.
_JOBS_PER_WORKER = 2


@dataclass(frozen=True)
class Worker:
    """A worker process and the connection to it."""

    process: subprocess.Popen[bytes]
    connection: Connection


class WorkerDiedError(SeedbedError):
    """A worker process ended during a job: it was killed, ran out of memory, or crashed in a
    library."""

    kind = "internal"

    def __init__(self, status: int | None) -> None:
        hint = "Out of memory?" if status == -9 else "See its output on stderr."
        super().__init__(f"a worker process ended during a job (exit status {status})", hint)
        self.status = status


def start_worker(module: str, threads: int, sharers: int) -> Worker:
    """Start a new interpreter that runs `module` with the file descriptor of its socket as the
    argument; no other process can connect to it.

    `sharers` is the number of processes that share the memory of the machine.
    """
    parent_end, worker_end = Pipe()
    source_folder = str(Path(__file__).resolve().parents[2])
    environment = (
        os.environ | {name: str(threads) for name in _THREAD_VARIABLES} | {SHARERS: str(sharers)}
    )
    environment["PYTHONPATH"] = os.pathsep.join(
        filter(None, [source_folder, os.environ.get("PYTHONPATH", "")])
    )
    with worker_end:
        process = subprocess.Popen(
            # -P: files in the current folder must not be imported instead of modules.
            [sys.executable, "-P", "-m", module, str(worker_end.fileno())],
            stdin=subprocess.DEVNULL,
            # Only the command itself writes to stdout; warnings go to stderr.
            stdout=subprocess.DEVNULL,
            env=environment,
            pass_fds=[worker_end.fileno()],
            # Ctrl-C in the terminal reaches the parent only, which then stops the workers.
            start_new_session=True,
        )
    return Worker(process, parent_end)


def interrupt_workers(workers: Iterable[Worker], timeout_s: float) -> None:
    """Pass Ctrl-C on to worker processes, and wait until they have ended, at most `timeout_s`."""
    workers, deadline = list(workers), time.monotonic() + timeout_s
    for worker in workers:
        worker.process.send_signal(signal.SIGINT)
    for worker in workers:
        with suppress(subprocess.TimeoutExpired):
            worker.process.wait(max(0.0, deadline - time.monotonic()))


def stop_workers(workers: Iterable[Worker]) -> None:
    """Kill worker processes and wait for their end."""
    workers = list(workers)
    for worker in workers:
        worker.process.kill()
    for worker in workers:
        worker.process.wait()
        worker.connection.close()


def run_jobs(
    function: str,
    jobs: Iterable[Any],
    num_workers: int,
    on_death: Callable[[Any, WorkerDiedError], Any] | None = None,
) -> Generator[Any, None, None]:
    """Run `function` ("package.module:name") on each job in worker processes; yield the results in
    the order of the jobs.

    Jobs and results are pickled. Exceptions of the function are raised here. If a worker dies
    during a job, `on_death` gives the result of this job, and a new worker does the jobs that the
    dead one still held; without `on_death`, WorkerDiedError is raised.
    """
    members = [_Member(function, num_workers) for _ in range(num_workers)]
    pending: deque[_Member] = deque()
    try:
        for i, job in enumerate(jobs):
            if len(pending) >= _JOBS_PER_WORKER * num_workers:
                yield pending.popleft().result(on_death)
            # Workers take turns, so that results come in the order of the jobs.
            member = members[i % num_workers]
            member.begin(job)
            pending.append(member)
        while pending:
            yield pending.popleft().result(on_death)
    finally:
        stop_workers(member.worker for member in members)


class _Member:
    """A member of the pool: a worker process and the jobs that it holds, oldest first."""

    def __init__(self, function: str, num_workers: int) -> None:
        self._function, self._num_workers, self._jobs = function, num_workers, deque[Any]()
        self.worker = start_worker("seedbed.base.pool_worker", 1, num_workers)

    def begin(self, job: Any) -> None:
        """Send a job to the worker."""
        self._jobs.append(job)
        self._send(job)

    def _send(self, job: Any) -> None:
        with suppress(OSError):  # the worker died: `result` reports it
            self.worker.connection.send((self._function, job))

    def result(self, on_death: Callable[[Any, WorkerDiedError], Any] | None) -> Any:
        """The result of the oldest job."""
        job = self._jobs.popleft()
        try:
            value, error = self.worker.connection.recv()
        except (EOFError, OSError):
            with suppress(subprocess.TimeoutExpired):
                # Wait for its own exit status, before it is killed.
                self.worker.process.wait(_EXIT_TIMEOUT_S)
            stop_workers([self.worker])
            died = WorkerDiedError(self.worker.process.returncode)
            if on_death is None:
                raise died from None
            self.worker = start_worker("seedbed.base.pool_worker", 1, self._num_workers)
            for waiting_job in self._jobs:
                self._send(waiting_job)
            return on_death(job, died)
        if error is not None:
            raise error
        return value


def find_function(name: str) -> Any:
    """Import the function "package.module:name"."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)
