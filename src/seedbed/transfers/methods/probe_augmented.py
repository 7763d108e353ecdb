"""probe_augmented(): a linear readout on 16 views of each image (CNNaug-SVM; Razavian et al. 2014).

The readout is trained on the codes of all views: L2-normalised, squared with their signs (the power
transform of the paper) and normalised again. The paper has no second normalisation; with it, C has
the same meaning for all networks. Responses are summed over the views of a test image. C is chosen
on held-out images, with all their views.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar, Literal

import numpy as np
import torch

from seedbed.base.device import free_bytes
from seedbed.base.errors import UsageError
from seedbed.models.backbone import Backbone
from seedbed.models.layers import Layer
from seedbed.readout.augmented_views import NUM_VIEWS
from seedbed.readout.calibration import fit_temperature
from seedbed.readout.heads import prepare_codes
from seedbed.readout.model import Model, layer_codes
from seedbed.tasks.classification import ClassificationTask
from seedbed.tasks.task import Measurement
from seedbed.transfers.methods import Context, Method
from seedbed.transfers.readout_selection import HeadShape, make_readout

# Largest share of the free memory for codes.
_MEMORY_SHARE = 0.4


@dataclass(frozen=True)
class ProbeAugmented(Method):
    """A linear readout on codes of 16 views of each image (the whole image, five crops, two
    rotations, and these mirrored), whose responses are summed."""

    layer: str = "penultimate"
    readout: Literal["svm", "softmax", "ridge"] = "svm"
    c: tuple[float, ...] = (0.1, 1.0, 10.0, 100.0)
    power: bool = True
    revision: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if not self.c or min(self.c) <= 0:
            raise ValueError(f"c = {list(self.c)} must be positive")

    def check(self, backbone: Backbone) -> None:
        backbone.layer(self.layer)

    def identity(self) -> object:
        return {"is": "ProbeAugmented", **asdict(self)}

    def run(self, backbone: Backbone, task: ClassificationTask, context: Context) -> Measurement:
        layer, known = backbone.layer(self.layer), task.known
        labels = torch.from_numpy(task.labels(known)).to(context.device)
        codes = prepare_codes(
            self._view_codes(backbone, task, layer).to(context.device),
            [layer.dim],
            normalise=True,
            power=self.power,
        )
        readout = make_readout(self.readout, self.c, ())
        choice = readout.choose(codes, labels, task.folds(), task)
        shape = HeadShape(
            dims=(layer.dim,), normalise=True, power=self.power, num_classes=task.num_classes
        )
        head, facts = readout.fit(codes, labels, choice.best, choice.tried, shape)
        model = Model(
            backbone=backbone,
            classes=task.classes,
            head=head,
            layers=(layer.name,),
            num_views=NUM_VIEWS,
            temperature=fit_temperature(choice.held_out.scores, choice.held_out.labels),
            num_calibrated=len(choice.held_out.labels),
        )
        facts = {
            "layer": layer.name,
            "num_views": NUM_VIEWS,
            "dim": layer.dim,
            **facts,
            **choice.facts(),
            "num_train": len(known),
        }
        scores = model.scores(backbone.images(task.store, task.test))
        return task.score(scores.numpy(), facts, model)

    def _view_codes(
        self, backbone: Backbone, task: ClassificationTask, layer: Layer
    ) -> torch.Tensor:
        """Codes [n, v, d] of all views of the labelled images; raises UsageError if they do not fit
        into memory."""
        num = len(task.known)
        num_bytes = 4 * num * NUM_VIEWS * layer.dim
        if num_bytes > _MEMORY_SHARE * free_bytes("cpu"):
            raise UsageError(
                f"the codes of {NUM_VIEWS} views of {num:,} images need {num_bytes / 1e9:.1f} GB, "
                "more memory than is free",
                "Use fewer images (train_per_class=N), a layer with fewer dimensions, or probe(), "
                "which needs a sixteenth.",
            )
        images = backbone.images(task.store, task.known)
        codes = np.empty((num, NUM_VIEWS, layer.dim), np.float32)
        for which in range(NUM_VIEWS):
            codes[:, which] = layer_codes(backbone, images, [layer], which=which).numpy()
        return torch.from_numpy(codes)
