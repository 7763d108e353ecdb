"""The check of an influence: a study without the classes that harm most, without those that help
most, each beside as many at random.

In: results with an influence finding. Out: a study file beside the study's own, written once; one
that is there is left alone. It shares the workspace, so that what both need is trained once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from seedbed.base.artifacts import file_aside
from seedbed.base.call import Call, parse_call
from seedbed.base.toml import toml_key, toml_value
from seedbed.trials.arms import Pretraining
from seedbed.trials.data import DataSpec
from seedbed.trials.results import Results
from seedbed.verdicts.findings import Finding

DROPPED = 0.1  # share of the classes
_NOISE = "The ranking is mostly noise (two halves of the nets rank the classes at a correlation of {:.2f}): expect little of this check."


def save_checks(results: Results, findings: Sequence[Finding]) -> list[Path]:
    """`NAME-check-TARGET.toml` for each target whose influences were told; those written now."""
    study, written = results.study, []
    if results.num_left or results.num_failed:
        return []  # the ranking is not what it will be
    if not isinstance(study.source.data, str) or not all(
        isinstance(t.data, str) for t in study.targets.values()
    ):
        return []  # data given as objects have no words
    for finding in findings:
        if finding.kind != "influence" or "classes" not in finding.details:
            continue
        slug = re.sub(r"[^\w.-]+", "-", finding.target or "")
        path = study.folder / f"{study.name}-check-{slug}.toml"
        if path.exists():
            continue
        with file_aside(path) as aside:
            aside.write_text(check_text(results, finding), encoding="utf-8")
        written.append(path)
    return written


def check_text(results: Results, finding: Finding) -> str:
    """The study file of one check."""
    study = results.study
    ranked = [row["label"] for row in finding.details["classes"]]
    num = max(1, round(DROPPED * len(ranked)))
    helpful, harmful = (
        f"classes(without=[{', '.join(map(repr, labels))}])"
        for labels in (ranked[:num], ranked[-num:])
    )
    arms = {
        "all": "",
        "without-harmful": harmful,
        "like-harmful": str(Call(name="like", kwargs={"recipe": harmful})),
        "without-helpful": helpful,
        "like-helpful": str(Call(name="like", kwargs={"recipe": helpful})),
    }
    usual = asdict(Pretraining())
    settings = {
        k: v
        for k, v in asdict(study.pretraining).items()
        if v != usual[k] or k in ("backbone", "images_seen")
    }
    source = {
        "data": study.source.data,
        "size_px": study.source.size_px,
        "hierarchy": study.source.hierarchy,
    }
    doubt = (
        [] if finding.verdict == "ranked" else [f"# {_NOISE.format(finding.details['split_half'])}"]
    )
    top = {
        "question": "contrasts",
        "reference": "all",
        "seeds": max(3, min(5, len(study.seeds))),
        "margin": study.margin,
        "threads": study.threads,
    }
    tables = {
        "source": source,
        "pretraining": settings,
        "arms": arms,
        "targets": {name: _call(target, study.folder) for name, target in study.targets.items()},
        "methods": dict(study.methods),
    }
    lines = [
        f"# Do the classes that harm {finding.target} most by {study.name} harm it, and do those that help it most help?",
        f"# A tenth of the classes ({num}) is dropped. They were ranked on {finding.target}'s test images: a fair check is on other ones.",
        "# Each is compared with all classes, and with its control: as many classes dropped at random.",
        *doubt,
        *_lines(top),
    ]
    for name, table in tables.items():
        lines += ["", f"[{name}]", *_lines(table)]
    return "\n".join([*lines, ""])


def _lines(table: Mapping[str, Any]) -> list[str]:
    return [
        f"{toml_key(key)} = {toml_value(value)}"
        for key, value in table.items()
        if value is not None
    ]


def _call(target: DataSpec, folder: Path) -> str:
    """A target in the words of a study file."""
    own = {k: v for k, v in asdict(target).items() if k != "data" and v is not None}
    data = str(target.data)
    if not own:
        return data
    is_path = not target.is_own_source and ("(" not in data or os.path.exists(folder / data))
    call = Call(name="folder", args=(data,)) if is_path else parse_call(data, "data set")
    return str(replace(call, kwargs=call.kwargs | own))
