"""Running a study: plan, execute what is left, collect.

In: a study. Out: its Results; the table in `NAME.study/`. A finished step is never repeated; a
failed one is recorded, tried again by the next run, and costs only the cells that need it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from seedbed.base.artifacts import Workspace, disk_errors, write_json
from seedbed.base.device import num_cores, resolve_device
from seedbed.base.errors import UsageError
from seedbed.base.paths import expand_user
from seedbed.trials.disk import read_record, record_study
from seedbed.trials.executors import Event, Executor, Inline, Processes
from seedbed.trials.plan import Plan, make_plan
from seedbed.trials.results import Failure, Results, collect
from seedbed.trials.study import Study
from seedbed.trials.study_data import OnPack, recorded

_FAILURES = "failures.json"
EXECUTORS = ("processes", "inline")


def open_workspace(study: Study, workspace: str | Path | None = None) -> Workspace:
    """`workspace`, or SEEDBED_WORKSPACE, or `seedbed-work/` beside the study file."""
    chosen = workspace or os.environ.get("SEEDBED_WORKSPACE") or study.folder / "seedbed-work"
    return Workspace(expand_user(chosen).resolve())


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
    """Run what is not done of a study.

    Args:
        study: what to run.
        workspace: where steps live (default: see `open_workspace`).
        executor: "processes" (default where there is more than one core) or "inline" (always, with
            arms that are modules).
        device: "auto", "cpu" or "cuda".
        workers: processes (default: one per core on the CPU, one on a GPU).
        on_plan, on_event, on_pack: told of the plan, of each step, of packing.

    Returns:
        Results over all cells that are done, failures included.
    """
    place = open_workspace(study, workspace)
    chosen = _executor(executor, resolve_device(device), workers)
    plan = make_plan(study, place, on_pack)
    if plan.has_own_modules and isinstance(chosen, Processes):
        if executor is not None:
            raise UsageError(
                "a module of your own cannot be sent to worker processes",
                "Leave executor out, or say 'inline'.",
            )
        chosen = Inline(resolve_device(device))
    folder = study.results_folder
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    record_study(plan)
    if on_plan:
        on_plan(plan)
    journal = _Journal(folder, on_event)
    left = plan.left()
    if left:
        journal.begin(left)
        chosen.run(left, place, journal.hear)
    results = collect(plan, journal.failures)
    results.save(folder)
    return results


def study_status(study: Study, workspace: str | Path | None = None) -> Results:
    """The results so far, on the data as the last run found them; nothing is run, but packing where
    there was no run."""
    place = open_workspace(study, workspace)
    plan = make_plan(study, place, stores=recorded(study, read_record(study, place)))
    return collect(plan, read_failures(study.results_folder))


def _executor(name: str | None, device: str, workers: int | None) -> Executor:
    if workers is not None and workers < 1:
        raise UsageError(f"workers = {workers} must be at least 1")
    num = workers or (num_cores() if device == "cpu" else 1)
    name = name or ("processes" if num > 1 else "inline")
    if name == "inline":
        return Inline(device)
    if name == "processes":
        return Processes(workers=num, device=device)
    raise UsageError(f"unknown executor {name!r}", f"Valid: {', '.join(EXECUTORS)}.")


def read_failures(folder: Path) -> dict[str, Failure]:
    """Failures of the last run, by key."""
    path = folder / _FAILURES
    rows = json.loads(path.read_text()) if path.is_file() else []
    return {row["key"]: Failure(**row) for row in rows}


class _Journal:
    """Writes what happens to `run.log`, keeps the failures, and passes events on."""

    def __init__(self, folder: Path, on_event: Callable[[Event], None] | None) -> None:
        self._folder, self._on_event = folder, on_event
        self.failures: dict[str, Failure] = read_failures(folder)

    def begin(self, left: list) -> None:
        """The steps that failed before are tried again."""
        keys = {step.key for step in left}
        self.failures = {k: f for k, f in self.failures.items() if k not in keys}
        self._write_failures()
        self._line(f"run: {len(left)} steps to do")

    def hear(self, event: Event) -> None:
        if event.what == "failed":
            self.failures[event.step.key] = Failure(
                key=event.step.key, label=event.step.label, error=event.error
            )
            self._write_failures()
        if event.what != "progress":
            self._line(
                f"{event.what}: {event.step.label} [{event.step.key}] {event.error}\n{event.details}".strip()
            )
        if self._on_event:
            self._on_event(event)

    def _line(self, text: str) -> None:
        path = self._folder / "run.log"
        with disk_errors(path), path.open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")

    def _write_failures(self) -> None:
        path = self._folder / _FAILURES
        if self.failures or path.exists():
            write_json(path, [asdict(f) for f in self.failures.values()])
