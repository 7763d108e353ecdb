"""Steps: one training, one measurement.

In: opened inputs (a view, a network; a backbone, a task, a method). Out: an artifact in the
workspace under the step's key, and the same result in memory. `sb.pretrain` and `sb.transfer` run
one step; a study runs many through an executor.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seedbed.base.artifacts import Unfinished, Workspace, default_permissions
from seedbed.base.device import describe_hardware, flush_denormals
from seedbed.base.errors import StorageError, UsageError
from seedbed.base.spec import setting_values
from seedbed.data.view import View
from seedbed.engine.keys import CARD_DIGEST, CARD_KEY, measurement_key, thread_counts, training_key
from seedbed.engine.versions import versions
from seedbed.models.backbone import Backbone
from seedbed.models.checkpoint import CARD_CODES, load_backbone, module_fingerprint, save_backbone
from seedbed.models.training_progress import Progress
from seedbed.models.training_state import EVERY_S, Checkpoint
from seedbed.models.zoo import BACKBONES
from seedbed.pretraining.pretrain import Pretrained, Seeds, Training, pretrain_view, view_facts
from seedbed.tasks.task import Measurement, Task
from seedbed.transfers.methods import METHODS, Context

if TYPE_CHECKING:
    from collections.abc import Iterator

BACKBONES_KIND, MEASUREMENTS_KIND = "backbones", "measurements"
PREDICTIONS = "predictions.safetensors"
OnProgress = Callable[[Progress], None]


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Let torch use this many threads inside the block; denormal numbers count as zero."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with flush_denormals():
            yield
    finally:
        torch.set_num_threads(before)


def check_threads(threads: int | None) -> None:
    """Raise UsageError for a number of threads below 1."""
    if threads is not None and threads < 1:
        raise UsageError(
            f"threads = {threads} is not 1 or more", "Leave threads out to use all cores."
        )


def default_threads() -> int:
    """The number of threads of a verb that trains one model: all that torch uses."""
    import torch

    return torch.get_num_threads()


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """How an artifact came to be: the part of its manifest that every step has."""

    label: str
    settings: dict[str, Any]
    threads: int
    device: str

    def manifest(self, key: str, started: float, **facts: Any) -> dict[str, Any]:
        return {
            "key": key,
            "label": self.label,
            "settings": self.settings,
            "seconds": time.perf_counter() - started,
            "device": self.device,
            "hardware": describe_hardware(self.device),
            "threads": self.threads,
            "versions": versions(),
            **facts,
        }


@dataclass(frozen=True, kw_only=True)
class Pretrain:
    """Pre-train one backbone on one view, or leave it at its initial weights.

    Attributes:
        backbone: the call of the network.
        recipe: the text of the view's recipe, for the card alone.
        threads: of the CPU; None: all, and a finished result of any number serves.
    """

    view: View
    backbone: str
    training: Training
    seeds: Seeds
    recipe: str = ""
    threads: int | None = None
    label: str = ""

    def key(self, threads: int) -> str:
        architecture = BACKBONES.make(self.backbone)
        return training_key(self.view, architecture, self.training, self.seeds.init, threads)

    def candidate_keys(self) -> tuple[str, ...]:
        """The keys whose results serve; the first is the one to compute."""
        counts = thread_counts(self.threads, default_threads())
        return tuple(self.key(threads) for threads in counts)

    def settings(self) -> dict[str, Any]:
        return {
            "recipe": self.recipe,
            "seeds": asdict(self.seeds),
            "backbone": self.backbone,
            **asdict(self.training),
        }

    def finished_key(self, workspace: Workspace) -> str | None:
        """The key of a finished result in the workspace."""
        return next(
            (key for key in self.candidate_keys() if workspace.has(BACKBONES_KIND, key)), None
        )

    def run(
        self,
        workspace: Workspace,
        device: str,
        on_progress: OnProgress | None = None,
        checkpoint_every_s: float = EVERY_S,
    ) -> Pretrained:
        """Train, and write the artifact; an interrupted training resumes from its checkpoint.

        Raises StorageError for a workspace that cannot be written, before anything is trained.
        """
        if not workspace.is_writable():
            raise StorageError(
                f"no permission to write the workspace {workspace.root}",
                "Name another one: --workspace DIR, or the variable SEEDBED_WORKSPACE.",
            )
        started = time.perf_counter()
        key = self.candidate_keys()[0]
        threads = self.threads or default_threads()
        checkpoint = Checkpoint(path=workspace.unfinished(key), every_s=checkpoint_every_s)
        with torch_threads(threads):
            result = pretrain_view(
                self.view,
                BACKBONES.make(self.backbone),
                self.training,
                seeds=self.seeds,
                device=device,
                on_progress=on_progress,
                checkpoint=checkpoint,
            )
        provenance = Provenance(
            label=self.label, settings=self.settings(), threads=threads, device=device
        )
        manifest = provenance.manifest(
            key,
            started,
            metrics=result.metrics,
            images_per_s=result.fitted.images_per_s if result.fitted else None,
            epochs=result.epochs,
            training=result.facts(),
            **view_facts(self.view),
        )
        with workspace.adding(BACKBONES_KIND, key, manifest) as folder:
            self._save(result, key, folder)
        checkpoint.remove()
        return result

    def _save(self, result: Pretrained, key: str, folder: Path) -> None:
        """Write weights, card, codes for the card and predictions into an existing folder."""
        num_seen = self.training.images_seen
        norm = "running statistics of training" if num_seen else "statistics of 1,024 source images"
        result.backbone.card = {
            **self.settings(),
            "images_seen": num_seen,
            "images_trained": result.images_trained,
            "epochs": result.epochs,
            "batch_norm": norm,
            "source_metrics": result.metrics,
            "training": result.facts(),
            "versions": versions(),
            CARD_KEY: key,
            CARD_DIGEST: module_fingerprint(result.backbone.module),
            **view_facts(self.view),
        }
        save_backbone(result.backbone, folder)
        save_arrays(folder / CARD_CODES, {"codes": result.card_codes})
        if result.predictions:
            save_arrays(folder / PREDICTIONS, result.predictions)


def read_pretrained(folder: Path, device: str) -> Pretrained:
    """The result of a finished training in a folder; `fitted` is None, as nothing was trained."""
    backbone = load_backbone(folder)
    backbone.module.to(device)
    metrics: Any = backbone.card["source_metrics"]
    codes = load_arrays(folder / CARD_CODES)["codes"]
    return Pretrained(backbone=backbone, metrics=dict(metrics), card_codes=codes)


@dataclass(frozen=True, kw_only=True)
class Measure:
    """Transfer one backbone to one task by one method.

    Attributes:
        backbone_keys: the keys under which the backbone may be known; results are stored under the
            first.
        method: a call string.
        seed: of the method; `task_seed`: of the draw of the task's images.
        threads: of the CPU; None: all, and a finished result of any number serves.
        on_message: told what the method says of its cost.
    """

    backbone: Backbone
    backbone_keys: tuple[str, ...]
    task: Task
    task_call: str
    method: str
    seed: int
    task_seed: int
    threads: int | None = None
    label: str = ""
    on_message: Callable[[str], None] | None = None

    def candidate_keys(self) -> tuple[str, ...]:
        """The keys whose results serve; the first is the one to compute."""
        method, task = METHODS.make(self.method), self.task.fingerprint
        counts = thread_counts(self.threads, default_threads())
        return tuple(
            measurement_key(
                backbone=backbone, task=task, method=method, seed=self.seed, threads=threads
            )
            for threads in counts
            for backbone in self.backbone_keys
        )

    def settings(self) -> dict[str, Any]:
        return {
            "backbone": self.backbone_keys[0],
            "target": self.task.store.name,
            "task": self.task_call,
            "method": self.method,
            "method_settings": setting_values(METHODS.make(self.method)),
            "seed": self.seed,
            "task_seed": self.task_seed,
        }

    def read(self, workspace: Workspace) -> Measurement | None:
        """A finished measurement in the workspace, by this or by a study; None if there is none.

        Its model is trained when it is first asked for: workspaces keep predictions, not models.
        """
        for key in self.candidate_keys():
            if workspace.has(MEASUREMENTS_KIND, key):
                manifest = workspace.manifest(MEASUREMENTS_KIND, key)
                folder = workspace.folder(MEASUREMENTS_KIND, key)
                return Measurement(
                    metrics=manifest["metrics"],
                    primary=manifest["primary"],
                    predictions=load_arrays(folder / PREDICTIONS),
                    task=self.task.fingerprint,
                    facts=manifest["facts"],
                    key=key,
                    network=self._network(),
                    refit=lambda: self._compute(None, None).model,
                )
        return None

    def run(
        self,
        workspace: Workspace,
        on_progress: OnProgress | None = None,
        finish: Callable[[Measurement], Measurement] | None = None,
    ) -> Measurement:
        """Measure, and write the artifact, where the workspace can be written.

        An interrupted training of a detector resumes from its state. The states are removed at the
        end, after `finish`, which may save the model and add facts.
        """
        started = time.perf_counter()
        key = self.candidate_keys()[0]
        unfinished = workspace.unfinished_states(lambda: key)
        measured = self._compute(unfinished, on_progress)
        measured = replace(measured, key=key, network=self._network())
        provenance = Provenance(
            label=self.label,
            settings=self.settings(),
            threads=self.threads or default_threads(),
            device=self.backbone.device,
        )
        manifest = provenance.manifest(
            key,
            started,
            metrics=dict(measured.metrics),
            primary=measured.primary,
            facts=dict(measured.facts),
        )
        if workspace.is_writable():
            with workspace.adding(MEASUREMENTS_KIND, key, manifest) as folder:
                save_arrays(folder / PREDICTIONS, dict(measured.predictions))
        if finish is not None:
            measured = finish(measured)
        unfinished.clear()
        return measured

    def _network(self) -> dict[str, Any]:
        card = self.backbone.card
        return {
            "architecture": self.backbone.architecture,
            "images_seen": card.get("images_seen"),
            "weights": card.get("weights"),
        }

    def _compute(
        self, unfinished: Unfinished | None, on_progress: OnProgress | None
    ) -> Measurement:
        context = Context(
            seed=self.seed,
            device=self.backbone.device,
            on_progress=on_progress,
            unfinished=unfinished,
            on_message=self.on_message,
        )
        with torch_threads(self.threads or default_threads()):
            return METHODS.make(self.method).run(self.backbone, self.task, context)


def save_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write named arrays as safetensors."""
    from safetensors.numpy import save_file

    with default_permissions(path):
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read the named arrays of a safetensors file."""
    from safetensors.numpy import load_file

    return load_file(path)
