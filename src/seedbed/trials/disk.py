"""What a workspace holds, and which study refers to it.

In: a workspace. Out: its items, with the studies that need them; and, when asked, the removal of
what none needs. Each run of a study leaves a record in `<workspace>/studies/`; a record whose study
file and results are both gone counts no more, and is told.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from seedbed.base.artifacts import (
    MANIFEST,
    UNFINISHED,
    Workspace,
    folder_bytes,
    remove_abandoned,
    write_json,
)
from seedbed.base.spec import fingerprint
from seedbed.data.store import STORE_JSON
from seedbed.engine.steps import BACKBONES_KIND, MEASUREMENTS_KIND
from seedbed.trials.plan import Plan
from seedbed.trials.study import Study
from seedbed.trials.study_data import record_of

KINDS = ("stores", "backbones", "measurements")


@dataclass(frozen=True, kw_only=True)
class Item:
    """One artifact folder, or the state of a training that was cut off."""

    kind: str
    key: str
    bytes: int
    studies: tuple[str, ...]


def record_study(plan: Plan) -> None:
    """Note which artifacts a study refers to, and which stores stood for its data."""
    study, workspace = plan.study, plan.workspace
    keys = {
        "stores": [
            s.path.name for s in plan.stores.values() if s.path.parent.parent == workspace.root
        ]
    }
    for step in plan.steps:
        keys.setdefault(step.kind, []).append(step.key)
    # Both ways to the study, so that the two may be moved together, or the workspace alone.
    places = {"folder": str(study.folder.resolve()), "relative": _relative(study.folder, workspace)}
    write_json(
        _record(study, workspace),
        {"study": study.name, **places, "keys": keys, "data": record_of(study, plan.stores)},
    )


def read_record(study: Study, workspace: Workspace) -> dict[str, Any]:
    """What the last run of a study left: name -> the store that stood for it; empty where there was
    none."""
    path = _record(study, workspace)
    return json.loads(path.read_text(encoding="utf-8")).get("data", {}) if path.is_file() else {}


def _record(study: Study, workspace: Workspace) -> Path:
    return (
        workspace.root
        / "studies"
        / f"{fingerprint([_relative(study.folder, workspace), study.name])}.json"
    )


def _relative(folder: Path, workspace: Workspace) -> str:
    return os.path.relpath(folder.resolve(), workspace.root.resolve())


def disk_usage(workspace: Workspace) -> list[Item]:
    """Every artifact of the workspace, largest first."""
    users = _users(workspace)
    items = [
        Item(
            kind=kind,
            key=path.name,
            bytes=folder_bytes(path),
            studies=tuple(sorted(users.get((kind, path.name), ()))),
        )
        for kind in KINDS
        for path in _inside(workspace.root / kind)
        if (path / MANIFEST).is_file() or (path / STORE_JSON).is_file()
    ]
    for path in _inside(workspace.unfinished("any").parent):
        if path == workspace.unfinished(path.stem):  # and not one that is being written
            # a measurement may train several times, each with a name behind its key
            step, part, _ = path.stem.partition("-")
            of_step = (MEASUREMENTS_KIND if part else BACKBONES_KIND, step)
            needed = () if workspace.has(*of_step) else sorted(users.get(of_step, ()))
            items.append(
                Item(
                    kind=UNFINISHED, key=path.stem, bytes=path.stat().st_size, studies=tuple(needed)
                )
            )
    return sorted(items, key=lambda item: -item.bytes)


def _inside(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def clean(workspace: Workspace, items: list[Item]) -> int:
    """Remove the items that no study refers to, and what killed processes left; returns the bytes
    freed."""
    freed = 0
    for item in items:
        if not item.studies:
            if item.kind == UNFINISHED:
                workspace.unfinished(item.key).unlink(missing_ok=True)
            else:
                shutil.rmtree(workspace.folder(item.kind, item.key))
            freed += item.bytes
    for kind in (*KINDS, UNFINISHED):
        if (workspace.root / kind).is_dir():
            remove_abandoned(workspace.root / kind)
    return freed


def to_document(items: list[Item]) -> dict[str, Any]:
    """The JSON document of `seedbed disk`."""
    return {
        "bytes": sum(i.bytes for i in items),
        "unreferenced_bytes": sum(i.bytes for i in items if not i.studies),
        "items": [asdict(i) for i in items],
    }


def missing_studies(workspace: Workspace) -> list[str]:
    """Studies that ran here and are no longer found: what they referred to counts as
    unreferenced."""
    return [
        f"{r['study']} in {r['folder']}" for r in _records(workspace) if not _is_there(r, workspace)
    ]


def _users(workspace: Workspace) -> dict[tuple[str, str], set[str]]:
    users: dict[tuple[str, str], set[str]] = {}
    for record in _records(workspace):
        if _is_there(record, workspace):
            for kind, keys in record["keys"].items():
                for key in keys:
                    users.setdefault((kind, key), set()).add(record["study"])
    return users


def _records(workspace: Workspace) -> list[dict[str, Any]]:
    folder = workspace.root / "studies"
    return (
        [json.loads(p.read_text(encoding="utf-8")) for p in sorted(folder.glob("*.json"))]
        if folder.is_dir()
        else []
    )


def _is_there(record: dict[str, Any], workspace: Workspace) -> bool:
    """Whether the study's file or its results still exist, where they were or beside a moved
    workspace."""
    places = (Path(record["folder"]), workspace.root / record["relative"])
    return any(
        (place / f"{record['study']}{suffix}").exists()
        for place in places
        for suffix in (".toml", ".study")
    )
