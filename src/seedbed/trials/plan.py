"""The plan of a study: its cells, and the steps behind them, each with its key.

In: a study and a workspace. Out: packed stores, cells and steps; equal steps are one. Nothing is trained here.
A key is the hash of the step's spec and inputs and a revision: never of a name, a path, a device or the number of workers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from seedbed.base.artifacts import Workspace
from seedbed.base.errors import SeedbedError
from seedbed.base.spec import fingerprint
from seedbed.data import decode
from seedbed.data.formats import open_source
from seedbed.data.pack import Progress as PackProgress
from seedbed.data.pack import pack
from seedbed.data.source import Source
from seedbed.data.store import Store
from seedbed.data.view import View, make_view
from seedbed.pretraining import pretrain
from seedbed.tasks.catalogue.classification import Classification
from seedbed.transfers.methods import METHODS
from seedbed.trials.steps import BACKBONES_KIND, MEASUREMENTS_KIND, MeasureStep, PretrainStep, Step
from seedbed.trials.study import Data, Study

DEFAULT_SIZE_PX = 32


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One entry of the results: an arm at a seed and a budget, on a target by a method; the source itself is a target too."""

    arm: str
    seed: int
    images_seen: int
    target: str
    method: str
    backbone: str
    kind: str
    key: str
    backbone_key: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All cells of a study in order, and each distinct step once."""

    study: Study
    workspace: Workspace
    cells: tuple[Cell, ...]
    steps: tuple[Step, ...]
    views: dict[tuple[str, int], View]  # (arm, seed) -> view, of the arms that train
    stores: dict[str, Store]  # "source" and each target

    @cached_property
    def by_key(self) -> dict[str, Step]:
        return {step.key: step for step in self.steps}

    def left(self) -> list[Step]:
        """Steps that are not done."""
        return [step for step in self.steps if not self.workspace.has(step.kind, step.key)]


def make_plan(study: Study, workspace: Workspace, on_pack: Callable[[str], PackProgress | None] | None = None) -> Plan:
    """Pack what is not packed, and name every step."""
    stores = {
        name: _store(study, data, name, workspace, on_pack) for name, data in [("source", study.source), *study.targets.items()]
    }
    return _Planner(study, workspace, stores).plan()


def store_folder(source: Source, size_px: int, workspace: Workspace) -> Path:
    """Where the workspace keeps the store of a source as listed now."""
    return workspace.folder("stores", fingerprint({"listing": source.listing, "size_px": size_px, "decoder": decode.REVISION}))


def size_of(study: Study, data: Data) -> int:
    """A target is packed at the source's size unless it says otherwise."""
    return data.size_px or study.source.size_px or DEFAULT_SIZE_PX


def open_data(study: Study, data: Data) -> Source | Store:
    """The source or the store that a study's data names, paths relative to the study's folder."""
    if isinstance(data.data, Source | Store):
        return data.data
    path = Path(data.data).expanduser()
    path = path if path.is_absolute() else study.folder / path
    if Store.is_at(path):
        return Store.open(path)
    if path.exists():
        return open_source(str(path), hierarchy=data.hierarchy)
    if "(" in data.data:
        return open_source(_relative_call(data.data, study.folder), hierarchy=data.hierarchy)
    return open_source(data.data, hierarchy=data.hierarchy)


def _relative_call(text: str, folder: Path) -> str:
    """A data call whose first argument, where it is a relative path, is taken from the study's folder."""
    from seedbed.base.call import Call, parse_call

    call = parse_call(text, "data set")
    if call.args and isinstance(call.args[0], str) and not Path(call.args[0]).expanduser().is_absolute():
        return str(Call(name=call.name, args=(str(folder / call.args[0]), *call.args[1:]), kwargs=call.kwargs))
    return text


def _store(
    study: Study, data: Data, name: str, workspace: Workspace, on_pack: Callable[[str], PackProgress | None] | None
) -> Store:
    try:
        opened = open_data(study, data)
        if isinstance(opened, Store):
            return opened
        size_px = size_of(study, data)
        folder = store_folder(opened, size_px, workspace)
        return pack(opened, folder, size_px=size_px, progress=on_pack(name) if on_pack else None).store
    except SeedbedError as error:
        where = "[source]" if name == "source" else f"[targets] {name}"
        raise type(error)(f"{where}: {error.message}", error.hint) from None


class _Planner:
    """Walks arms, seeds, budgets, targets and methods in the order of the study."""

    def __init__(self, study: Study, workspace: Workspace, stores: dict[str, Store]) -> None:
        self._study, self._workspace, self._stores = study, workspace, stores
        self._cells: list[Cell] = []
        self._steps: dict[str, Step] = {}
        self._views: dict[tuple[str, int], View] = {}
        self._tasks: dict[tuple[str, int], str] = {}

    def plan(self) -> Plan:
        for arm in self._study.arms:
            for images_seen in self._study.arms[arm].budgets(self._study.pretraining):
                for seed in self._study.seeds:
                    self._add_arm(arm, images_seen, seed)
        return Plan(
            study=self._study,
            workspace=self._workspace,
            cells=tuple(self._cells),
            steps=tuple(self._steps.values()),
            views=self._views,
            stores=self._stores,
        )

    def _add_arm(self, arm: str, images_seen: int, seed: int) -> None:
        step = self._pretrain_step(arm, images_seen, seed)
        self._steps.setdefault(step.key, step)
        common = {"arm": arm, "seed": seed, "images_seen": images_seen, "backbone": step.backbone, "backbone_key": step.key}
        if images_seen:
            self._cells.append(Cell(**common, target="source", method="pretraining", kind=BACKBONES_KIND, key=step.key))
        for target, data in self._study.targets.items():
            for name, method in self._study.methods.items():
                measure = self._measure_step(step, target, data, name, method, seed)
                self._steps.setdefault(measure.key, measure)
                self._cells.append(Cell(**common, target=target, method=name, kind=MEASUREMENTS_KIND, key=measure.key))

    def _pretrain_step(self, arm: str, images_seen: int, seed: int) -> PretrainStep:
        spec = self._study.arms[arm]
        how = spec.pretraining(self._study.pretraining)
        view = self._view(arm, seed)
        architecture, objective, schedule = how.architecture(), how.objective_spec(), how.schedule(images_seen)
        key = fingerprint(
            {
                "step": "pretraining",
                "revision": [pretrain.REVISION, architecture.revision, objective.revision],
                "view": view.fingerprint,
                "architecture": architecture,
                # Random weights depend neither on the objective nor on the schedule.
                "training": [objective, schedule] if images_seen else None,
                "seed": seed,
                "threads": self._study.threads,
            }
        )
        label = f"{arm}, seed {seed}, " + (f"{images_seen:,} images" if images_seen else "random weights")
        return PretrainStep(
            key=key,
            label=label,
            num_images=images_seen,
            threads=self._study.threads,
            store=view.store.path,
            recipe=spec.recipe,
            seeds=pretrain.Seeds(sample=seed, init=seed),
            backbone=how.backbone,
            objective=how.objective,
            schedule=schedule,
        )

    def _view(self, arm: str, seed: int) -> View:
        if (arm, seed) not in self._views:
            try:
                self._views[arm, seed] = make_view(self._stores["source"], self._study.arms[arm].recipe, seed)
            except SeedbedError as error:
                raise type(error)(f"[arms] {arm}: {error.message}", error.hint) from None
        return self._views[arm, seed]

    def _measure_step(self, backbone: PretrainStep, target: str, data: Data, name: str, method: str, seed: int) -> MeasureStep:
        made = METHODS.make(method)
        key = fingerprint(
            {
                "step": "measurement",
                "revision": made.revision,
                "backbone": backbone.key,
                "task": self._task(target, data, seed),
                "method": made,
                "seed": seed,
                "threads": self._study.threads,
            }
        )
        return MeasureStep(
            key=key,
            label=f"{backbone.label} on {target} by {name}",
            num_images=made.num_images_trained(),
            threads=self._study.threads,
            backbone_key=backbone.key,
            store=self._stores[target].path,
            train_per_class=data.train_per_class,
            method=method,
            seed=seed,
        )

    def _task(self, target: str, data: Data, seed: int) -> str:
        drawn = seed if data.train_per_class is not None else -1
        if (target, drawn) not in self._tasks:
            try:
                task = Classification(train_per_class=data.train_per_class).load(self._stores[target], seed)
            except SeedbedError as error:
                raise type(error)(f"[targets] {target}: {error.message}", error.hint) from None
            self._tasks[target, drawn] = task.fingerprint
        return self._tasks[target, drawn]
