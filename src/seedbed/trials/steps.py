"""Steps of a study: each names its inputs, so that any process on any machine can run it.

In: paths of stores, keys of artifacts, calls, seeds. Out: the artifact, by `seedbed.engine.steps`.
"""

from __future__ import annotations

import copy
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from seedbed.base.artifacts import Workspace
from seedbed.data.store import Store
from seedbed.data.view import make_view
from seedbed.engine.opening import load_task
from seedbed.engine.steps import (
    BACKBONES_KIND,
    MEASUREMENTS_KIND,
    Measure,
    OnProgress,
    Pretrain,
    Provenance,
)
from seedbed.models.backbone import Backbone
from seedbed.models.checkpoint import load_backbone, save_backbone
from seedbed.models.resolve import open_backbone
from seedbed.pretraining.pretrain import Seeds, Training
from seedbed.transfers.methods import METHODS


@dataclass(frozen=True, kw_only=True)
class Step(ABC):
    """A unit of work; equal keys mean equal results.

    Attributes:
        label: for the progress display: "half, seed 1, 300,000 images".
        num_images: images trained on, the measure of its cost.
        threads: of the CPU, in the process that runs it.
    """

    key: str
    label: str
    num_images: int
    threads: int
    kind: str = ""

    @property
    def needs(self) -> tuple[str, str] | None:
        """The artifact that must exist first, as (kind, key)."""
        return None

    @abstractmethod
    def run(self, workspace: Workspace, device: str, on_progress: OnProgress | None = None) -> None:
        """Do the work and write the artifact."""


@dataclass(frozen=True, kw_only=True)
class BackboneStep(Step):
    """Writes a backbone; `backbone` is the call of its network, `model` a module of the user, which
    no call builds."""

    backbone: str
    model: Backbone | None = None
    kind: str = BACKBONES_KIND


@dataclass(frozen=True, kw_only=True)
class PretrainStep(BackboneStep):
    """Pre-train one backbone on one view, or leave it at random weights.

    `hierarchy` replaces that of the store, where it is given.
    """

    store: Path
    hierarchy: str | None
    recipe: str
    seeds: Seeds
    training: Training

    def run(self, workspace: Workspace, device: str, on_progress: OnProgress | None = None) -> None:
        store = Store.open(self.store).with_hierarchy(self.hierarchy)
        pretrain = Pretrain(
            view=make_view(store, self.recipe, self.seeds.sample),
            backbone=self.backbone,
            training=self.training,
            seeds=self.seeds,
            recipe=self.recipe,
            threads=self.threads,
            label=self.label,
        )
        assert pretrain.candidate_keys() == (self.key,), (
            "the data changed since the study was planned"
        )
        pretrain.run(workspace, device, on_progress)


@dataclass(frozen=True, kw_only=True)
class CheckpointStep(BackboneStep):
    """Copy an existing network into the workspace; `weights` are named as the user did."""

    weights: str

    def run(self, workspace: Workspace, device: str, on_progress: OnProgress | None = None) -> None:
        started = time.perf_counter()
        backbone = self.model or open_backbone(self.backbone)
        settings = {"backbone": self.backbone, "weights": self.weights}
        provenance = Provenance(
            label=self.label, settings=settings, threads=self.threads, device="cpu"
        )
        manifest = provenance.manifest(
            self.key,
            started,
            metrics={},
            epochs=0.0,
            num_images=0,
            num_classes=len(backbone.classes),
            entropy_bits=0.0,
        )
        with workspace.adding(self.kind, self.key, manifest) as folder:
            save_backbone(backbone, folder)


@dataclass(frozen=True, kw_only=True)
class TransferStep(Step):
    """A step that needs a finished backbone; `model` where it is a module of the user."""

    model: Backbone | None = None
    backbone_key: str
    store: Path
    hierarchy: str | None = None
    kind: str = MEASUREMENTS_KIND

    @property
    def needs(self) -> tuple[str, str] | None:
        return BACKBONES_KIND, self.backbone_key

    def open_backbone(self, workspace: Workspace, device: str) -> Backbone:
        """The backbone of the finished artifact, on a device."""
        module = copy.deepcopy(self.model.module) if self.model else None
        folder = workspace.folder(BACKBONES_KIND, self.backbone_key)
        backbone = load_backbone(folder, module=module)
        backbone.module.to(device)
        return backbone

    def open_store(self) -> Store:
        """The target's store, under the hierarchy that the study names."""
        return Store.open(self.store).with_hierarchy(self.hierarchy)


@dataclass(frozen=True, kw_only=True)
class MeasureStep(TransferStep):
    """Transfer one backbone to one target by one method; `task_seed` draws the target's images."""

    task: str
    method: str
    seed: int
    task_seed: int

    def run(self, workspace: Workspace, device: str, on_progress: OnProgress | None = None) -> None:
        method = METHODS.make(self.method)
        measure = Measure(
            backbone=self.open_backbone(workspace, device),
            backbone_keys=(self.backbone_key,),
            task=load_task(self.task, self.open_store(), method, self.task_seed),
            task_call=self.task,
            method=self.method,
            seed=self.seed,
            task_seed=self.task_seed,
            threads=self.threads,
            label=self.label,
        )
        assert measure.candidate_keys() == (self.key,), (
            "the data changed since the study was planned"
        )
        measure.run(workspace, on_progress)
