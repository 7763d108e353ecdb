"""as_is(): evaluate a checkpoint with its own classifier on a task with the same classes, for
example top-1 and top-5 error on ImageNet.

Classes are matched by their labels (`n02084071`). The network predicts one of all its classes;
classes that the task does not have count as errors. Weights from elsewhere often have no class
names: their outputs are then called 0, 1, 2, ..., and an order must be known to match them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from seedbed.base.errors import UsageError
from seedbed.base.spec import added_later
from seedbed.metrics.accuracy import error_rates, rank
from seedbed.models.backbone import Backbone
from seedbed.readout.model import Model
from seedbed.tasks.classification import ClassificationTask
from seedbed.tasks.task import Measurement
from seedbed.transfers.methods import Context, Method

_MAX_NAMED = 5  # classes in an error message
_MAX_IN_ONE_ORDER = 10  # 0 to 9 have one order, as numbers and as texts


@dataclass(frozen=True)
class AsIs(Method):
    """Evaluate a checkpoint with its own classifier, without training: top-1 and top-5 error on the
    classes of the task."""

    revision: ClassVar[int] = 1

    # How unnamed outputs are matched with classes that are numbers: "numeric" (output 2 is class
    # 2), or "alphabetical" (output 2 is the third of the class names as texts: 0, 1, 10).
    order: Literal["", "numeric", "alphabetical"] = added_later("")

    def check(self, backbone: Backbone) -> None:
        if not backbone.classes:
            raise UsageError(
                f"as_is() needs a classifier, and {backbone.card.get('weights')} has none",
                "Train one on its codes: probe(). A file with a head gives one too.",
            )

    def needs_training_images(self) -> bool:
        return False

    def run(self, backbone: Backbone, task: ClassificationTask, context: Context) -> Measurement:
        index = {label: i for i, label in enumerate(task.classes)}
        outputs = self._output_names(backbone.classes, task)
        if missing := sorted(index.keys() - set(outputs)):
            known = ", ".join(outputs[:_MAX_NAMED])
            raise UsageError(
                f"{len(missing):,} of the {len(index):,} classes of {task.store.name} are not "
                f"among the {len(backbone.classes):,} classes of {backbone.architecture}: "
                f"{', '.join(missing[:_MAX_NAMED])}",
                f"as_is() matches labels; those of the network are {known}, ... Rename the "
                "folders, or train a readout: probe().",
            )
        # -1, which is no label, stands for classes that the task does not have.
        task_class = np.array([index.get(label, -1) for label in outputs], np.int32)
        model = Model(backbone=backbone, classes=backbone.classes)
        ranked = task_class[rank(model.scores(backbone.images(task.store, task.test)).numpy())]
        facts = {
            "layers": "none trained",
            "num_train": 0,
            "num_classes_of_network": len(backbone.classes),
            "outputs_matched": f"{len(index):,} classes by {self._matched_by(backbone.classes)}",
        }
        measured = task.score_ranked(ranked, facts, model)
        metrics = {**measured.metrics, **error_rates(measured.metrics)}
        return replace(measured, metrics=metrics)

    def _output_names(self, classes: Sequence[str], task: ClassificationTask) -> tuple[str, ...]:
        """The class of each output; raises UsageError where unnamed outputs and numeric classes
        leave their order in doubt."""
        if not _is_unnamed(classes):
            return tuple(classes)
        if self.order == "alphabetical":
            return tuple(sorted(classes))
        is_in_doubt = len(classes) > _MAX_IN_ONE_ORDER and _are_numbers(task.classes)
        if is_in_doubt and not self.order:
            raise UsageError(
                f"the {len(classes):,} outputs of the network have no names, and "
                "the classes are numbers: output 2 may be class 2, or the third class in "
                "alphabetical order (0, 1, 10)",
                "Say which: as_is(order='numeric') or as_is(order='alphabetical').",
            )
        return tuple(classes)

    def _matched_by(self, classes: Sequence[str]) -> str:
        if not _is_unnamed(classes):
            return "their labels"
        return f"the numbers of the outputs, in {self.order or 'numeric'} order"


def _is_unnamed(classes: Sequence[str]) -> bool:
    """Whether the outputs of a network are only numbered."""
    return tuple(classes) == tuple(map(str, range(len(classes))))


def _are_numbers(classes: Sequence[str]) -> bool:
    return all(label.isdecimal() for label in classes)
