"""A pool of worker processes."""

from __future__ import annotations

import pytest

from seedbed.base.worker_pool import WorkerDiedError, run_jobs

_DIE = "__import__('os')._exit(3)"


def test_results_come_in_the_order_of_the_jobs() -> None:
    jobs = [f"(__import__('time').sleep({0.05 * (i % 3 == 0)}), {i})[1]" for i in range(12)]
    assert list(run_jobs("builtins:eval", jobs, 3)) == list(range(12))


def test_an_error_of_the_function_is_raised_in_the_parent() -> None:
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        list(run_jobs("builtins:eval", ["1", "1 / 0", "2"], 2))


def test_a_dead_worker_is_an_error_without_a_handler() -> None:
    with pytest.raises(WorkerDiedError, match="exit status 3"):
        list(run_jobs("builtins:eval", ["1", _DIE, "2"], 2))


def test_after_a_death_a_new_worker_does_the_remaining_jobs() -> None:
    jobs = [_DIE if i in (2, 4, 5) else str(i) for i in range(14)]
    results = list(run_jobs("builtins:eval", jobs, 2, lambda job, died: (job, died.status)))
    assert results == [(_DIE, 3) if i in (2, 4, 5) else i for i in range(14)]


def test_the_exit_status_is_that_of_the_worker() -> None:
    """The connection closes before the process ends."""
    job = (
        "(__import__('os').close(int(__import__('sys').argv[1])), "
        "__import__('time').sleep(0.5), __import__('os')._exit(7))"
    )
    assert list(run_jobs("builtins:eval", [job], 1, lambda _, died: died.status)) == [7]
