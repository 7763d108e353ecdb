"""as_is(): a checkpoint with its own head, scored on a task whose classes it knows: top-1 and top-5
error on ImageNet, say.

Classes are matched by their labels (`n02084071`). The network chooses among all its classes; one
that the task has not is wrong.
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

_MOST_NAMED = 5


@dataclass(frozen=True)
class AsIs(Method):
    """Score a checkpoint with its own head, nothing trained: top-1 / top-5 error where it knows the
    classes of the task."""

    revision: ClassVar[int] = 1

    def needs_training_images(self) -> bool:
        return False

    def run(self, backbone: Backbone, task: ClassificationTask, context: Context) -> Measurement:
        place = {label: i for i, label in enumerate(task.classes)}
        if missing := sorted(place.keys() - set(backbone.classes)):
            known = ", ".join(backbone.classes[:_MOST_NAMED])
            raise UsageError(
                f"{len(missing):,} of the {len(place):,} classes of {task.store.name} are none of {backbone.architecture}'s "
                f"{len(backbone.classes):,}: {', '.join(missing[:_MOST_NAMED])}",
                f"as_is() matches labels; the network's are {known}, ... Rename the folders, or train a readout: probe().",
            )
        # A class that the task has not stands in the ranking as -1, which no label is.
        theirs = np.array([place.get(label, -1) for label in backbone.classes], np.int32)
        model = Model(backbone=backbone, classes=backbone.classes)
        ranked = theirs[rank(model.scores(backbone.images(task.store, task.test)).numpy())]
        facts = {
            "layers": "none trained",
            "num_train": 0,
            "num_classes_of_network": len(backbone.classes),
        }
        measured = task.score_ranked(ranked, facts, model)
        metrics = {**measured.metrics, **error_rates(measured.metrics)}
        return replace(measured, metrics=metrics)
