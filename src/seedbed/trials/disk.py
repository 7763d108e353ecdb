"""What a workspace holds, and which study refers to it.

In: a workspace. Out: its items, with the studies that need them; and, when asked, the removal of what none needs. Each run of a study
leaves a record in `<workspace>/studies/`; a record whose study file and results are both gone counts no more.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from seedbed.base.artifacts import MANIFEST, Workspace, folder_bytes, sweep, write_json
from seedbed.base.spec import fingerprint
from seedbed.data.store import STORE_JSON
from seedbed.trials.plan import Plan

KINDS = ("stores", "backbones", "measurements")


@dataclass(frozen=True, kw_only=True)
class Item:
    """One artifact folder."""

    kind: str
    key: str
    bytes: int
    studies: tuple[str, ...]


def record_study(plan: Plan) -> None:
    """Note which artifacts a study refers to."""
    folder = plan.workspace.root / "studies"
    folder.mkdir(parents=True, exist_ok=True)
    study = plan.study
    keys = {"stores": [s.path.name for s in plan.stores.values() if s.path.parent.parent == plan.workspace.root]}
    for step in plan.steps:
        keys.setdefault(step.kind, []).append(step.key)
    name = fingerprint([str(study.folder.resolve()), study.name])
    write_json(folder / f"{name}.json", {"study": study.name, "folder": str(study.folder.resolve()), "keys": keys})


def disk_usage(workspace: Workspace) -> list[Item]:
    """Every artifact of the workspace, largest first."""
    users = _users(workspace)
    items = [
        Item(kind=kind, key=path.name, bytes=folder_bytes(path), studies=tuple(sorted(users.get((kind, path.name), ()))))
        for kind in KINDS
        if (workspace.root / kind).is_dir()
        for path in sorted((workspace.root / kind).iterdir())
        if (path / MANIFEST).is_file() or (path / STORE_JSON).is_file()
    ]
    return sorted(items, key=lambda item: -item.bytes)


def clean(workspace: Workspace, items: list[Item]) -> int:
    """Remove the items that no study refers to, and what killed processes left; returns the bytes freed."""
    freed = 0
    for item in items:
        if not item.studies:
            shutil.rmtree(workspace.folder(item.kind, item.key))
            freed += item.bytes
    for kind in KINDS:
        if (workspace.root / kind).is_dir():
            sweep(workspace.root / kind)
    return freed


def to_document(items: list[Item]) -> dict[str, Any]:
    """The JSON document of `seedbed disk`."""
    return {
        "bytes": sum(i.bytes for i in items),
        "unreferenced_bytes": sum(i.bytes for i in items if not i.studies),
        "items": [asdict(i) for i in items],
    }


def _users(workspace: Workspace) -> dict[tuple[str, str], set[str]]:
    users: dict[tuple[str, str], set[str]] = {}
    folder = workspace.root / "studies"
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else []:
        record = json.loads(path.read_text())
        place = Path(record["folder"])
        if not any((place / f"{record['study']}{suffix}").exists() for suffix in (".toml", ".study")):
            continue
        for kind, keys in record["keys"].items():
            for key in keys:
                users.setdefault((kind, key), set()).add(record["study"])
    return users
