"""A backbone in the race: its codes, its speed, and candidates on frozen codes.

In: a backbone by the user's name for it, and the task by image size. Out: cached codes, measured
speeds, candidates. A contender knows nothing of the others.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from seedbed.advice.candidate import Candidate, Kind
from seedbed.advice.task_by_size import TaskBySize, subset_task
from seedbed.base.device import free_bytes
from seedbed.models.backbone import Backbone
from seedbed.models.layers import Layer
from seedbed.models.text_tower import has_text_tower
from seedbed.models.token_readings import has_class_token
from seedbed.readout.augmented_views import NUM_VIEWS
from seedbed.readout.heads import prepare_codes
from seedbed.readout.model import layer_codes
from seedbed.tasks.class_scores import HeldOut
from seedbed.tasks.classification import ClassificationTask
from seedbed.transfers.methods import probe
from seedbed.transfers.methods.zero_shot import class_names, zero_shot_model
from seedbed.transfers.readout_selection import Choice, make_readout

_MAX_LAYERS = 8
_SHARE_OF_MEMORY = 0.3
_AUGMENTED_C_GRID = (1.0, 10.0, 100.0)


@dataclass
class Contender:
    """One backbone, by the user's name for it."""

    name: str
    backbone: Backbone
    tasks: TaskBySize
    # labelled images that the first round uses at most
    num_preliminary: int
    # of a forward pass; 0 until it is measured
    images_per_s: float = 0.0
    # other measured speeds, images per second
    speeds: dict[str, float] = field(default_factory=dict)
    # codes by number of images and layer
    _cache: dict[tuple[int, str], torch.Tensor] = field(default_factory=dict)

    @property
    def task(self) -> ClassificationTask:
        form = self.backbone.preprocessing
        return self.tasks.task(form.store_px, form.fit)

    @property
    def layers(self) -> list[Layer]:
        """The layers to compare: all, or a few spread over the depth; always the penultimate, and
        for a network with a class token that token together with the patch tokens."""
        rows = list(self.backbone.layers)
        if len(rows) > _MAX_LAYERS:
            spread = np.linspace(0, len(rows) - 1, _MAX_LAYERS).round().astype(int)
            rows = [rows[i] for i in np.unique(spread)]
        penultimate = self.backbone.layer()
        if not any(la.name == penultimate.name for la in rows):
            rows.append(penultimate)
        if has_class_token(rows, self.backbone.module):
            rows.append(self.backbone.layer("cls+patch_mean"))
        return rows

    def forward_seconds(self, num_images: int) -> float:
        """Seconds that a forward pass over `num_images` takes; the speed is measured once."""
        if not self.images_per_s:
            task = self.task
            few = task.known[:8]
            images = self.backbone.images(task.store, few)
            # The first pass of a network is slower.
            layer_codes(self.backbone, images, [self.backbone.layer()])
            started = time.monotonic()
            layer_codes(self.backbone, images, [self.backbone.layer()])
            self.images_per_s = len(few) / max(1e-4, time.monotonic() - started)
        return num_images / self.images_per_s

    def probe_layers(self) -> list[Candidate]:
        """A linear probe of each layer, on a subset of the images where there are many."""
        task = subset_task(self.task, self.num_preliminary)
        layers = self._layers_that_fit(task)
        started = time.monotonic()
        codes = self._codes(task, layers)
        self.images_per_s = len(task.known) / max(1e-4, time.monotonic() - started)
        is_preliminary = len(task.known) < len(self.task.known)
        return [
            self._candidate(
                task, [la], codes[la.name][:, None], "probe", is_preliminary=is_preliminary
            )
            for la in layers
        ]

    def read_out(self, layers: Sequence[str], readout: str = "svm") -> Candidate:
        """A readout of one layer, or of several joined, on all labelled images."""
        rows = [self.backbone.layer(name) for name in layers]
        of_layer = self._codes(self.task, rows)
        codes = torch.cat([of_layer[la.name] for la in rows], dim=1)[:, None]
        kind: Kind = "neighbours" if readout == "knn" else "probe" if len(rows) == 1 else "joined"
        return self._candidate(self.task, rows, codes, kind, readout=readout)

    def read_out_augmented(self, layer: str) -> Candidate:
        """A readout of sixteen augmented views of every labelled image."""
        row, task = self.backbone.layer(layer), self.task
        images = self.backbone.images(task.store, task.known)
        views = [
            layer_codes(self.backbone, images, [row], which=which) for which in range(NUM_VIEWS)
        ]
        return self._candidate(task, [row], torch.stack(views, dim=1), "augmented")

    def zero_shot(self) -> Candidate | None:
        """Classification by the names of the classes, on the held-out images of the others; None
        for a network without a text tower."""
        if not has_text_tower(self.backbone):
            return None
        started, task = time.monotonic(), self.task
        model = zero_shot_model(self.backbone, task.classes, class_names(task.store, task.classes))
        positions = np.concatenate([held_out for _, held_out in task.folds()])
        rows = task.known[positions]
        held_out = HeldOut(
            scores=model.scores(self.backbone.images(task.store, rows)),
            labels=torch.from_numpy(task.labels(rows)),
        )
        return Candidate(
            backbone=self.name,
            method="zero_shot()",
            kind="zero_shot",
            layer=None,
            is_penultimate=False,
            held_out=held_out,
            positions=positions,
            images=task.store.hashes[rows],
            seconds=time.monotonic() - started,
            num_folds=len(task.folds()),
        )

    def has_memory_for_views(self, layer: str) -> bool:
        """Whether the codes of all augmented views fit into memory."""
        needed = 4 * NUM_VIEWS * len(self.task.known) * self.backbone.layer(layer).dim
        free = min(free_bytes("cpu"), free_bytes(self.backbone.device))
        return 3 * needed < _SHARE_OF_MEMORY * free

    def codes_of(self, task: ClassificationTask, layer: str) -> torch.Tensor:
        """Codes of the task's labelled images at one layer, float32 [n, d]."""
        row = self.backbone.layer(layer)
        return self._codes(task, [row])[row.name]

    def _layers_that_fit(self, task: ClassificationTask) -> list[Layer]:
        """Layers whose codes fit into memory together; later layers take precedence."""
        free_dims = _SHARE_OF_MEMORY * free_bytes("cpu") / (8 * max(1, len(task.known)))
        layers: list[Layer] = []
        for layer in reversed(self.layers):
            free_dims -= layer.dim
            if free_dims < 0 and layers:
                break
            layers.append(layer)
        return layers[::-1]

    def _codes(self, task: ClassificationTask, layers: Sequence[Layer]) -> dict[str, torch.Tensor]:
        """Codes of the labelled images by layer, float32 [n, d], in one pass for all layers."""
        num = len(task.known)
        new: dict[str, torch.Tensor] = {}
        missing = [la for la in layers if (num, la.name) not in self._cache]
        if missing:
            images = self.backbone.images(task.store, task.known)
            joined = layer_codes(self.backbone, images, missing)
            parts = joined.split([la.dim for la in missing], dim=1)
            new = {la.name: part for la, part in zip(missing, parts, strict=True)}
        codes = {
            la.name: new[la.name] if la.name in new else self._cache[num, la.name] for la in layers
        }
        if 8 * sum(part.numel() for part in new.values()) < _SHARE_OF_MEMORY * free_bytes("cpu"):
            self._cache |= {(num, name): part for name, part in new.items()}
        return codes

    def _candidate(
        self,
        task: ClassificationTask,
        layers: Sequence[Layer],
        codes: torch.Tensor,
        kind: Kind,
        *,
        readout: str = "svm",
        is_preliminary: bool = False,
    ) -> Candidate:
        """The candidate on codes [n, v, d], its hyperparameter selected on held-out images."""
        started = time.monotonic()
        augmented = kind == "augmented"
        names = [la.name for la in layers]
        features = prepare_codes(
            codes.to(self.backbone.device),
            [la.dim for la in layers],
            normalise=True,
            power=augmented,
        )
        labels = torch.from_numpy(task.labels(task.known)).to(features.device)
        c_grid = _AUGMENTED_C_GRID if augmented else probe.C_GRID
        choice = make_readout(readout, c_grid, probe.K_GRID).choose(
            features, labels, task.folds(), task
        )
        forward_seconds = self.forward_seconds(len(codes)) * codes.shape[1]
        return Candidate(
            backbone=self.name,
            method=_method_call(kind, names, readout, choice),
            kind=kind,
            layer=" + ".join(names),
            is_penultimate=names == [self.backbone.layer().name],
            held_out=choice.held_out,
            positions=choice.positions,
            images=task.store.hashes[task.known[choice.positions]],
            seconds=time.monotonic() - started + forward_seconds,
            num_folds=choice.num_folds,
            is_preliminary=is_preliminary,
            correct_by_setting=choice.right,
        )


def _method_call(kind: Kind, layers: list[str], readout: str, choice: Choice) -> str:
    """The method call that trains the same readout with the selected hyperparameter."""
    method = "probe_augmented" if kind == "augmented" else "probe"
    layer = repr(layers[0]) if len(layers) == 1 else repr(layers)
    readout_argument = "" if readout == "svm" else f", readout={readout!r}"
    setting = f"k=[{int(choice.best)}]" if readout == "knn" else f"c=[{choice.best!r}]"
    return f"{method}(layer={layer}{readout_argument}, {setting})"
