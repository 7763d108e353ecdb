"""The report of a study: the answers first, then the figure, the tables, the sample images, and what was run.

In: results. Out: one HTML page, and the same tables for the terminal. Nothing is measured or tested here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seedbed.trials.results import Results


def report(results: Results, path: str | Path) -> Path:
    """Answer the study's own question and write the page to `path`; returns the path."""
    from seedbed.verdicts.questions import answer
    from seedbed.writeup.html import write_report

    return write_report(results, answer(results), Path(path))
