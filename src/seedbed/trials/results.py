"""Results: the tidy table of a study, every number traceable to its artifact.

In: a plan and the workspace's finished artifacts. Out: outcomes (rows), per-image contributions,
CSV and Parquet. Knows nothing of verdicts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seedbed.base.artifacts import Workspace, atomic_file
from seedbed.engine.steps import BACKBONES_KIND, PREDICTIONS, load_arrays
from seedbed.metrics import METRICS
from seedbed.trials.plan import Cell, Plan
from seedbed.trials.study import Study

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One measured number with its identity. Values in percent."""

    study: str
    arm: str
    seed: int
    images_seen: int
    target: str
    method: str
    backbone: str
    metric: str
    unit: str
    value: float
    num_test: int
    higher_is_better: bool
    seconds: float
    key: str
    primary: bool
    epochs: float
    num_train_images: int
    num_train_classes: int
    entropy_bits: float
    hardware: str
    facts: Mapping[str, Any]
    init_seed: int  # the same as `seed`, which draws images and classes, but in a nested design
    backbone_key: str

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A cell's step that failed, and why."""

    key: str
    label: str
    error: str


@dataclass(frozen=True, kw_only=True, repr=False)
class Results:
    """What a study found so far; printed as means over seeds."""

    study: Study
    outcomes: tuple[Outcome, ...]
    failures: tuple[Failure, ...]
    num_cells: int
    num_failed: int
    plan: Plan

    @property
    def num_done(self) -> int:
        return len(
            {(o.arm, o.seed, o.init_seed, o.images_seen, o.target, o.method) for o in self.outcomes}
        )

    @property
    def num_left(self) -> int:
        return self.num_cells - self.num_done - self.num_failed

    def predictions(self, outcome: Outcome) -> dict[str, np.ndarray]:
        """The stored arrays of an outcome's test; its metric computes values from them
        (`seedbed.metrics.metric`)."""
        return self._read(
            "backbones" if outcome.target == "source" else "measurements", outcome.key
        )

    @cached_property
    def _read(self) -> Callable[[str, str], dict[str, np.ndarray]]:
        import functools

        @functools.lru_cache(maxsize=4096)
        def read(kind: str, key: str) -> dict[str, np.ndarray]:
            return load_arrays(self.plan.workspace.folder(kind, key) / PREDICTIONS)

        return read

    def backbones(self) -> dict[str, Path]:
        """Folders of the backbones that were measured, by arm, seed and training budget: what
        `advise` and `transfer` take."""
        folders: dict[str, Path] = {}
        for o in self.outcomes:
            name = (
                f"{o.arm}, seed {o.seed}, {o.images_seen:,} images"
                if o.images_seen
                else f"{o.arm}, seed {o.seed}"
            )
            folder = self.plan.workspace.folder("backbones", o.backbone_key or o.key)
            folders.setdefault(name, folder)
        return folders

    def to_pandas(self) -> pd.DataFrame:
        """One row per outcome; what a method chose is in `facts`, as JSON."""
        import json

        import pandas as pd

        rows = [o.to_dict() | {"facts": json.dumps(dict(o.facts))} for o in self.outcomes]
        return pd.DataFrame(rows, columns=[f.name for f in dataclasses.fields(Outcome)])

    def save(self, folder: Path) -> None:
        """Write results.csv and results.parquet, each whole or not at all."""
        table = self.to_pandas()
        for name, write in (
            ("results.csv", lambda p: table.to_csv(p, index=False)),
            ("results.parquet", table.to_parquet),
        ):
            with atomic_file(folder / name) as aside:
                write(aside)

    def __repr__(self) -> str:
        done = f"{self.num_done} of {self.num_cells} cells done"
        head = f"{self.study.name}: {done}, {self.num_failed} failed"
        table = self.to_pandas()
        if not len(table):
            return head
        places = table[table["primary"]].groupby(
            ["target", "method", "images_seen", "arm"], sort=False
        )["value"]
        return f"{head}\n{places.agg(['mean', 'std', 'count']).round(2).to_string()}"

    def _repr_html_(self) -> str:
        shown = self.to_pandas()
        return str(
            shown[shown["primary"]].drop(columns=["facts", "primary", "key"]).to_html(index=False)
        )


def collect(plan: Plan, failures: Mapping[str, Failure]) -> Results:
    """The results of every finished cell; a failed cell is one whose step, or its pre-training,
    failed and is not done since."""
    outcomes: list[Outcome] = []
    num_failed = 0
    manifests = _Manifests(plan.workspace)
    for cell in plan.cells:
        # A measurement whose backbone was removed counts as left: the next run makes both again.
        if plan.workspace.has(cell.kind, cell.key) and plan.workspace.has(
            BACKBONES_KIND, cell.backbone_key
        ):
            outcomes += _outcomes(plan, cell, manifests)
        elif cell.key in failures or cell.backbone_key in failures:
            num_failed += 1
    still_failed = {
        k: f
        for k, f in failures.items()
        if k in plan.by_key and not plan.workspace.has(plan.by_key[k].kind, k)
    }
    return Results(
        study=plan.study,
        outcomes=tuple(outcomes),
        failures=tuple(still_failed.values()),
        num_cells=len(plan.cells),
        num_failed=num_failed,
        plan=plan,
    )


class _Manifests:
    """Manifests, each read once."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace, self._read = workspace, {}

    def __call__(self, kind: str, key: str) -> dict[str, Any]:
        if (kind, key) not in self._read:
            self._read[kind, key] = self._workspace.manifest(kind, key)
        return self._read[kind, key]


def _outcomes(plan: Plan, cell: Cell, manifests: _Manifests) -> list[Outcome]:
    manifest, training = manifests(cell.kind, cell.key), manifests("backbones", cell.backbone_key)
    common = {
        "study": plan.study.name,
        "arm": cell.arm,
        "seed": cell.seed,
        "init_seed": cell.init_seed,
        "images_seen": cell.images_seen,
        "target": cell.target,
        "method": cell.method,
        "backbone": cell.backbone,
        "num_test": cell.num_test,
        "seconds": manifest["seconds"],
        "key": cell.key,
        "backbone_key": cell.backbone_key,
        "epochs": training["epochs"],
        "num_train_images": training["num_images"] if cell.images_seen else 0,
        "num_train_classes": training["num_classes"] if cell.images_seen else 0,
        "entropy_bits": training["entropy_bits"] if cell.images_seen else 0.0,
        "hardware": manifest["hardware"],
        "facts": manifest.get("facts", {}),
    }
    primary = manifest.get("primary", "top1")
    return [
        Outcome(
            **common,
            metric=name,
            unit=METRICS.get(name).unit,
            value=value,
            higher_is_better=METRICS.get(name).higher_is_better,
            primary=name == primary,
        )
        for name, value in manifest["metrics"].items()
    ]
