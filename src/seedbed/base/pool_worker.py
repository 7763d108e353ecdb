"""A worker of a crew: `python -m seedbed.base.pool_worker FD`, started by `seedbed.base.worker_pool` and by
nobody else.

In: the number of an inherited socket, as the argument; then (function, job) over it. Out: (value,
None) or (None, error) of each, in order.
"""

from __future__ import annotations

import signal
import sys
from multiprocessing.connection import Connection

from seedbed.base.errors import SeedbedError
from seedbed.base.worker_pool import find_function


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = Connection(int(sys.argv[1]))
    while True:
        try:
            function, job = connection.recv()
        except (EOFError, OSError):
            return  # whoever sent the jobs is gone
        except Exception as error:  # a class that only the sender has
            connection.send((None, _unread(error)))
            continue
        try:
            answer = find_function(function)(job), None
        except SeedbedError as error:
            answer = None, error
        except OSError as error:
            answer = None, OSError(error.errno, error.strerror)
        except Exception as error:  # not every exception survives a pickle
            answer = None, RuntimeError(f"{type(error).__name__}: {error}")
        connection.send(answer)


def _unread(error: Exception) -> SeedbedError:
    return SeedbedError(
        f"a worker process cannot read its job: {error}",
        "Classes that jobs need must be in a module that can be imported, not in a script or a notebook; or use one worker.",
    )


if __name__ == "__main__":
    main()
