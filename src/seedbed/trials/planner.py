"""Plan a study: name every cell and every distinct step, with their keys.

In: a study and a workspace. Out: a Plan. Data that are not packed are packed; nothing is trained.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from seedbed.base.artifacts import Workspace
from seedbed.base.errors import SeedbedError, UsageError, at_place
from seedbed.data.loader import check_size
from seedbed.data.recipes import Recipe
from seedbed.data.store import Store
from seedbed.data.view import View, make_view
from seedbed.engine.checkpoints import Checkpoint, module_checkpoint, weights_checkpoint
from seedbed.engine.keys import checkpoint_key, measurement_key, training_key
from seedbed.engine.opening import load_task, task_call
from seedbed.models.backbone import Backbone
from seedbed.models.resolve import open_backbone
from seedbed.models.zoo import BACKBONES
from seedbed.pretraining.pretrain import Seeds
from seedbed.tasks.catalogue import TASKS
from seedbed.tasks.task import Task
from seedbed.transfers.methods import METHODS, Method
from seedbed.trials import fine_labels
from seedbed.trials.plan import Cell, Plan
from seedbed.trials.steps import BackboneStep, CheckpointStep, MeasureStep, PretrainStep, Step
from seedbed.trials.study import Study
from seedbed.trials.study_data import OnPack, pack_study


def make_plan(
    study: Study,
    workspace: Workspace,
    on_pack: OnPack | None = None,
    stores: Mapping[str, Store] | None = None,
) -> Plan:
    """Pack the data of a study, unless `stores` are given for them, and name its steps.

    Raises UsageError for a method that no target can be measured by, or that cannot work on a
    network; BadDataError for data that cannot be used.
    """
    return _Planner(study, workspace, dict(stores or pack_study(study, workspace, on_pack))).plan()


@dataclass(frozen=True)
class _Draw:
    """The seeds of one training: of the sample, and of the initialisation."""

    sample: int
    init: int

    def __str__(self) -> str:
        if self.sample == self.init:
            return f"seed {self.sample}"
        return f"sample {self.sample}, initialisation {self.init}"


class _Planner:
    """Walks arms, budgets, seeds, targets and methods in the order of the study."""

    def __init__(self, study: Study, workspace: Workspace, stores: dict[str, Store]) -> None:
        self._study, self._workspace, self._stores = study, workspace, stores
        self._cells: list[Cell] = []
        self._steps: dict[str, Step] = {}
        self._views: dict[tuple[str, int], View] = {}
        # By target and call, by seed, and by whether training images are needed.
        self._tasks: dict[tuple[str, int, bool], tuple[Task, str]] = {}
        self._checked: set[str] = set()

    def plan(self) -> Plan:
        for arm in self._study.arms:
            for images_seen in self._study.arms[arm].budgets(self._study.pretraining):
                for seeds in self._study.draws:
                    self._add_arm(arm, images_seen, _Draw(*seeds))
        return Plan(
            study=self._study,
            workspace=self._workspace,
            cells=tuple(self._cells),
            steps=tuple(self._steps.values()),
            views=self._views,
            stores=self._stores,
        )

    @cached_property
    def _measurements(self) -> list[tuple[str, str, str]]:
        """Target, method and the call of the task, for each pair that fits.

        Every target must have a method, and every method a target.
        """
        pairs: list[tuple[str, str, str]] = []
        reasons: dict[str, SeedbedError] = {}
        for target, spec in self._study.targets.items():
            num_before = len(pairs)
            for name, call in self._study.methods.items():
                try:
                    task = task_call(spec, self._stores[target], METHODS.make(call), call)
                except SeedbedError as error:
                    reasons[name] = error
                else:
                    pairs.append((target, name, task))
            if len(pairs) == num_before:
                last = reasons[name]
                raise type(last)(last.text, last.hint, (f"[targets] {target}", *last.places))
        for name, call in self._study.methods.items():
            if name not in {method for _, method, _ in pairs}:
                raise UsageError(
                    f"method {call!r} applies to none of the study's targets: "
                    f"{reasons[name].message}",
                    f"Remove it, or add a target for it. {reasons[name].hint}".strip(),
                    (f"[methods] {name}",),
                )
        return pairs

    def _add_arm(self, arm: str, images_seen: int, draw: _Draw) -> None:
        is_checkpoint = self._study.arms[arm].is_checkpoint
        with at_place(f"[arms] {arm}" if is_checkpoint else ""):
            step = (
                self._checkpoint_step(arm)
                if is_checkpoint
                else self._pretrain_step(arm, images_seen, draw)
            )
        self._check_network(step)
        self._steps.setdefault(step.key, step)
        common = {
            "arm": arm,
            "seed": draw.sample,
            "init_seed": draw.init,
            "images_seen": images_seen,
            "backbone": step.backbone,
            "backbone_key": step.key,
        }

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

        if images_seen and (num_test := len(self._view(arm, draw.sample).held_out()[0])):
            add("source", "pretraining", step, num_test)
        for target, name, task in self._measurements:
            call = self._study.methods[name]
            add(target, name, *self._measure_step(step, target, task, name, call, draw))
        if self._study.fine_labels:
            task = fine_labels.probe_task(self._stores["source"])
            probe = self._measure_step(step, "source", task, "probe", "probe()", draw)
            add(fine_labels.TARGET, "probe", *probe)
            for other in self._arms_for_induction(arm):
                if fine_labels.asks_induction(view := self._view(other, draw.sample)):
                    method, induction, num = self._induction_step(step, other, view, draw.sample)
                    add(fine_labels.TARGET, method, induction, num)

    def _check_network(self, step: BackboneStep) -> None:
        """Refuse targets and methods that do not fit a network, before anything is trained."""
        if step.model is None and step.backbone in self._checked:
            return
        self._checked.add(step.backbone)
        network = self._build(step)
        for name in self._study.targets:
            store = self._stores[name]
            # Images with boxes are kept whole, for networks of any size.
            if store.annotation_kind == "boxes":
                continue
            try:
                check_size(store, network.preprocessing)
            except UsageError:
                raise UsageError(
                    f"{store.name} is packed at {store.size_px} px, and {step.label} takes "
                    f"{network.size_px} px",
                    "A study packs each target once for all arms, so all its networks need one "
                    "input size: wrap(..., size_px=32), resnet18(stem='small', size_px=32). For a "
                    "folder that pretrain wrote, give its size as size_px of [source]. Or use a "
                    "study of its own.",
                    (f"[targets] {name}",),
                ) from None
        for name, method in self._study.methods.items():
            with at_place(f"[methods] {name}"):
                METHODS.make(method).check(network)

    def _build(self, step: BackboneStep) -> Backbone:
        """The network of a step, with random weights where it is to be trained."""
        if step.model is not None:
            return step.model
        if os.path.exists(step.backbone):
            return open_backbone(step.backbone)
        source, architecture = self._stores["source"], BACKBONES.make(step.backbone)
        return architecture.build(source.classes, architecture.size_px or source.size_px)

    def _arms_for_induction(self, arm: str) -> list[str]:
        """The arms on whose merged labels the networks of `arm` are tested: its own; for the
        reference and for untrained networks, all."""
        arms = self._study.arms
        trained = [name for name, spec in arms.items() if spec.trains]
        reference = arms[self._study.reference]
        if arms[arm].trains and arms[arm].recipe != reference.recipe:
            return [arm]
        if arm == self._study.reference:
            return trained
        return [name for name in trained if arms[name].backbone == arms[arm].backbone]

    def _induction_step(
        self, backbone: BackboneStep, arm: str, view: View, seed: int
    ) -> tuple[str, Step, int]:
        """The method's name, the step, and the number of queries."""
        step = fine_labels.InductionStep(
            key=fine_labels.induction_key(backbone.key, view),
            label=f"{backbone.label}: fine labels that {arm} merges",
            num_images=0,
            threads=self._study.threads,
            backbone_key=backbone.key,
            model=backbone.model,
            store=view.store.path,
            hierarchy=view.store.hierarchy_text,
            recipe=str(self._recipe(arm)),
            sample_seed=seed,
        )
        return fine_labels.induction_method(arm), step, fine_labels.num_queries(view)

    def _pretrain_step(self, arm: str, images_seen: int, draw: _Draw) -> PretrainStep:
        settings = self._study.arms[arm].pretraining(self._study.pretraining)
        view = self._view(arm, draw.sample)
        training, threads = settings.training(images_seen), self._study.threads
        key = training_key(view, settings.architecture(), training, draw.init, threads)
        budget = f"{images_seen:,} images" if images_seen else "random weights"
        return PretrainStep(
            key=key,
            label=f"{arm}, {draw}, {budget}",
            num_images=images_seen,
            threads=threads,
            store=view.store.path,
            hierarchy=view.store.hierarchy_text,
            recipe=str(self._recipe(arm)),
            seeds=Seeds(sample=draw.sample, init=draw.init),
            backbone=settings.backbone,
            training=training,
        )

    def _checkpoint_step(self, arm: str) -> CheckpointStep:
        """The step of an existing checkpoint, which counts by its network and its weights."""
        checkpoint = self._checkpoint(arm)
        return CheckpointStep(
            key=checkpoint_key(checkpoint.content),
            label=f"{arm}, an existing checkpoint",
            num_images=0,
            threads=self._study.threads,
            backbone=checkpoint.backbone,
            model=checkpoint.model,
            weights=checkpoint.weights,
        )

    def _checkpoint(self, arm: str) -> Checkpoint:
        spec = self._study.arms[arm]
        if spec.model is not None:
            return module_checkpoint(spec.model)
        backbone = spec.backbone or self._study.pretraining.backbone
        size_px, folder = self._stores["source"].size_px, self._study.folder
        return weights_checkpoint(spec.weights or "", backbone, size_px, folder)

    def _recipe(self, arm: str) -> Recipe:
        """The arm's recipe, with the names of targets replaced by their classes."""
        targets = {name: self._stores[name] for name in self._study.targets}
        return self._study.arms[arm].recipe.resolve(self._stores["source"], targets)

    def _view(self, arm: str, seed: int) -> View:
        if (arm, seed) not in self._views:
            with at_place(f"[arms] {arm}"):
                view = make_view(self._stores["source"], self._recipe(arm), seed)
            self._views[arm, seed] = view
        return self._views[arm, seed]

    def _measure_step(
        self, backbone: BackboneStep, target: str, task: str, name: str, call: str, draw: _Draw
    ) -> tuple[Step, int]:
        """The step, and the number of test images.

        The task is drawn with the seed of the sample, the method with that of the initialisation.
        """
        method = METHODS.make(call)
        loaded, task_fingerprint = self._task(target, task, method, draw.sample)
        with at_place(f"[targets] {target}, by {name}"):
            method.check_target(loaded)
        key = measurement_key(
            backbone=backbone.key,
            task=task_fingerprint,
            method=method,
            seed=draw.init,
            threads=self._study.threads,
        )
        step = MeasureStep(
            key=key,
            label=f"{backbone.label} on {target} by {name}",
            num_images=method.num_images_trained(),
            threads=self._study.threads,
            backbone_key=backbone.key,
            model=backbone.model,
            store=self._stores[target].path,
            hierarchy=self._stores[target].hierarchy_text,
            task=task,
            method=call,
            seed=draw.init,
            task_seed=draw.sample,
        )
        return step, loaded.num_test

    def _task(self, target: str, call: str, method: Method, seed: int) -> tuple[Task, str]:
        """The task and its fingerprint, loaded once."""
        is_drawn = TASKS.make(call).is_drawn
        place = (f"{target} {call}", seed if is_drawn else -1, method.needs_training_images())
        if place not in self._tasks:
            with at_place(f"[targets] {target}"):
                task = load_task(call, self._stores[target], method, seed)
            self._tasks[place] = task, task.fingerprint
        return self._tasks[place]
