"""The report of a study: answers, findings, figures, tables, sample images, and conditions.

In: results. Out: one HTML page, and the same tables for the terminal. Nothing is measured or tested
here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seedbed.base.errors import UsageError

if TYPE_CHECKING:
    from seedbed.trials.results import Results
    from seedbed.verdicts.answer import Answer
    from seedbed.verdicts.findings import Finding


def report(results: Results, path: str | Path) -> Path:
    """Answer the study's question and write the report to `path`; returns the path.

    The answers and findings are saved in the study's results folder too. Raises UsageError if the
    path does not end in .html or .htm, so that no other file is overwritten.
    """
    if Path(path).suffix not in (".html", ".htm"):
        raise UsageError(f"{path} is not an HTML file name", "Use a name such as report.html.")
    from seedbed.verdicts.findings import findings
    from seedbed.verdicts.questions import answer
    from seedbed.writeup.html import write_report

    answers = answer(results)
    all_findings = findings(results, answers)
    save_answers(results, answers, all_findings)
    return write_report(results, answers, Path(path), all_findings)


def save_answers(
    results: Results, answers: Sequence[Answer], findings: Sequence[Finding] = ()
) -> Path:
    """Write `NAME.study/answers.json` and `findings.json`, as `seedbed study run --json` prints."""
    from seedbed.base.artifacts import write_json

    folder = results.study.results_folder
    write_json(folder / "answers.json", [a.to_dict() for a in answers])
    write_json(folder / "findings.json", [f.to_dict() for f in findings])
    return folder / "answers.json"
