"""The check of an influence: a study without the classes that harm most, without those that help most, and without as many at random.

In: results with an influence finding. Out: a study file beside the study's own, written once; one that is there is left alone. It shares
the workspace, so that what both need is trained once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from seedbed.base.artifacts import file_aside
from seedbed.trials.arms import Pretraining
from seedbed.trials.results import Results
from seedbed.verdicts.findings import Finding

DROPPED = 0.1  # share of the classes


def save_checks(results: Results, findings: Sequence[Finding]) -> list[Path]:
    """`NAME-check-TARGET.toml` for each target whose influences were told; those written now."""
    study, written = results.study, []
    if not isinstance(study.source.data, str) or not all(isinstance(t.data, str) for t in study.targets.values()):
        return []  # data given as objects have no words
    for finding in findings:
        if finding.kind != "influence" or "classes" not in finding.details:
            continue
        path = study.folder / f"{study.name}-check-{finding.target}.toml"
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
    helpful, harmful = (f"classes(without=[{', '.join(map(repr, labels))}])" for labels in (ranked[:num], ranked[-num:]))
    arms = {
        "all": "",
        "without-harmful": harmful,
        "without-helpful": helpful,
        "without-random": f"like(recipe={json.dumps(harmful)})",
    }
    usual = asdict(Pretraining())
    settings = {k: v for k, v in asdict(study.pretraining).items() if v != usual[k] or k in ("backbone", "images_seen")}
    source = {"data": study.source.data, "size_px": study.source.size_px, "hierarchy": study.source.hierarchy}
    tables = {
        "source": {k: v for k, v in source.items() if v is not None},
        "pretraining": settings,
        "arms": arms,
        "targets": {name: _call(target) for name, target in study.targets.items()},
        "methods": dict(study.methods),
    }
    lines = [
        f"# Do the classes that harm {finding.target} most by {study.name} harm it, and do those that help it most help?",
        f"# A tenth of the classes ({num}) is dropped. They were ranked on {finding.target}'s test images: a fair check is on other ones.",
        'reference = "all"',
        f"seeds     = {max(3, min(5, len(study.seeds)))}",
        f"margin    = {study.margin}",
    ]
    for name, table in tables.items():
        lines += ["", f"[{name}]", *(f"{json.dumps(key)} = {_toml(value)}" for key, value in table.items())]
    return "\n".join([*lines, ""])


def _call(target: Any) -> str:
    """A target in the words of a study file."""
    own = {k: v for k, v in asdict(target).items() if k != "data" and v is not None}
    if not own:
        return target.data
    if "(" not in target.data and target.data != "source":
        inside, name = [repr(target.data)], "folder"
    else:
        name, _, rest = target.data.partition("(")
        inside = [rest.removesuffix(")")] if rest.removesuffix(")") else []
    return f"{name}({', '.join([*inside, *(f'{k}={v!r}' for k, v in own.items())])})"


def _toml(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)
