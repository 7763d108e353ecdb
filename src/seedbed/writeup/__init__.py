"""The report of a study: the answers first, then the figure, the tables, the sample images, and
what was run.

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
    """Answer the study's own question and write the page to `path`; returns the path. The answers
    go to the study's results, too.

    Raises UsageError when the path is not named as an HTML file: nothing else may be overwritten.
    """
    if Path(path).suffix not in (".html", ".htm"):
        raise UsageError(f"{path} is not named as an HTML file", "Name it like report.html.")
    from seedbed.verdicts.findings import findings
    from seedbed.verdicts.questions import answer
    from seedbed.writeup.html import write_report

    answers = answer(results)
    found = findings(results, answers)
    save_answers(results, answers, found)
    return write_report(results, answers, Path(path), found)


def save_answers(
    results: Results, answers: Sequence[Answer], found: Sequence[Finding] = ()
) -> Path:
    """`NAME.study/answers.json` and `findings.json`: as `seedbed study run --json` prints them."""
    from seedbed.base.artifacts import write_json

    folder = results.study.results_folder
    write_json(folder / "answers.json", [a.to_dict() for a in answers])
    write_json(folder / "findings.json", [f.to_dict() for f in found])
    return folder / "answers.json"
