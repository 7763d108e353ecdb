"""A backbone in the race: opened once, its codes taken at the layers that are worth a look, its
speed known.

In: what the user calls a backbone, an arena. Out: codes, rates, candidates on frozen codes. Knows
nothing of the other contenders.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from seedbed.advice.candidate import Entry, Kind
from seedbed.advice.task_by_size import Arena, rough
from seedbed.base.device import free_bytes
from seedbed.models.backbone import Backbone
from seedbed.models.layers import Layer
from seedbed.readout.augmented_views import NUM_VIEWS
from seedbed.readout.heads import prepare_codes
from seedbed.readout.model import layer_codes
from seedbed.tasks.classification import ClassificationTask
from seedbed.transfers.methods import probe
from seedbed.transfers.readout_selection import Choice, make_readout

_MOST_LAYERS = 8
_SHARE_OF_MEMORY = 0.3
_C_AUGMENTED = (1.0, 10.0, 100.0)


@dataclass
class Contender:
    """One backbone, as the user calls it."""

    name: str
    backbone: Backbone
    arena: Arena
    num_rough: int
    images_per_s: float = 0.0  # of a forward pass, once measured
    rates: dict[str, float] = field(default_factory=dict)
    # codes by number of images and layer
    _held: dict[tuple[int, str], torch.Tensor] = field(default_factory=dict)

    @property
    def task(self) -> ClassificationTask:
        return self.arena.task(self.backbone.preprocessing.store_px)

    @property
    def layers(self) -> list[Layer]:
        """Rows of the layer table worth a look: all, or as many as are few enough, spread over the
        depth, the last among them."""
        rows = list(self.backbone.layers)
        if len(rows) > _MOST_LAYERS:
            rows = [
                rows[i]
                for i in np.unique(np.linspace(0, len(rows) - 1, _MOST_LAYERS).round().astype(int))
            ]
        top = self.backbone.layer()
        return rows if any(la.name == top.name for la in rows) else [*rows, top]

    def seconds_of_codes(self, num_images: int) -> float:
        """How long a forward pass over so many images takes; measured on a few the first time."""
        if not self.images_per_s:
            task = self.task
            few = task.known[:8]
            images = self.backbone.images(task.store, few)
            # the first pass of a network is slower
            layer_codes(self.backbone, images, [self.backbone.layer()])
            started = time.monotonic()
            layer_codes(self.backbone, images, [self.backbone.layer()])
            self.images_per_s = len(few) / max(1e-4, time.monotonic() - started)
        return num_images / self.images_per_s

    def by_layer(self) -> list[Entry]:
        """A linear readout at each layer, on a part of the images where there are many."""
        task = rough(self.task, self.num_rough)
        layers = self._that_fit(task)
        started = time.monotonic()
        each = self._codes(task, layers)
        self.images_per_s = len(task.known) / max(1e-4, time.monotonic() - started)
        is_rough = len(task.known) < len(self.task.known)
        return [
            self._entry(task, [la], each[la.name][:, None], "probe", is_rough=is_rough)
            for la in layers
        ]

    def at(self, layers: Sequence[str], readout: str = "svm") -> Entry:
        """A readout of one layer, or of several joined, on all the known images."""
        rows = [self.backbone.layer(name) for name in layers]
        each = self._codes(self.task, rows)
        codes = torch.cat([each[la.name] for la in rows], dim=1)[:, None]
        kind: Kind = "neighbours" if readout == "knn" else "probe" if len(rows) == 1 else "joined"
        return self._entry(self.task, rows, codes, kind, readout=readout)

    def augmented(self, layer: str) -> Entry:
        """Sixteen views of every image."""
        row, task = self.backbone.layer(layer), self.task
        images = self.backbone.images(task.store, task.known)
        views = [
            layer_codes(self.backbone, images, [row], which=which) for which in range(NUM_VIEWS)
        ]
        return self._entry(task, [row], torch.stack(views, dim=1), "augmented")

    def can_be_augmented(self, layer: str) -> bool:
        """Whether memory holds the codes of all views."""
        needed = 4 * NUM_VIEWS * len(self.task.known) * self.backbone.layer(layer).dim
        return 3 * needed < _SHARE_OF_MEMORY * min(
            free_bytes("cpu"), free_bytes(self.backbone.device)
        )

    def _that_fit(self, task: ClassificationTask) -> list[Layer]:
        """Layers whose codes memory holds at once: the later ones first."""
        room, found = _SHARE_OF_MEMORY * free_bytes("cpu") / (8 * max(1, len(task.known))), []
        for layer in reversed(self.layers):
            room -= layer.dim
            if room < 0 and found:
                break
            found.append(layer)
        return found[::-1]

    def _codes(self, task: ClassificationTask, layers: Sequence[Layer]) -> dict[str, torch.Tensor]:
        """Of the known images, one pass for all layers: float32 [n, d] each."""
        num = len(task.known)
        new = [la for la in layers if (num, la.name) not in self._held]
        found = (
            layer_codes(self.backbone, self.backbone.images(task.store, task.known), new)
            if new
            else torch.zeros(num, 0)
        )
        parts = (
            dict(
                zip(
                    [la.name for la in new], found.split([la.dim for la in new], dim=1), strict=True
                )
            )
            if new
            else {}
        )
        each = {
            la.name: parts[la.name] if la.name in parts else self._held[num, la.name]
            for la in layers
        }
        if 8 * sum(part.numel() for part in parts.values()) < _SHARE_OF_MEMORY * free_bytes("cpu"):
            self._held |= {(num, name): part for name, part in parts.items()}
        return each

    def codes_of(self, task: ClassificationTask, layer: str) -> torch.Tensor:
        """Of the known images of the task, or of a first look's: float32 [n, d]."""
        row = self.backbone.layer(layer)
        return self._codes(task, [row])[row.name]

    def _entry(
        self,
        task: ClassificationTask,
        layers: Sequence[Layer],
        codes: torch.Tensor,
        kind: Kind,
        *,
        readout: str = "svm",
        is_rough: bool = False,
    ) -> Entry:
        """The candidate of codes [n, v, d], its setting chosen on the held-out images."""
        started = time.monotonic()
        augmented = kind == "augmented"
        dims = [la.dim for la in layers]
        ready = prepare_codes(codes.to(self.backbone.device), dims, normalise=True, power=augmented)
        labels = torch.from_numpy(task.labels(task.known)).to(ready.device)
        how = make_readout(readout, _C_AUGMENTED if augmented else probe.C_GRID, probe.K_GRID)
        choice = how.choose(ready, labels, task.folds(), task.num_classes)
        top = self.backbone.layer().name
        return Entry(
            backbone=self.name,
            method=_call(kind, [la.name for la in layers], readout, choice),
            kind=kind,
            layer=" + ".join(la.name for la in layers),
            is_top=[la.name for la in layers] == [top],
            held_out=choice.held_out,
            positions=choice.positions,
            images=task.store.hashes[task.known[choice.positions]],
            seconds=time.monotonic() - started + self.seconds_of_codes(len(codes)) * codes.shape[1],
            num_folds=choice.num_folds,
            is_rough=is_rough,
            settings=choice.right,
        )


def _call(kind: Kind, layers: list[str], readout: str, choice: Choice) -> str:
    """The method call that trains this very readout."""
    setting: Any = f"k=[{int(choice.best)}]" if readout == "knn" else f"c=[{choice.best!r}]"
    layer = repr(layers[0]) if len(layers) == 1 else repr(layers)
    named = "" if readout == "svm" else f", readout={readout!r}"
    return (
        f"{'probe_augmented' if kind == 'augmented' else 'probe'}(layer={layer}{named}, {setting})"
    )
