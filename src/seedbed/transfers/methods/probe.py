"""probe(): CNN codes and a linear SVM (Razavian et al. 2014, section 3).

The codes are the penultimate layer's, after its ReLU, pooled (mean over space), L2-normalised. C is chosen on the validation split, then
the classifier is fitted again on training and validation images together. We differ from the paper in choosing C per task, and in
one-against-the-rest voting throughout.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from seedbed.metrics.accuracy import rank
from seedbed.models.backbone import Backbone
from seedbed.models.codes import codes, pooling
from seedbed.readout.linear import fit_svm, normalise_rows
from seedbed.tasks.task import Measurement, Task
from seedbed.transfers.methods import Context, Method


@dataclass(frozen=True)
class Probe(Method):
    """Linear SVM on L2-normalised codes of a layer; C chosen on validation, then refitted on training + validation."""

    layer: str = "penultimate"
    readout: str = "svm"
    c: tuple[float, ...] = (0.1, 1.0, 10.0, 100.0, 1000.0)
    revision: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if self.readout != "svm":
            raise ValueError(f"readout = {self.readout!r} is not there yet; valid: 'svm'")
        if not self.c or min(self.c) <= 0:
            raise ValueError(f"c = {list(self.c)} must be positive values")

    def check(self, backbone: Backbone) -> None:
        backbone.layer(self.layer)

    def run(self, backbone: Backbone, task: Task, context: Context) -> Measurement:
        rows = np.concatenate([task.train, task.validation, task.test])
        all_codes = normalise_rows(codes(backbone, backbone.images(task.store, rows), self.layer))
        num_train, num_known = len(task.train), len(task.train) + len(task.validation)
        labels = torch.from_numpy(task.labels(rows[:num_known]))
        c, validation_top1 = self._choose(all_codes[:num_known], labels, num_train, task.num_classes)
        final = fit_svm(all_codes[:num_known], labels, task.num_classes, [c])[0]
        facts = {
            "layer": backbone.layer(self.layer).name,
            "pooling": pooling(backbone.layer(self.layer)),
            "dim": all_codes.shape[1],
            "c": c,
            "c_at_edge": len(self.c) > 1 and c in (min(self.c), max(self.c)),  # a wider grid might do better
            "validation_top1": validation_top1,
            "solver_converged": final.converged,
            "num_train": num_known,
        }
        return task.score(rank(final.scores(all_codes[num_known:]).numpy()), facts)

    def _choose(
        self, known: torch.Tensor, labels: torch.Tensor, num_train: int, num_classes: int
    ) -> tuple[float, dict[str, float]]:
        """The C with the best validation top-1, ties to the smaller, and the accuracy of each, percent."""
        found = fit_svm(known[:num_train], labels[:num_train], num_classes, sorted(self.c))
        right = {f.c: (f.scores(known[num_train:]).argmax(1) == labels[num_train:]).double().mean().item() * 100 for f in found}
        return max(right, key=lambda c: (right[c], -c)), {f"{c:g}": value for c, value in right.items()}
