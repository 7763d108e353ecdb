"""The plan of a study: its cells, and the steps behind them, each with its key.

In: a study and a workspace. Out: packed stores, cells and steps; equal steps are one. Nothing is
trained here. A key is the hash of the step's spec and inputs and a revision: never of a name, a
path, a device or the number of workers.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from seedbed.base.artifacts import Workspace
from seedbed.base.errors import SeedbedError, UsageError
from seedbed.base.spec import fingerprint
from seedbed.data.loader import check_size
from seedbed.data.recipes import Recipe
from seedbed.data.store import Store
from seedbed.data.view import View, make_view
from seedbed.models.resolve import open_backbone
from seedbed.models.zoo import BACKBONES
from seedbed.pretraining import pretrain
from seedbed.tasks.catalogue import TASKS
from seedbed.tasks.task import Task
from seedbed.transfers.methods import METHODS, check_task
from seedbed.trials import fine_labels
from seedbed.trials.existing_checkpoints import checkpoint_of
from seedbed.trials.steps import BackboneStep, CheckpointStep, MeasureStep, PretrainStep, Step
from seedbed.trials.study import Study
from seedbed.trials.study_data import OnPack, pack_study


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One entry of the results: an arm at a seed and a budget, on a target by a method; the source
    itself is a target too."""

    arm: str
    seed: int
    images_seen: int
    target: str
    method: str
    backbone: str
    kind: str
    key: str
    backbone_key: str
    init_seed: int  # the same as `seed`, but in a nested design
    num_test: int


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

    @cached_property
    def notes(self) -> list[str]:
        """What the recipes remarked at the first seed, and arms that are one and the same
        training."""
        seed = self.study.seeds[0]
        notes = [f"{arm}: {note}" for arm in self.study.arms for note in self.arm_notes(arm, seed)]
        trainings: dict[tuple[str, ...], list[str]] = {}
        for arm in self.study.arms:
            trainings.setdefault(
                tuple(dict.fromkeys(c.backbone_key for c in self.cells if c.arm == arm)), []
            ).append(arm)
        same = [arms for arms in trainings.values() if len(arms) > 1]
        return notes + [
            f"{' and '.join(arms)} are one and the same training: comparing them says nothing"
            for arms in same
        ]

    def arm_notes(self, arm: str, seed: int) -> tuple[str, ...]:
        """What a reader must know of an arm's images and classes; nothing of one that is not
        trained."""
        trains = self.study.arms[arm].trains and (arm, seed) in self.views
        if not trains:
            return ()
        targets = {name: store for name, store in self.stores.items() if name != "source"}
        return (
            *self.views[arm, seed].notes,
            *self.study.arms[arm].recipe.resolution_notes(self.stores["source"], targets),
        )

    @property
    def has_own_modules(self) -> bool:
        """Whether some step holds a module of the user's own, which worker processes cannot
        build."""
        return any(getattr(step, "model", None) is not None for step in self.steps)

    def left(self) -> list[Step]:
        """Steps that are not done."""
        return [step for step in self.steps if not self.workspace.has(step.kind, step.key)]


def make_plan(
    study: Study,
    workspace: Workspace,
    on_pack: OnPack | None = None,
    stores: Mapping[str, Store] | None = None,
) -> Plan:
    """Pack what is not packed, and name every step; `stores` stand for the data where they are
    given."""
    return _Planner(study, workspace, dict(stores or pack_study(study, workspace, on_pack))).plan()


class _Planner:
    """Walks arms, seeds, budgets, targets and methods in the order of the study."""

    def __init__(self, study: Study, workspace: Workspace, stores: dict[str, Store]) -> None:
        self._study, self._workspace, self._stores = study, workspace, stores
        self._cells: list[Cell] = []
        self._steps: dict[str, Step] = {}
        self._views: dict[tuple[str, int], View] = {}
        # (target and call, seed, whether training images are needed) -> the task and its fingerprint
        self._tasks: dict[tuple[str, int, bool], tuple[Task, str]] = {}
        self._checked: set[str] = set()

    def plan(self) -> Plan:
        for arm in self._study.arms:
            for images_seen in self._study.arms[arm].budgets(self._study.pretraining):
                for draw in self._study.draws:
                    self._add_arm(arm, images_seen, *draw)
        return Plan(
            study=self._study,
            workspace=self._workspace,
            cells=tuple(self._cells),
            steps=tuple(self._steps.values()),
            views=self._views,
            stores=self._stores,
        )

    @cached_property
    def _measured(self) -> list[tuple[str, str, str]]:
        """Target, method and the call of the task: each target by the methods that can do what is
        asked of it."""
        found: list[tuple[str, str, str]] = []
        reasons: dict[str, SeedbedError] = {}
        for target, data in self._study.targets.items():
            refused: SeedbedError | None = None
            before = len(found)
            for name, call in self._study.methods.items():
                made = METHODS.make(call)
                try:
                    task = data.task_of(self._stores[target], made.takes)
                    check_task(made, call, task)
                    TASKS.make(task)  # the target's metric may be of other tasks alone
                except SeedbedError as error:
                    refused = reasons[name] = error
                else:
                    found.append((target, name, task))
            if len(found) == before:
                assert refused is not None
                raise type(refused)(f"[targets] {target}: {refused.message}", refused.hint)
        if idle := [
            name for name in self._study.methods if name not in {method for _, method, _ in found}
        ]:
            raise UsageError(
                f"[methods] {idle[0]}: {self._study.methods[idle[0]]} can do what is asked of no target of the study: "
                f"{reasons[idle[0]].message}",
                f"Remove it, or add a target for it. {reasons[idle[0]].hint}".strip(),
            )
        return found

    def _check_methods(self, step: BackboneStep) -> None:
        """A method that cannot work on a network is refused before anything is trained."""
        if step.model is None and step.backbone in self._checked:
            return
        self._checked.add(step.backbone)
        source = self._stores["source"]
        built = step.model
        if built is None and os.path.exists(step.backbone):
            built = open_backbone(step.backbone)
        if built is None:
            architecture = BACKBONES.make(step.backbone)
            built = architecture.build(source.classes, architecture.size_px or source.size_px)
        for name in self._study.targets:
            if self._stores[name].annotated == "boxes":  # whole images, of any size
                continue
            try:
                check_size(self._stores[name], built.preprocessing)
            except UsageError:
                store = self._stores[name]
                raise UsageError(
                    f"[targets] {name}: {store.name} is packed at {store.size_px} px, and {step.label} takes {built.size_px} px",
                    "A study packs each target once, for all arms, so give all its networks one input size: "
                    "wrap(..., size_px=32), resnet18(stem='small', size_px=32); for a folder that pretrain wrote, its size as size_px of "
                    "[source]; or ask of them in a study of their own.",
                ) from None
        for name, method in self._study.methods.items():
            try:
                METHODS.make(method).check(built)
            except SeedbedError as error:
                raise type(error)(f"[methods] {name}: {error.message}", error.hint) from None

    def _add_arm(self, arm: str, images_seen: int, seed: int, init_seed: int) -> None:
        is_checkpoint = self._study.arms[arm].is_checkpoint
        step = (
            self._checkpoint_step(arm)
            if is_checkpoint
            else self._pretrain_step(arm, images_seen, seed, init_seed)
        )
        self._check_methods(step)
        self._steps.setdefault(step.key, step)
        common = {"arm": arm, "seed": seed, "init_seed": init_seed, "images_seen": images_seen}
        common |= {"backbone": step.backbone, "backbone_key": step.key}

        def add(target: str, method: str, measure: Step, num_test: int) -> None:
            self._steps.setdefault(measure.key, measure)
            self._cells.append(
                Cell(
                    **common,
                    target=target,
                    method=method,
                    kind=measure.kind,
                    key=measure.key,
                    num_test=num_test,
                )
            )

        if images_seen and (num_test := len(self._view(arm, seed).held_out()[0])):
            add("source", "pretraining", step, num_test)
        for target, name, task in self._measured:
            add(
                target,
                name,
                *self._measure_step(
                    step, target, task, name, self._study.methods[name], (seed, init_seed)
                ),
            )
        if self._study.fine_labels:
            task = fine_labels.probe_task(self._stores["source"])
            add(
                fine_labels.TARGET,
                "probe",
                *self._measure_step(step, "source", task, "probe", "probe()", (seed, init_seed)),
            )
            for asked in self._asking(arm):
                if fine_labels.asks_induction(view := self._view(asked, seed)):
                    add(fine_labels.TARGET, *self._induction_step(step, asked, view, seed))

    def _asking(self, arm: str) -> list[str]:
        """The arms about whose label sets a net of `arm` is asked: its own; the reference and
        untrained nets, all."""
        arms = self._study.arms
        trained = [name for name, spec in arms.items() if spec.trains]
        is_plain = not arms[arm].trains or arms[arm].recipe == arms[self._study.reference].recipe
        if not is_plain:
            return [arm]
        return (
            trained
            if arm == self._study.reference
            else [name for name in trained if arms[name].backbone == arms[arm].backbone]
        )

    def _induction_step(
        self, backbone: BackboneStep, asked: str, view: View, seed: int
    ) -> tuple[str, Step, int]:
        """What it is called, the step, and how many queries it has."""
        step = fine_labels.InductionStep(
            key=fine_labels.induction_key(backbone.key, view),
            label=f"{backbone.label}: fine labels that {asked} merges",
            num_images=0,
            threads=self._study.threads,
            backbone_key=backbone.key,
            model=backbone.model,
            store=view.store.path,
            hierarchy=view.store.hierarchy_text,
            recipe=str(self._recipe(asked)),
            sample_seed=seed,
        )
        return fine_labels.induction_method(asked), step, fine_labels.num_queries(view)

    def _pretrain_step(self, arm: str, images_seen: int, seed: int, init_seed: int) -> PretrainStep:
        spec = self._study.arms[arm]
        how = spec.pretraining(self._study.pretraining)
        view = self._view(arm, seed)
        architecture, training = how.architecture(), how.training(images_seen)
        key = fingerprint(
            {
                **pretrain.identity(view, architecture, training, init_seed),
                "threads": self._study.threads,
            }
        )
        label = f"{arm}, {_seed_words(seed, init_seed)}, " + (
            f"{images_seen:,} images" if images_seen else "random weights"
        )
        return PretrainStep(
            key=key,
            label=label,
            num_images=images_seen,
            threads=self._study.threads,
            store=view.store.path,
            hierarchy=view.store.hierarchy_text,
            recipe=str(self._recipe(arm)),
            seeds=pretrain.Seeds(sample=seed, init=init_seed),
            backbone=how.backbone,
            training=training,
        )

    def _checkpoint_step(self, arm: str) -> CheckpointStep:
        """An existing checkpoint counts by its content: its network and its weights."""
        spec = self._study.arms[arm]
        try:
            found = checkpoint_of(
                spec,
                self._study.pretraining.backbone,
                self._stores["source"].size_px,
                self._study.folder,
            )
        except SeedbedError as error:
            raise type(error)(f"[arms] {arm}: {error.message}", error.hint) from None
        return CheckpointStep(
            key=fingerprint({"step": "checkpoint", "content": found.content}),
            label=f"{arm}, an existing checkpoint",
            num_images=0,
            threads=self._study.threads,
            backbone=found.backbone,
            model=found.model,
            asked=found.asked,
        )

    def _recipe(self, arm: str) -> Recipe:
        """The arm's recipe, with the name of each target replaced by the classes that it has."""
        targets = {name: self._stores[name] for name in self._study.targets}
        return self._study.arms[arm].recipe.resolve(self._stores["source"], targets)

    def _view(self, arm: str, seed: int) -> View:
        if (arm, seed) not in self._views:
            try:
                self._views[arm, seed] = make_view(self._stores["source"], self._recipe(arm), seed)
            except SeedbedError as error:
                raise type(error)(f"[arms] {arm}: {error.message}", error.hint) from None
        return self._views[arm, seed]

    def _measure_step(
        self,
        backbone: BackboneStep,
        target: str,
        task: str,
        name: str,
        method: str,
        draw: tuple[int, int],
    ) -> tuple[Step, int]:
        """The step, and how many test images it has; the task is drawn with the sample's seed, the
        method with that of the training."""
        made = METHODS.make(method)
        seed, init_seed = draw
        loaded, identity = self._task(target, task, seed, made.needs_training_images())
        try:
            made.check_target(loaded)
        except SeedbedError as error:
            raise type(error)(
                f"[targets] {target}, by {name}: {error.message}", error.hint
            ) from None
        key = fingerprint(
            {
                "step": "measurement",
                "revision": made.revision,
                "backbone": backbone.key,
                "task": identity,
                "method": made.identity(),
                "seed": init_seed,
                "threads": self._study.threads,
            }
        )
        step = MeasureStep(
            key=key,
            label=f"{backbone.label} on {target} by {name}",
            num_images=made.num_images_trained(),
            threads=self._study.threads,
            backbone_key=backbone.key,
            model=backbone.model,
            store=self._stores[target].path,
            hierarchy=self._stores[target].hierarchy_text,
            task=task,
            method=method,
            seed=init_seed,
            task_seed=seed,
        )
        return step, loaded.num_test

    def _task(
        self, target: str, call: str, seed: int, needs_training_images: bool
    ) -> tuple[Task, str]:
        """The task and its fingerprint."""
        kind = TASKS.make(call)
        place = (f"{target} {call}", seed if kind.is_drawn else -1, needs_training_images)
        if place not in self._tasks:
            try:
                task = kind.load(
                    self._stores[target], seed, needs_training_images=needs_training_images
                )
            except SeedbedError as error:
                raise type(error)(f"[targets] {target}: {error.message}", error.hint) from None
            self._tasks[place] = task, task.fingerprint
        return self._tasks[place]


def _seed_words(seed: int, init_seed: int) -> str:
    return f"seed {seed}" if seed == init_seed else f"sample {seed}, initialisation {init_seed}"
