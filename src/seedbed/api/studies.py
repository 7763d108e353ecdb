"""Study verbs: declare a study or ask a question, run it, read the answers, write the report.

In: data and settings. Out: a Study, its Results, answers, findings, a page.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, final

from seedbed import writeup
from seedbed.base.errors import UsageError
from seedbed.base.paths import expand_user
from seedbed.trials.executors import Event
from seedbed.trials.plan import Plan
from seedbed.trials.progress import StudyProgress
from seedbed.trials.results import Results
from seedbed.trials.run import run_study
from seedbed.trials.study import Study as StudyRecord
from seedbed.trials.study_data import OnPack
from seedbed.trials.study_file import load_study, write_study
from seedbed.verdicts.answer import Answer
from seedbed.verdicts.findings import Finding
from seedbed.verdicts.findings import findings as read_findings
from seedbed.verdicts.questions import answer
from seedbed.verdicts.questions import question as question_named
from seedbed.verdicts.questions.data_names import DataName, resolve_data_names

if TYPE_CHECKING:
    import os


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Study(StudyRecord):
    """A study: the record of `seedbed.trials.study`, with its verbs."""

    @staticmethod
    def load(path: str | os.PathLike[str]) -> Study:
        """The study of a TOML file; errors name the file, the line and the key."""
        return _with_verbs(load_study(Path(path)))

    def to_toml(self) -> str:
        """The study as a commented study file.

        Save it as NAME.toml in the study's folder, since paths are relative to it.

        Raises UsageError for data or a network that were given as objects, which no file can name.
        """
        return write_study(self)

    def run(
        self,
        *,
        workspace: str | os.PathLike[str] | None = None,
        executor: str | None = None,
        device: str = "auto",
        workers: int | None = None,
        on_event: Callable[[Event], None] | None = None,
    ) -> Results:
        """Run the unfinished steps, with progress on stderr, and return all results.

        Args: see `run`.
        """
        return run(
            self,
            workspace=workspace,
            executor=executor,
            device=device,
            workers=workers,
            on_event=on_event,
        )

    def backbones(
        self, *, workspace: str | os.PathLike[str] | None = None, executor: str | None = None
    ) -> dict[str, Path]:
        """Folders of the study's backbones by arm, seed and training budget, for `advise`; the
        unfinished steps are run first."""
        return self.run(workspace=workspace, executor=executor).backbones()


def run(
    study: StudyRecord,
    *,
    workspace: str | os.PathLike[str] | None = None,
    executor: str | None = None,
    device: str = "auto",
    workers: int | None = None,
    on_event: Callable[[Event], None] | None = None,
    on_plan: Callable[[Plan], None] | None = None,
    on_pack: OnPack | None = None,
) -> Results:
    """Run the unfinished steps of a study, with progress on stderr, and return all results.

    Args:
        workspace: the folder of finished steps (default: SEEDBED_WORKSPACE, else `seedbed-work/`
            beside the study).
        executor: "processes" (default where there is more than one core) or "inline", or a plug-in.
        device: "auto", "cpu" or "cuda".
        workers: worker processes (default: one per core on the CPU, one on a GPU).
        on_event: called with each event of a step. `on_plan`, `on_pack`: with the plan, and while
            packing.

    Raises:
        UsageError: a study that cannot be run as it is declared. BadDataError: unusable data.
        StorageError: a full disk.
    """
    with StudyProgress() as progress:

        def report_event(event: Event) -> None:
            progress.hear(event)
            if on_event:
                on_event(event)

        def report_plan(plan: Plan) -> None:
            progress.plan(plan)
            if on_plan:
                on_plan(plan)

        return run_study(
            study,
            workspace=None if workspace is None else Path(workspace),
            executor=executor,
            device=device,
            workers=workers,
            on_plan=report_plan,
            on_event=report_event,
            on_pack=on_pack or progress.packing,
        )


def ask(
    question: str,
    sources: DataName | Sequence[DataName] = (),
    targets: DataName | Sequence[DataName] = (),
    *,
    backbones: str | Sequence[str] = (),
    folder: str | os.PathLike[str] = ".",
    name: str | None = None,
) -> Study:
    """The study that asks a question, as `seedbed study new` writes it.

    `study.run()` runs it; `answers` and `findings` read the results.
    `dataclasses.replace(study, seeds=5)` is the same study with other seeds.

    Args:
        question: its name (docs: questions).
        sources, targets: paths, call strings or stores, one or several (default: embedded data).
        backbones: networks; with several, every arm is run with each.
        folder, name: paths are relative to the folder, and results go to NAME.study/ there.

    Raises:
        UsageError: an unknown question, an invalid call, data that have no path.
        BadDataError: nothing at a path.

    Example:
        >>> import seedbed as sb
        >>> study = sb.ask("fine-or-coarse")
        >>> list(study.arms)
        ['fine', 'coarse20', 'coarse5', 'random']
    """
    place = expand_user(folder).resolve()
    networks = [backbones] if isinstance(backbones, str) else [*map(str, backbones)]
    study = question_named(question).study(
        resolve_data_names(sources, place),
        resolve_data_names(targets, place, as_target=True),
        networks,
        place,
    )
    return _with_verbs(dataclasses.replace(study, name=name or question))


def _with_verbs(study: StudyRecord) -> Study:
    values = {f.name: getattr(study, f.name) for f in dataclasses.fields(study) if f.init}
    return Study(**values)


def answers(results: Results) -> list[Answer]:
    """The answers to the study's question: one per comparison, with its sentence."""
    return answer(_check(results))


def findings(results: Results) -> list[Finding]:
    """Further findings: retained gain, interactions, scaling, influence, ... (docs: questions)."""
    return read_findings(_check(results), answer(results))


def report(results: Results, path: str | os.PathLike[str]) -> Path:
    """Write the report of a study's results as one HTML page.

    Raises UsageError for a path that does not end in .html, or another object.
    """
    return writeup.report(_check(results), Path(path))


def _check(results: Results) -> Results:
    if not isinstance(results, Results):
        raise UsageError(
            f"a {type(results).__name__} is not the results of a study",
            "Give what study.run() returns: sb.Study.load(FILE).run().",
        )
    return results
