"""The same check over every registered executor."""

from __future__ import annotations

import pytest

from seedbed.testing import check_executor
from seedbed.trials.executors import EXECUTORS

# Each start of a worker imports torch; tests/trials/test_executors.py runs two workers.
CALLS = {"processes": "processes(workers=1)"}


@pytest.mark.parametrize(
    "name",
    # Each worker process imports torch.
    [pytest.param(n, marks=pytest.mark.slow) if n in CALLS else n for n in EXECUTORS.names()],
)
def test_an_executor_keeps_its_contract(name: str) -> None:
    check_executor(CALLS.get(name, name))
