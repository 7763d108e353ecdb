"""Studies: ask a question, read the answers, write the report.

In: data and results. Out: studies, answers, findings, a page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from seedbed.base.errors import UsageError
from seedbed.base.paths import expand_user

if TYPE_CHECKING:
    from seedbed.trials.results import Results
    from seedbed.trials.study import Study
    from seedbed.verdicts.answer import Answer
    from seedbed.verdicts.findings import Finding
    from seedbed.verdicts.questions.data_names import DataName


def ask(
    question: str,
    sources: DataName | Sequence[DataName] = (),
    targets: DataName | Sequence[DataName] = (),
    *,
    backbones: str | Sequence[str] = (),
    folder: str | Path = ".",
    name: str | None = None,
) -> Study:
    """The study that asks a question; `seedbed study new` prints the same as a file.

    `study.run()` runs it, and `answers` and `findings` read the results.
    `dataclasses.replace(study, seeds=5)` is the same study with other seeds; `study.to_toml()` is
    its study file.

    Args:
        question: its name (docs/questions.md).
        sources, targets: paths, call strings or stores, one or several; the embedded data if there
            are none.
        backbones: networks; with several, every arm once with each.
        folder, name: paths are relative to the folder; results go to NAME.study/ there, and replace
            those of another study of that name.

    Raises:
        UsageError: an unknown question, an invalid call string, or data that have no path.
        BadDataError: there is nothing at a path.

    Example:
        >>> import seedbed as sb
        >>> study = sb.ask("fine-or-coarse")
        >>> list(study.arms)
        ['fine', 'coarse20', 'coarse5', 'random']
    """
    from seedbed.verdicts.questions import question as question_named
    from seedbed.verdicts.questions.data_names import resolve_data_names

    place = expand_user(folder).resolve()
    networks = [backbones] if isinstance(backbones, str) else [*map(str, backbones)]
    study = question_named(question).study(
        resolve_data_names(sources, place),
        resolve_data_names(targets, place, as_target=True),
        networks,
        place,
    )
    return replace(study, name=name or question)


def answers(results: Results) -> list[Answer]:
    """What the results say of the study's question: one answer per comparison, with its
    sentence."""
    from seedbed.verdicts.questions import answer

    return answer(_results(results))


def findings(results: Results) -> list[Finding]:
    """What the results say besides: retained gain, interactions, scaling, influence, ...
    (docs/questions.md)."""
    from seedbed.verdicts.findings import findings as found
    from seedbed.verdicts.questions import answer

    return found(_results(results), answer(results))


def report(results: Results, path: str | Path) -> Path:
    """Write the report of a study's results as one HTML page; raises UsageError for another name or
    object."""
    from seedbed import writeup

    return writeup.report(_results(results), Path(path))


def _results(results: Results) -> Results:
    from seedbed.trials.results import Results as ResultsOfStudy

    if not isinstance(results, ResultsOfStudy):
        what = type(results).__name__
        raise UsageError(
            f"a {what} is not the results of a study",
            "Give what study.run() returns: sb.Study.load(FILE).run().",
        )
    return results
