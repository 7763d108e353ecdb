"""detect(): a region detector on the backbone, fine-tuned on boxes (Faster R-CNN; Ren et al. 2015).

The same call trains from pre-trained weights and from random ones: the learning rate of a small
grid is chosen on validation images for each. With one learning rate nothing is chosen, and the
validation images are learnt from too, as the papers do with VOC's trainval. Defaults are sizes that
train on a processor: a net of four layers sees about twenty images a second on one core. What it is
made of: `seedbed.readout.detector`; how it is trained: `seedbed.transfers.detector_training`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Literal

from seedbed.base.errors import BadDataError, UsageError
from seedbed.models.backbone import Backbone
from seedbed.models.box_head import pretrained_box_head
from seedbed.models.feature_maps import check_any_size, pyramid_maps, single_map, spatial_layers
from seedbed.models.layers import Layer
from seedbed.models.stages import batch_norms, stages_of
from seedbed.readout.detector import DetectorSettings
from seedbed.tasks.detection import DetectionTask
from seedbed.tasks.task import Measurement, Task
from seedbed.transfers.detector_training import DetectorTrainer, DetectorTraining, adapt_batch_norms
from seedbed.transfers.methods import Context, Method

_ALIGN = 0.1
_REGIONS = 2.7


@dataclass(frozen=True)
class Detect(Method):
    """Fine-tune a region detector: one map (feature='c4', 'c5' or a layer) or a pyramid ('fpn');
    short_px and long_px bound the sides.

    `frozen_stages`: how many of the first stages stay as they are. `drops`: shares of the
    iterations after which the rate is a tenth. `box_head='own'`: the network's own fully connected
    layers (AlexNet, VGG). `adapt`: for images of another domain than the labels, 'batch_norm' (its
    statistics) or 'align' (these, and features that a critic cannot tell apart), both without its
    labels.
    """

    iterations: int = 500
    batch_size: int = 4
    learning_rates: tuple[float, ...] = (0.01, 0.03, 0.1, 0.3)
    drops: tuple[float, ...] = ()
    feature: str = "c4"
    short_px: int = 240
    long_px: int = 400
    anchors: tuple[float, ...] = (0.05, 0.075, 0.11, 0.17, 0.25, 0.38, 0.57)
    box_head: Literal["new", "own"] = "new"
    head_dim: int = 256
    regions: int = 64
    proposals: int = 300
    nms: float = 0.5
    frozen_stages: int = 0
    batch_norm: Literal["learns", "rests"] = "learns"
    weight_decay: float = 5e-4
    max_gradient_norm: float | None = 10.0
    flip: bool = True
    adapt: Literal["none", "batch_norm", "align"] = "none"
    align_weight: float = _ALIGN
    revision: ClassVar[int] = 1
    takes: ClassVar[tuple[str, ...]] = ("detection",)

    def __post_init__(self) -> None:
        if min(self.iterations, self.batch_size, self.regions, self.proposals, self.head_dim) < 1:
            raise ValueError(
                "iterations, batch_size, regions, proposals and head_dim must be at least 1"
            )
        if not self.learning_rates or min(self.learning_rates) <= 0:
            raise ValueError(
                f"learning_rates = {list(self.learning_rates)} must be positive values"
            )
        if any(not 0 < drop < 1 for drop in self.drops):
            raise ValueError(f"drops = {list(self.drops)} are shares of the iterations, in (0, 1)")
        if not 32 <= self.short_px <= self.long_px:
            raise ValueError(
                f"short_px = {self.short_px}, long_px = {self.long_px}: at least 32, and the short one first"
            )
        if not self.anchors or not 0 < min(self.anchors) <= max(self.anchors) <= 2:
            raise ValueError(f"anchors = {list(self.anchors)} are shares of short_px, in (0, 2]")
        if not 0 < self.nms < 1 or self.frozen_stages < 0 or self.align_weight <= 0:
            raise ValueError(
                f"nms = {self.nms} lies in (0, 1), frozen_stages = {self.frozen_stages} is 0 or more, align_weight above 0"
            )

    def anatomy(self) -> DetectorSettings:
        own = {f.name for f in fields(DetectorSettings)}
        return DetectorSettings(
            **{name: value for name, value in asdict(self).items() if name in own}
        )

    def settings(self) -> DetectorTraining:
        own = {f.name for f in fields(DetectorTraining)} - {"align"}
        align = self.align_weight if self.adapt == "align" else 0.0
        return DetectorTraining(
            **{name: value for name, value in asdict(self).items() if name in own}, align=align
        )

    def check(self, backbone: Backbone) -> None:
        check_any_size(backbone, self._layers(backbone))
        if self.box_head == "own":
            self._check_own(backbone)
        if self.adapt == "batch_norm" and not batch_norms(backbone.module):
            raise UsageError(
                f"adapt='batch_norm' needs batch norm, and {backbone.architecture} has none",
                "Take adapt='align', or another network.",
            )
        if self.frozen_stages > (num := len(stages_of(backbone))):
            raise UsageError(
                f"frozen_stages = {self.frozen_stages}, and {backbone.architecture} has {num} besides its head",
                "Give fewer.",
            )

    def check_target(self, task: Task) -> None:
        assert isinstance(task, DetectionTask)
        if self.adapt != "none" and task.unlabelled is None:
            raise UsageError(
                f"adapt={self.adapt!r} needs labels of one domain and images of another, and this target is one data set",
                "Say where the labels come from: --labelled day/, in a study voc('night/', labelled=\"voc('day/')\").",
            )
        if len(self.learning_rates) > 1 and task.has_nothing_to_find(task.validation):
            raise BadDataError(
                f"no validation image of {task.store.name} has a box that is not difficult: no learning rate can be chosen",
                "Give one, detect(learning_rates=[0.03]), which learns from these images too; or add images with boxes.",
            )

    def _layers(self, backbone: Backbone) -> list[Layer]:
        return (
            pyramid_maps(backbone)
            if self.feature == "fpn"
            else [single_map(backbone, self.feature)]
        )

    def _check_own(self, backbone: Backbone) -> None:
        """The network's own layers stand on its last map, and on no other."""
        _ = pretrained_box_head(backbone)
        last = spatial_layers(backbone)[-1]
        if self.feature == "fpn" or single_map(backbone, self.feature).dim != last.dim:
            raise UsageError(
                f"box_head='own' stands on maps of {last.dim} channels, and feature={self.feature!r} has others",
                f"Take feature={last.name!r} or 'c4', or box_head='new'.",
            )

    def identity(self) -> object:
        return {"is": "Detect", **asdict(self)}

    def num_images_trained(self) -> int:
        each = self.batch_size * (2 if self.adapt == "align" else 1)  # and as many without labels
        return self.iterations * each * len(self.learning_rates)

    def effort(self, size_px: int) -> float:
        """By pixels at 4 : 3, times what regions cost beside (2.7 with four layers on a processor:
        docs/log.md)."""
        return _REGIONS * self.short_px * min(self.long_px, self.short_px * 4 / 3) / size_px**2

    def run(self, backbone: Backbone, task: DetectionTask, context: Context) -> Measurement:
        self.check_target(task)
        trainer = DetectorTrainer(
            backbone=backbone,
            task=task,
            anatomy=self.anatomy(),
            settings=self.settings(),
            seed=context.seed,
            device=context.device,
            on_progress=context.on_progress,
            unfinished=context.unfinished,
        )
        model, chosen = trainer.tune()
        facts: dict[str, Any] = {**chosen, **self._told(backbone, task, trainer)}
        own = None if task.in_domain is None else trainer.detect_objects(model, task.in_domain)
        if self.adapt != "none" and task.unlabelled is not None:
            facts["num_norms_adapted"] = adapt_batch_norms(model, trainer.scenes(task.unlabelled))
        return task.score(trainer.detect_objects(model, task.test), facts, model, own)

    def _told(
        self, backbone: Backbone, task: DetectionTask, trainer: DetectorTrainer
    ) -> dict[str, Any]:
        layers = self._layers(backbone)
        resumed = {"resumed_at": trainer.resumed_at} if trainer.resumed_at else {}
        shift = (
            {}
            if task.unlabelled is None
            else {"adapt": self.adapt, "num_unlabelled": len(task.unlabelled)}
        )
        return {
            "maps": ", ".join(f"{la.name} (stride {la.stride})" for la in layers),
            "images_seen": self.iterations * self.batch_size,
            "loading": trainer.scenes(task.test).loading,
            **shift,
            **resumed,
        }
