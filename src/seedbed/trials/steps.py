"""Steps: the units of work, each with a content-addressed key and an artifact folder.

In: a step and a workspace. Out: its folder, manifest last. A step runs in any process: it names
stores by path and inputs by key. Knows nothing of arms, studies or order.
"""

from __future__ import annotations

import copy
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seedbed.base.artifacts import Workspace, usual_mode
from seedbed.base.device import describe_hardware
from seedbed.data.store import Store
from seedbed.data.view import View, make_view
from seedbed.models.backbone import Backbone
from seedbed.models.checkpoint import CARD_CODES, load_backbone, save_backbone
from seedbed.models.fit import Progress
from seedbed.models.resolve import open_backbone
from seedbed.models.training_state import Checkpoint
from seedbed.models.zoo import BACKBONES
from seedbed.pretraining.pretrain import Pretrained, Seeds, Training, pretrain_view, view_facts
from seedbed.tasks.catalogue import TASKS
from seedbed.transfers.methods import METHODS, Context
from seedbed.trials.provenance import versions

BACKBONES_KIND, MEASUREMENTS_KIND = "backbones", "measurements"
PREDICTIONS = "predictions.safetensors"
OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, kw_only=True)
class Step(ABC):
    """A unit of work; equal keys mean equal results."""

    key: str
    label: str  # for the eye: "half, seed 1, 300,000 images"
    num_images: int  # images trained on, the measure of its cost
    threads: int
    kind: str = ""

    @property
    def needs(self) -> tuple[str, str] | None:
        """The artifact that must be there first, as (kind, key)."""
        return None

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """What was asked for, in words that could be asked again."""

    @abstractmethod
    def run(self, workspace: Workspace, device: str, on_progress: OnProgress | None = None) -> None:
        """Do the work and leave the artifact."""

    def manifest(self, device: str, started: float, **facts: Any) -> dict[str, Any]:
        """What every artifact says of how it came to be."""
        return {
            "key": self.key,
            "label": self.label,
            "settings": self.settings(),
            "seconds": time.perf_counter() - started,
            "device": device,
            "hardware": describe_hardware(device),
            "threads": self.threads,
            "versions": versions(),
            **facts,
        }


@dataclass(frozen=True, kw_only=True)
class BackboneStep(Step):
    """Leaves a backbone; `backbone` is the call of its network."""

    backbone: str
    model: Backbone | None = None  # of a module of one's own, which no call builds again
    kind: str = BACKBONES_KIND


@dataclass(frozen=True, kw_only=True)
class PretrainStep(BackboneStep):
    """Pre-train one backbone on one view, or leave it random."""

    store: Path
    hierarchy: str | None  # instead of the store's own
    recipe: str
    seeds: Seeds
    training: Training

    def settings(self) -> dict[str, Any]:
        return training_settings(self.recipe, self.seeds, self.backbone, self.training)

    def run(self, workspace: Workspace, device: str, on_progress: OnProgress | None = None) -> None:
        started = time.perf_counter()
        view = make_view(
            Store.open(self.store).with_hierarchy(self.hierarchy), self.recipe, self.seeds.sample
        )
        checkpoint = Checkpoint(path=workspace.unfinished(self.key))
        done = pretrain_view(
            view,
            BACKBONES.make(self.backbone),
            self.training,
            seeds=self.seeds,
            device=device,
            on_progress=on_progress,
            checkpoint=checkpoint,
        )
        rate = done.fitted.images_per_s if done.fitted else None
        facts = {
            "metrics": done.metrics,
            "images_per_s": rate,
            "epochs": done.epochs,
            "training": done.facts(),
            **view_facts(view),
        }
        manifest = self.manifest(device, started, **facts)
        with workspace.adding(self.kind, self.key, manifest) as folder:
            save_pretrained(done, view, self.settings(), folder)
            if done.predictions:
                save_arrays(folder / PREDICTIONS, done.predictions)
        checkpoint.remove()


@dataclass(frozen=True, kw_only=True)
class CheckpointStep(BackboneStep):
    """Take an existing checkpoint in, as it is."""

    asked: str  # in the user's words

    def settings(self) -> dict[str, Any]:
        return {"backbone": self.backbone, "weights": self.asked}

    def run(self, workspace: Workspace, device: str, on_progress: OnProgress | None = None) -> None:
        started = time.perf_counter()
        backbone = self.model or open_backbone(self.backbone)
        nothing = {
            "metrics": {},
            "epochs": 0.0,
            "num_images": 0,
            "num_classes": len(backbone.classes),
            "entropy_bits": 0.0,
        }
        manifest = self.manifest("cpu", started, **nothing)
        with workspace.adding(self.kind, self.key, manifest) as folder:
            save_backbone(backbone, folder)


@dataclass(frozen=True, kw_only=True)
class MeasureStep(Step):
    """Transfer one backbone to one target by one method."""

    model: Backbone | None = None  # where the backbone is a module of one's own
    backbone_key: str
    store: Path
    hierarchy: str | None = None  # instead of the store's own
    task: str
    method: str
    seed: int
    task_seed: int  # of the draw of its images
    kind: str = MEASUREMENTS_KIND

    @property
    def needs(self) -> tuple[str, str] | None:
        return BACKBONES_KIND, self.backbone_key

    def settings(self) -> dict[str, Any]:
        return {
            "backbone": self.backbone_key,
            "target": Store.open(self.store).name,
            "task": self.task,
            "method": self.method,
            "method_settings": asdict(METHODS.make(self.method)),  # pyright: ignore[reportArgumentType]
            "seed": self.seed,
            "task_seed": self.task_seed,
        }

    def run(self, workspace: Workspace, device: str, on_progress: OnProgress | None = None) -> None:
        started = time.perf_counter()
        folder = workspace.folder(BACKBONES_KIND, self.backbone_key)
        backbone = load_backbone(
            folder, module=copy.deepcopy(self.model.module) if self.model else None
        )
        backbone.module.to(device)
        method = METHODS.make(self.method)
        task = TASKS.make(self.task).load(
            Store.open(self.store).with_hierarchy(self.hierarchy),
            self.task_seed,
            needs_training_images=method.needs_training_images(),
        )
        unfinished = workspace.unfinished_of(lambda: self.key)
        context = Context(
            seed=self.seed, device=device, on_progress=on_progress, unfinished=unfinished
        )
        measured = method.run(backbone, task, context)
        manifest = self.manifest(
            device,
            started,
            metrics=dict(measured.metrics),
            primary=measured.primary,
            facts=dict(measured.facts),
        )
        with workspace.adding(self.kind, self.key, manifest) as folder:
            save_arrays(folder / PREDICTIONS, dict(measured.predictions))
        unfinished.clear()


def training_settings(
    recipe: str, seeds: Seeds, backbone: str, training: Training
) -> dict[str, Any]:
    """What was asked of a pre-training, for manifests and cards."""
    return {"recipe": recipe, "seeds": asdict(seeds), "backbone": backbone, **asdict(training)}


def save_pretrained(done: Pretrained, view: View, settings: dict[str, Any], folder: Path) -> None:
    """Weights, card and card codes of a pre-training into an existing folder."""
    seen = settings["schedule"]["images_seen"]
    done.backbone.card = {
        **settings,
        "images_seen": seen,
        "images_trained": done.images_trained,
        "epochs": done.epochs,
        "batch_norm": "running statistics of training"
        if seen
        else "statistics of 1,024 source images",
        "source_metrics": done.metrics,
        "training": done.facts(),
        "versions": versions(),
        **view_facts(view),
    }
    save_backbone(done.backbone, folder)
    save_arrays(folder / CARD_CODES, {"codes": done.card_codes})


def save_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Named arrays as safetensors."""
    from safetensors.numpy import save_file

    with usual_mode(path):
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """Named arrays of a safetensors file."""
    from safetensors.numpy import load_file

    return load_file(path)
