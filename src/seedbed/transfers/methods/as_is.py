"""as_is(): evaluate a checkpoint with its own classifier on a task with the same classes, for
example top-1 and top-5 error on ImageNet.

Classes are matched by their labels (`n02084071`). The network predicts one of all its classes;
classes that the task does not have count as errors.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from seedbed.base.errors import UsageError
from seedbed.metrics.accuracy import error_rates, rank
from seedbed.models.backbone import Backbone
from seedbed.readout.model import Model
from seedbed.tasks.classification import ClassificationTask
from seedbed.tasks.task import Measurement
from seedbed.transfers.methods import Context, Method

_MAX_NAMED = 5  # classes in an error message


@dataclass(frozen=True)
class AsIs(Method):
    """Evaluate a checkpoint with its own classifier, without training: top-1 and top-5 error on the
    classes of the task."""

    revision: ClassVar[int] = 1

    def needs_training_images(self) -> bool:
        return False

    def run(self, backbone: Backbone, task: ClassificationTask, context: Context) -> Measurement:
        index = {label: i for i, label in enumerate(task.classes)}
        if missing := sorted(index.keys() - set(backbone.classes)):
            known = ", ".join(backbone.classes[:_MAX_NAMED])
            raise UsageError(
                f"{len(missing):,} of the {len(index):,} classes of {task.store.name} are not "
                f"among the {len(backbone.classes):,} classes of {backbone.architecture}: "
                f"{', '.join(missing[:_MAX_NAMED])}",
                f"as_is() matches labels; those of the network are {known}, ... Rename the "
                "folders, or train a readout: probe().",
            )
        # -1, which is no label, stands for classes that the task does not have.
        task_class = np.array([index.get(label, -1) for label in backbone.classes], np.int32)
        model = Model(backbone=backbone, classes=backbone.classes)
        ranked = task_class[rank(model.scores(backbone.images(task.store, task.test)).numpy())]
        facts = {
            "layers": "none trained",
            "num_train": 0,
            "num_classes_of_network": len(backbone.classes),
        }
        measured = task.score_ranked(ranked, facts, model)
        metrics = {**measured.metrics, **error_rates(measured.metrics)}
        return replace(measured, metrics=metrics)
