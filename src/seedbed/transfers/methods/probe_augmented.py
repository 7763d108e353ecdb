"""probe_augmented(): the classic recipe with 16 views of each image (Razavian et al. 2014,
CNNaug-SVM).

The codes of every view are learnt from, L2-normalised, squared with their sign (the paper's power
transform) and normalised again, which
the paper does not do: C then means the same for every network. Responses are summed over the views
    of a test image. C is chosen on
held-out images, all of whose views are held out.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar, Literal

import numpy as np
import torch

from seedbed.base.device import free_bytes
from seedbed.base.errors import UsageError
from seedbed.models.backbone import Backbone
from seedbed.readout.augmented_views import NUM_VIEWS
from seedbed.readout.calibration import fit_temperature
from seedbed.readout.heads import prepare_codes
from seedbed.readout.model import Model, layer_codes
from seedbed.tasks.classification import ClassificationTask
from seedbed.tasks.task import Measurement
from seedbed.transfers.methods import Context, Method
from seedbed.transfers.readout_selection import HeadShape, make_readout

_SHARE_OF_MEMORY = 0.4


@dataclass(frozen=True)
class ProbeAugmented(Method):
    """A linear readout on codes of 16 views (whole, five crops, two rotations, each mirrored), its
    responses summed over them."""

    layer: str = "penultimate"
    readout: Literal["svm", "softmax", "ridge"] = "svm"
    c: tuple[float, ...] = (0.1, 1.0, 10.0, 100.0)
    power: bool = True
    revision: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if not self.c or min(self.c) <= 0:
            raise ValueError(f"c = {list(self.c)} must be positive values")

    def check(self, backbone: Backbone) -> None:
        backbone.layer(self.layer)

    def identity(self) -> object:
        return {"is": "ProbeAugmented", **asdict(self)}

    def run(self, backbone: Backbone, task: ClassificationTask, context: Context) -> Measurement:
        layer, known = backbone.layer(self.layer), task.known
        images, labels = (
            backbone.images(task.store, known),
            torch.from_numpy(task.labels(known)).to(context.device),
        )
        needed = 4 * len(known) * NUM_VIEWS * layer.dim
        if needed > _SHARE_OF_MEMORY * free_bytes("cpu"):
            raise UsageError(
                f"{NUM_VIEWS} views of {len(known):,} images are {needed / 1e9:.1f} GB of codes, more than this machine has free",
                "Take fewer images (train_per_class=N), a layer of fewer dimensions, or probe(), which needs a sixteenth.",
            )
        found = np.empty((len(known), NUM_VIEWS, layer.dim), np.float32)
        for which in range(NUM_VIEWS):
            found[:, which] = layer_codes(backbone, images, [layer], which=which).numpy()
        codes = prepare_codes(
            torch.from_numpy(found).to(context.device),
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
