"""Worker process of a pool: `python -m seedbed.base.pool_worker FD`.

Started by `seedbed.base.worker_pool` only. In: the file descriptor of an inherited socket, then
(function, job) pairs over it. Out: (value, None) or (None, error) for each job, in order.
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
            return  # the parent process has ended
        except Exception as error:  # a class that exists in the parent process only
            connection.send((None, _unpickling_error(error)))
            continue
        try:
            reply = find_function(function)(job), None
        except SeedbedError as error:
            reply = None, error
        except OSError as error:
            reply = None, OSError(error.errno, error.strerror)
        except Exception as error:  # some exceptions cannot be pickled
            reply = None, RuntimeError(f"{type(error).__name__}: {error}")
        connection.send(reply)


def _unpickling_error(error: Exception) -> SeedbedError:
    return SeedbedError(
        f"a worker process cannot read its job: {error}",
        "Put the classes that jobs need into a module that can be imported, not into a script or a "
        "notebook; or use one worker.",
    )


if __name__ == "__main__":
    main()
