"""A worker process of the executor `processes`: `python -m seedbed.trials.executors.worker`.

In: the number of an inherited socket, as the argument; then steps over it. Out: ready, progress,
done, failed. It ends when the executor ends, for whatever reason.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
import time
import traceback
from multiprocessing.connection import Connection

from seedbed.base.artifacts import Workspace
from seedbed.base.errors import SeedbedError
from seedbed.engine.steps import torch_threads
from seedbed.models.training_progress import Progress
from seedbed.trials.steps import Step

_Work = tuple[Step, Workspace, str]
_REPORT_EVERY_S = 1.0
_INTERRUPTED = 130


def main() -> None:
    # The terminal's Ctrl-C does not reach this process: the executor passes it on. A training then
    # saves its state.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    connection = Connection(int(sys.argv[1]))
    steps: queue.Queue[_Work] = queue.Queue()
    try:
        threading.Thread(target=_receive, args=(connection, steps), daemon=True).start()
        connection.send(("ready", None, ""))
        while True:
            _work(connection, *steps.get())
    except KeyboardInterrupt:
        os._exit(_INTERRUPTED)


def _receive(connection: Connection, steps: queue.Queue[_Work]) -> None:
    while True:
        try:
            steps.put(connection.recv())
        except (EOFError, OSError):
            os._exit(1)  # the executor is gone: nothing half-done may go on


def _work(connection: Connection, step: Step, workspace: Workspace, device: str) -> None:
    last = 0.0

    def report(progress: Progress) -> None:
        nonlocal last
        if time.monotonic() - last >= _REPORT_EVERY_S:
            last = time.monotonic()
            connection.send(("progress", progress, ""))

    try:
        with torch_threads(step.threads):
            step.run(workspace, device, report)
    except Exception as error:  # whatever it is, the executor records it
        connection.send(("failed", _sendable(error), traceback.format_exc()))
    else:
        connection.send(("done", None, ""))


def _sendable(error: Exception) -> Exception:
    """The error itself where it is one of seedbed's, else its message: not every exception can be
    pickled."""
    return (
        error
        if isinstance(error, SeedbedError)
        else RuntimeError(f"{type(error).__name__}: {error}")
    )


if __name__ == "__main__":
    main()
