"""demo, study new/plan/run/status and report: whole studies.

In: parsed options. Out: (document, exit status); 4 when cells failed.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedbed.base.errors import BadDataError, SeedbedError, UsageError
from seedbed.verbs.output import Result, say

if TYPE_CHECKING:
    from seedbed.trials.plan import Plan
    from seedbed.trials.results import Results
    from seedbed.trials.study import Study


def demo(options: Namespace) -> Result:
    import time

    from seedbed.api.studies import run
    from seedbed.demo import write_demo

    started = time.monotonic()
    study = write_demo(options.out, options.seed)
    if not options.json:
        _introduce(study, options.out)
    results = run(study, workspace=Path(options.out) / "seedbed-work")
    document, status = _status(results, options)
    page = _write_report(results, None)
    seconds = time.monotonic() - started
    path = study.folder / "demo.toml"
    say(
        options,
        "",
        f"Report: {page}",
        f"Study file: {path}. Change it, and run it: {_command()} study run {path}",
    )
    say(options, f"{seconds:.0f} s in all.")
    return {
        "study": str(study.results_folder),
        "report": str(page),
        "rows": document["rows"],
        "answers": document["answers"],
        "seconds": seconds,
    }, status


def _command() -> str:
    """How this very program is called from here: its environment need not be active."""
    import shutil

    return "seedbed" if shutil.which("seedbed") else sys.argv[0]


def _introduce(study: Study, out: str) -> None:
    arms = []
    for name, arm in study.arms.items():
        whole = "no pre-training" if arm.init == "random" else "every image"
        arms.append(f"  {name:<10} {str(arm.recipe) or whole}")
    print(
        "What do fewer images, coarser labels, or no pre-training cost on a target?",
        *arms,
        f"Each arm: {len(study.seeds)} seeds, {study.budgets[0]:,} images seen; then probed on "
        f"{' and '.join(study.targets)}.",
        f"All is kept in {out}; if interrupted, the same command goes on from there.",
        sep="\n",
        file=sys.stderr,
    )


def study_new(options: Namespace) -> Result:
    from seedbed.trials.study_file import write_study
    from seedbed.verdicts.questions import question
    from seedbed.verdicts.questions.data_names import is_missing

    study = question(options.question).study(options.source, options.target, options.backbone)
    text = write_study(study)
    names = [(data, False) for data in options.source] + [(data, True) for data in options.target]
    for data, as_target in names:
        if is_missing(data, Path(), as_target=as_target):
            print(
                f"seedbed: {data} does not exist; the study file names it, so create it before "
                "seedbed study run",
                file=sys.stderr,
            )
    if not options.json:
        sys.stdout.write(text)
    return {"study": text}, 0


def study_plan(options: Namespace) -> Result:
    from seedbed.base.artifacts import Workspace
    from seedbed.base.clock import clock
    from seedbed.trials.cost import estimate
    from seedbed.trials.planner import make_plan
    from seedbed.trials.progress import StudyProgress

    study = _load(options)
    with StudyProgress() as progress, _errors_name(options.file):
        plan = make_plan(study, Workspace.at(options.workspace, study.folder), progress.packing)
    cost = estimate(plan)
    done = len(plan.steps) - len(plan.left())
    cells = [
        {
            "arm": c.arm,
            "seed": c.seed,
            "images_seen": c.images_seen,
            "target": c.target,
            "method": c.method,
            "key": c.key,
        }
        | {"done": plan.workspace.has(c.kind, c.key)}
        for c in plan.cells
    ]
    say(options, f"{study.name}: {len(plan.steps)} steps ({done} done), {len(cells)} cells")
    _show_plan(options, plan)
    disk_mb = cost.disk_bytes / 1e6
    say(
        options,
        f"about {clock(cost.seconds)} with {cost.workers} workers, {disk_mb:,.0f} MB of disk",
    )
    return {
        "steps": len(plan.steps),
        "done": done,
        "estimated_seconds": cost.seconds,
        "estimated_disk_bytes": cost.disk_bytes,
        "cells": cells,
    }, 0


def _show_plan(options: Namespace, plan: Plan) -> None:
    for arm in plan.study.arms:
        say(options, f"  {arm}: {_describe_arm(plan, arm)}")
    for target in dict.fromkeys(c.target for c in plan.cells if c.target != "source"):
        cells = [c for c in plan.cells if c.target == target]
        methods = ", ".join(dict.fromkeys(c.method for c in cells))
        say(options, f"  on {target}: by {methods}; {cells[0].num_test:,} test images or queries")
    say(options, *plan.notes, *_limits(plan.study))


def _limits(study: Study) -> list[str]:
    """What the study cannot answer as it stands."""
    from seedbed.verdicts.findings.influences import QUESTION
    from seedbed.verdicts.influence import MIN_NETS

    limits, num = [], len(study.draws)
    if num < 2:
        limits.append("one seed: no interval and no verdict; give at least 2, better 3")
    if study.question == QUESTION and num < MIN_NETS:
        limits.append(
            f"{num} networks: influence needs at least {MIN_NETS}, and a reliable ranking many more"
        )
    return limits


def _describe_arm(plan: Plan, arm: str) -> str:
    """What an arm is trained on, and its training budgets where they are not the study's."""
    spec, common = plan.study.arms[arm], plan.study.pretraining
    view = plan.views.get((arm, plan.study.seeds[0]))
    if not spec.trains or view is None:
        return "an existing checkpoint" if spec.is_checkpoint else "random weights"
    budgets = ""
    if spec.overrides_budgets:
        budgets = f", {' and '.join(f'{n:,}' for n in spec.budgets(common))} images seen"
    return f"{len(view.rows):,} images, {len(view.classes)} classes{budgets}"


def study_run(options: Namespace) -> Result:
    from seedbed.api.studies import run

    study = _load(options)
    with _errors_name(options.file):
        results = run(
            study,
            workspace=options.workspace,
            executor=options.executor,
            workers=options.workers,
            device=options.device,
        )
    document, status = _status(results, options, save=True)
    say(options, "", f"Results: {study.results_folder}", f"Report:  seedbed report {options.file}")
    return document, status


def study_status(options: Namespace) -> Result:
    from seedbed.trials.run import study_status as status_of

    with _errors_name(options.file):
        results = status_of(_load(options), options.workspace)
    return _status(results, options)[0], 0


def report(options: Namespace) -> Result:
    from seedbed.trials.run import study_status as status_of

    with _errors_name(options.file):
        results = status_of(_load(options), options.workspace)
    if not results.outcomes:
        raise BadDataError(
            f"{options.file} has no results yet", f"Run it first: seedbed study run {options.file}."
        )
    page = _write_report(results, options.out)
    say(options, str(page))
    return {"report": str(page)}, 0


@contextmanager
def _errors_name(file: str) -> Iterator[None]:
    """Add the study file to the place of errors in its tables."""
    try:
        yield
    except SeedbedError as error:
        if error.places and error.places[0].startswith("["):
            error.places = (file, *error.places)
        raise


def _load(options: Namespace) -> Study:
    from seedbed.trials.study_file import load_study
    from seedbed.verdicts.questions import question

    if Path(options.file).suffix != ".toml":
        raise UsageError(
            f"{options.file} is not a study file",
            "A study file ends in .toml; make one: seedbed study new QUESTION > FILE.toml",
        )
    study = load_study(Path(options.file))
    if study.question:
        question(study.question)  # an unknown one is refused before anything runs
    return study


def _status(results: Results, options: Namespace, save: bool = False) -> Result:
    """The document of `study run` and `study status`: 4 when cells failed; a run saves the answers
    beside the table."""
    from seedbed.trials.study_data import data_notes
    from seedbed.trials.warnings import measurement_warnings
    from seedbed.verdicts.findings import findings
    from seedbed.verdicts.questions import answer
    from seedbed.writeup import save_answers
    from seedbed.writeup.influence_check import save_checks

    answers = answer(results)
    results_findings = findings(results, answers)
    checks: list[Path] = []
    if save:
        save_answers(results, answers, results_findings)
        checks = save_checks(results, results_findings)
    notes = [*data_notes(results.plan.stores), *results.plan.notes, *measurement_warnings(results)]
    if not options.json:
        _print_summary(results, answers, results_findings)
    say(
        options,
        *([""] if notes else []),
        *notes,
        *(f"the check of the ranking: {_command()} study run {path}" for path in checks),
    )
    document = {
        "study": results.study.name,
        "cells": {"done": results.num_done, "failed": results.num_failed, "left": results.num_left},
        "rows": [o.to_dict() for o in results.outcomes],
        "answers": [a.to_dict() for a in answers],
        "findings": [f.to_dict() for f in results_findings],
        "failures": [asdict(f) for f in results.failures],
        "notes": notes,
    }
    return document, 4 if results.num_failed else 0


def _print_summary(results: Results, answers: list[Any], findings: list[Any]) -> None:
    from rich.console import Console

    from seedbed.writeup.terminal import terminal_summary

    Console(highlight=False).print(terminal_summary(results, answers, findings))
    for failure in results.failures:
        print(f"failed: {failure.label}: {failure.error}")


def _write_report(results: Results, out: str | None) -> Path:
    from seedbed import writeup

    return writeup.report(
        results, Path(out) if out else results.study.results_folder / "report.html"
    )
