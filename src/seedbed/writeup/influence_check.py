"""The check of an influence ranking: a study without the most harmful classes, and without the most
helpful ones, each beside as many classes dropped at random.

In: results with an influence finding. Out: a study file beside the study's file, written once; an
existing file is not changed. It shares the workspace, so that common trainings are run once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from seedbed.base.artifacts import atomic_file
from seedbed.base.call import Call
from seedbed.base.errors import UsageError
from seedbed.trials.results import Results
from seedbed.trials.study import Study
from seedbed.trials.study_file import write_study
from seedbed.verdicts.findings import Finding

DROPPED = 0.1  # share of the classes
_MIN_SEEDS, _MAX_SEEDS = 3, 5
_NOISE = (
    "The ranking is mostly noise (two halves of the networks rank the classes at a correlation of "
    "{:.2f}): expect little of this check."
)


def save_checks(results: Results, findings: Sequence[Finding]) -> list[Path]:
    """Write `NAME-check-TARGET.toml` for each target with a ranking of classes; return the files
    that are new."""
    if results.num_left or results.num_failed:
        return []  # the ranking is not final
    paths = []
    for finding in findings:
        if finding.kind != "influence" or "classes" not in finding.details:
            continue
        check = check_study(results.study, finding)
        path = check.folder / f"{check.name}.toml"
        if path.exists():
            continue
        try:
            text = write_study(check)
        except UsageError:  # data given as objects have no name that a file could hold
            return []
        with atomic_file(path) as aside:
            aside.write_text(text, encoding="utf-8")
        paths.append(path)
    return paths


def check_study(study: Study, finding: Finding) -> Study:
    """The study that checks the ranking of one finding."""
    labels = [row["label"] for row in finding.details["classes"]]
    num_dropped = max(1, round(DROPPED * len(labels)))
    helpful, harmful = (
        str(Call(name="classes", kwargs={"without": dropped}))
        for dropped in (labels[:num_dropped], labels[-num_dropped:])
    )
    slug = re.sub(r"[^\w.-]+", "-", finding.target or "")
    return replace(
        study,
        name=f"{study.name}-check-{slug}",
        question="contrasts",
        reference="all",
        arms={
            "all": "",
            "without-harmful": harmful,
            "like-harmful": str(Call(name="like", kwargs={"recipe": harmful})),
            "without-helpful": helpful,
            "like-helpful": str(Call(name="like", kwargs={"recipe": helpful})),
        },
        seeds=max(_MIN_SEEDS, min(_MAX_SEEDS, len(study.seeds))),
        sample_seeds=None,
        init_seeds=None,
        fine_labels=False,
        comments={"": "\n".join(_header(study, finding, num_dropped))},
    )


def _header(study: Study, finding: Finding, num_dropped: int) -> list[str]:
    lines = [
        f"Do the classes that harm {finding.target} most by {study.name} harm it, and do those "
        "that help it most help?",
        f"A tenth of the classes ({num_dropped}) is dropped. They were ranked on "
        f"{finding.target}'s test images: a fair check uses other images.",
        "Each arm is compared with all classes, and with its control: as many classes dropped at "
        "random.",
    ]
    if finding.verdict != "ranked":
        lines.append(_NOISE.format(finding.details["split_half"]))
    return lines
