"""Run a study: plan it, execute the unfinished steps, collect the results.

In: a study. Out: its Results, and the table in `NAME.study/`. A finished step is never repeated. A
failed step is recorded, costs only the cells that need it, and is tried again by the next run.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from seedbed.base.artifacts import Workspace, disk_errors, write_json
from seedbed.base.call import Call, parse_call
from seedbed.base.device import resolve_device
from seedbed.base.errors import UsageError
from seedbed.base.spec import setting_names
from seedbed.trials.disk import read_record, record_study
from seedbed.trials.executors import EXECUTORS, Event, Executor
from seedbed.trials.executors.processes import default_workers
from seedbed.trials.plan import Plan
from seedbed.trials.planner import make_plan
from seedbed.trials.results import Failure, Results, collect
from seedbed.trials.steps import Step
from seedbed.trials.study import Study
from seedbed.trials.study_data import OnPack, recorded

_FAILURES = "failures.json"


def run_study(
    study: Study,
    *,
    workspace: str | Path | None = None,
    executor: str | None = None,
    device: str = "auto",
    workers: int | None = None,
    on_plan: Callable[[Plan], None] | None = None,
    on_event: Callable[[Event], None] | None = None,
    on_pack: OnPack | None = None,
) -> Results:
    """Run the unfinished steps of a study.

    Args:
        study: what to run.
        workspace: the folder of finished steps (default: see `Workspace.at`).
        executor: a call string (default: "processes" where there is more than one core; "inline"
            for arms that are modules).
        device: "auto", "cpu" or "cuda".
        workers: worker processes (default: one per core on the CPU, one on a GPU).
        on_plan, on_event, on_pack: called with the plan, with each event, and while packing.

    Returns:
        Results of all finished cells, and the failures.

    Raises:
        UsageError: a study that cannot be run as it is declared, an unknown executor.
        BadDataError: data that are missing or cannot be used.
        StorageError: a full disk.
    """
    space, device = Workspace.at(workspace, study.folder), resolve_device(device)
    runner = _make_executor(executor, device, workers)
    plan = make_plan(study, space, on_pack)
    if plan.has_user_modules and not runner.runs_in_this_process:
        if executor is not None:
            raise UsageError(
                f"executor {executor!r} cannot send a module of yours to other processes",
                "Leave executor out, or use 'inline'.",
            )
        runner = EXECUTORS.make("inline")
    folder = study.results_folder
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    record_study(plan)
    if on_plan:
        on_plan(plan)
    journal = _Journal(folder, on_event)
    if steps := plan.left():
        journal.begin(steps)
        runner.run(steps, space, device, journal.record)
    results = collect(plan, journal.failures)
    results.save(folder)
    return results


def study_status(study: Study, workspace: str | Path | None = None) -> Results:
    """The results so far; no step is run.

    The data are those of the last run; a study that was never run is packed.
    """
    space = Workspace.at(workspace, study.folder)
    plan = make_plan(study, space, stores=recorded(study, read_record(study, space)))
    return collect(plan, read_failures(study.results_folder))


def _make_executor(executor: str | None, device: str, workers: int | None) -> Executor:
    """The executor of a call string; `workers` is its setting of that name."""
    if workers is not None and workers < 1:
        raise UsageError(f"workers = {workers} must be at least 1")
    if executor is None:
        executor = "processes" if (workers or default_workers(device)) > 1 else "inline"
    call = parse_call(executor, "executor")
    names = setting_names(EXECUTORS.get(call.name))
    options = {"workers": workers} if workers is not None and "workers" in names else {}
    return EXECUTORS.make(Call(name=call.name, args=call.args, kwargs={**call.kwargs, **options}))


def read_failures(folder: Path) -> dict[str, Failure]:
    """The failures of the last run, by key."""
    path = folder / _FAILURES
    rows = json.loads(path.read_text()) if path.is_file() else []
    return {row["key"]: Failure(**row) for row in rows}


class _Journal:
    """Writes events to `run.log`, keeps the failures, and passes events on."""

    def __init__(self, folder: Path, on_event: Callable[[Event], None] | None) -> None:
        self._folder, self._on_event = folder, on_event
        self.failures: dict[str, Failure] = read_failures(folder)

    def begin(self, steps: list[Step]) -> None:
        """Forget the failures of these steps: they are tried again."""
        keys = {step.key for step in steps}
        self.failures = {k: f for k, f in self.failures.items() if k not in keys}
        self._write_failures()
        self._write_line(f"run: {len(steps)} steps to do")

    def record(self, event: Event) -> None:
        step = event.step
        if event.what == "failed":
            self.failures[step.key] = Failure(key=step.key, label=step.label, error=event.error)
            self._write_failures()
        if event.what != "progress":
            line = f"{event.what}: {step.label} [{step.key}] {event.error}\n{event.details}"
            self._write_line(line.strip())
        if self._on_event:
            self._on_event(event)

    def _write_line(self, text: str) -> None:
        path = self._folder / "run.log"
        with disk_errors(path), path.open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")

    def _write_failures(self) -> None:
        path = self._folder / _FAILURES
        if self.failures or path.exists():
            write_json(path, [asdict(f) for f in self.failures.values()])
