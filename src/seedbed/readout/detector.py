"""Region detector on the feature maps of a backbone: Faster R-CNN (Ren et al. 2015), from the parts
of torchvision.

In: a backbone, settings. Out: one module that returns losses in training mode and boxes otherwise.
It uses one map (C4 or C5) with anchors of several sizes, or a feature pyramid (Lin et al. 2017)
with different sizes at each level. Anchor sizes are shares of the shorter side of an image, so that
they do not depend on the resolution. Box coordinates are edges in px of the resized image.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead
from torchvision.ops import FeaturePyramidNetwork, MultiScaleRoIAlign
from torchvision.ops.poolers import LevelMapper

from seedbed.base.errors import BadDataError
from seedbed.base.randomness import stream
from seedbed.data.detection_batches import ImageSize
from seedbed.data.preprocessing import Preprocessing
from seedbed.models.backbone import Backbone
from seedbed.models.box_head import pretrained_box_head
from seedbed.models.checkpoint import load_backbone, save_backbone
from seedbed.models.feature_maps import FeatureMaps, nominal_stride, pyramid_maps, single_map
from seedbed.models.training_state import write_tensors
from seedbed.readout.model import MODEL_KEY
from seedbed.readout.prediction import ImageInput, Prediction, detect_in_files
from seedbed.readout.trained_model import OnProgress, TrainedModel

DETECTOR_WEIGHTS, KIND = "detector.safetensors", "detector"
_FPN_CHANNELS = 128
_RATIOS = (0.5, 1.0, 2.0)
_CANONICAL_PX, _CANONICAL_LEVEL = 224, 4  # Lin et al. 2017, equation 1
_ROI_SIDE = 7  # of the RoI features


@dataclass(frozen=True, kw_only=True)
class DetectorSettings:
    """Architecture of a detector, saved with it."""

    feature: str = "c4"  # "c4", "c5", "fpn", or the name of a layer
    short_px: int = 240
    long_px: int = 400
    # Sides as shares of short_px.
    anchors: tuple[float, ...] = (0.05, 0.075, 0.11, 0.17, 0.25, 0.38, 0.57)
    # "new": two layers of head_dim; "own": the fully connected layers of the network.
    box_head: str = "new"
    head_dim: int = 256
    regions: int = 64  # sampled per image in training
    proposals: int = 300  # per image, for the box head
    score_above: float = 0.01
    # Non-maximum suppression: overlap above which the weaker of two boxes of a class is removed.
    nms: float = 0.5
    most_boxes: int = 100  # per image

    @property
    def size(self) -> ImageSize:
        return ImageSize(short_px=self.short_px, long_px=self.long_px)


class Detector(nn.Module):
    """In training mode: from images and boxes to losses by name. Otherwise: from images to boxes,
    labels (from 1) and scores of each image."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(
        self, backbone: Backbone, settings: DetectorSettings, num_classes: int, seed: int = 0
    ) -> None:
        super().__init__()
        is_pyramid = settings.feature == "fpn"
        layers = pyramid_maps(backbone) if is_pyramid else [single_map(backbone, settings.feature)]
        self.maps = FeatureMaps(backbone.module, layers)
        channels = [layer.dim for layer in layers]
        # The modules of torchvision are initialised by torch's global generator.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream(seed, "init/detector"))
            self.pyramid = FeaturePyramidNetwork(channels, _FPN_CHANNELS) if is_pyramid else None
            self.width = _FPN_CHANNELS if is_pyramid else channels[0]
            self.rpn = _build_rpn(settings, self.width, len(layers))
            strides = [nominal_stride(layer) for layer in layers]
            self.heads = _build_roi_heads(backbone, settings, self.width, strides, num_classes)
        self.stride = max(nominal_stride(layer) for layer in layers)
        mean, std = _mean_and_std(backbone.preprocessing)
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("std", std, persistent=False)

    def forward(
        self,
        images: Sequence[torch.Tensor],
        targets: Sequence[dict[str, torch.Tensor]] | None = None,
    ) -> Any:
        batch = self.preprocess(images)
        features = self.features(batch.tensors)
        if targets is not None:
            device = batch.tensors.device
            targets = [{k: v.to(device) for k, v in target.items()} for target in targets]
        proposals, proposal_losses = self.rpn(batch, features, targets)
        detections, box_losses = self.heads(features, proposals, batch.image_sizes, targets)
        return {**proposal_losses, **box_losses} if self.training else detections

    def features(self, batch: torch.Tensor) -> OrderedDict[str, torch.Tensor]:
        """The feature maps of normalised images [b, 3, h, w] for the heads."""
        maps = OrderedDict((str(i), m) for i, m in enumerate(self.maps(batch)))
        return self.pyramid(maps) if self.pyramid is not None else maps

    def preprocess(self, images: Sequence[torch.Tensor]) -> ImageList:
        """Images uint8 [3, h, w], normalised and padded with the mean to a common size, a multiple
        of the stride: float32 [b, 3, h, w]."""
        sizes = [(int(image.shape[1]), int(image.shape[2])) for image in images]
        height, width = (
            math.ceil(max(side) / self.stride) * self.stride for side in zip(*sizes, strict=True)
        )
        batch: Any = torch.zeros(len(images), 3, height, width, device=self.mean.device)
        for target, image in zip(batch, images, strict=True):
            normalised = (image.to(batch.device).float() - self.mean) / self.std
            target[:, : image.shape[1], : image.shape[2]] = normalised
        return ImageList(batch.to(memory_format=torch.channels_last), sizes)


def _mean_and_std(preprocessing: Preprocessing) -> tuple[torch.Tensor, torch.Tensor]:
    mean, std = (
        torch.tensor(values, dtype=torch.float32)[:, None, None]
        for values in (preprocessing.mean, preprocessing.std)
    )
    return mean, std


def _build_rpn(settings: DetectorSettings, width: int, num_levels: int) -> RegionProposalNetwork:
    sides = [max(1, round(share * settings.short_px)) for share in settings.anchors]
    sizes = tuple(tuple(_sides_of_level(sides, i, num_levels)) for i in range(num_levels))
    anchors = AnchorGenerator(sizes, (_RATIOS,) * num_levels)
    head = RPNHead(width, len(sizes[0]) * len(_RATIOS))
    before_nms = {"training": 2 * settings.proposals, "testing": 2 * settings.proposals}
    after_nms = {"training": settings.proposals, "testing": settings.proposals}
    num_sampled = min(256, 2 * settings.regions)
    return RegionProposalNetwork(
        anchors, head, 0.7, 0.3, num_sampled, 0.5, before_nms, after_nms, 0.7
    )


def _sides_of_level(sides: list[int], level: int, num_levels: int) -> list[int]:
    """Anchor sides of a level: all of them for one map; in a pyramid equally many for each level,
    small ones first."""
    if num_levels == 1:
        return sides
    per_level = max(1, math.ceil(len(sides) / num_levels))
    start = min(level * per_level, max(0, len(sides) - per_level))
    return sides[start : start + per_level]


def _build_roi_heads(
    backbone: Backbone,
    settings: DetectorSettings,
    width: int,
    strides: Sequence[int],
    num_classes: int,
) -> RoIHeads:
    num_levels = len(strides)
    pretrained = pretrained_box_head(backbone) if settings.box_head == "own" else None
    side = pretrained.side if pretrained else _ROI_SIDE
    pool = MultiScaleRoIAlign([str(i) for i in range(num_levels)], side, 2)
    # torchvision infers the scales from the first image and keeps them, but those of a narrow image
    # are wrong.
    pool.scales = [1 / stride for stride in strides]
    levels = [round(math.log2(stride)) for stride in strides]
    pool.map_levels = LevelMapper(
        min(levels), max(levels), canonical_scale=_CANONICAL_PX, canonical_level=_CANONICAL_LEVEL
    )  # pyright: ignore
    head = pretrained.module if pretrained else TwoMLPHead(width * side**2, settings.head_dim)
    head_dim = pretrained.dim if pretrained else settings.head_dim
    predictor = FastRCNNPredictor(head_dim, num_classes + 1)
    limits = (settings.score_above, settings.nms, settings.most_boxes)
    return RoIHeads(pool, head, predictor, 0.5, 0.5, settings.regions, 0.25, None, *limits)


@dataclass(kw_only=True, repr=False)
class DetectorModel(TrainedModel):
    """A trained detector; one folder on disk, which is also a valid backbone folder:

    <model>/  weights.safetensors    of the network
              card.json              of the network; its key "model" describes the detector
              detector.safetensors   of the other parts of the detector
    """

    finds_boxes: ClassVar[bool] = True

    backbone: Backbone
    detector: Detector
    settings: DetectorSettings
    classes: tuple[str, ...]
    card: dict[str, Any] = field(default_factory=dict)  # settings of the training, and metrics

    def __repr__(self) -> str:
        return (
            f"Detector of {len(self.classes)} classes on {self.backbone.architecture}, "
            f"{self.settings.feature}"
        )

    def _predict_files(
        self, files: Sequence[ImageInput], above: float, on_progress: OnProgress | None
    ) -> list[Prediction]:
        return detect_in_files(self, files, above, on_progress, self.card.get("white"))

    def to(self, device: str) -> None:
        self.detector.to(device)

    def save(self, folder: Path) -> None:
        """Write the model into an existing folder."""
        entry = {
            **self.card,
            "is": KIND,
            "classes": list(self.classes),
            "anatomy": asdict(self.settings),
        }
        card = {**self.backbone.card, MODEL_KEY: entry}
        save_backbone(replace(self.backbone, card=card), folder)
        write_tensors(folder / DETECTOR_WEIGHTS, _tensors_without_backbone(self.detector))

    def find(
        self, images: Sequence[torch.Tensor]
    ) -> list[list[tuple[int, float, tuple[float, float, float, float]]]]:
        """Detect objects in images uint8 [3, h, w]: class, score and box (edges in px) of each, the
        most confident first."""
        self.detector.eval()
        with torch.inference_mode():
            outputs = self.detector(images)
        return [
            [
                (int(label) - 1, float(score), tuple(box))
                for label, score, box in zip(
                    *(output[key].tolist() for key in ("labels", "scores", "boxes")), strict=True
                )
            ]
            for output in outputs
        ]


def load_detector(folder: Path, card: Mapping[str, Any]) -> DetectorModel:
    """Load the detector in a folder with this card; raises BadDataError if it is damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    entry = dict(card[MODEL_KEY])
    backbone = load_backbone(folder)
    try:
        stored: dict[str, Any] = entry.pop("anatomy")
        settings = DetectorSettings(**{**stored, "anchors": tuple(stored["anchors"])})
        classes = tuple(entry.pop("classes"))
        detector = Detector(backbone, settings, len(classes))
        tensors = load_file(folder / DETECTOR_WEIGHTS)
        if tensors.keys() != _tensors_without_backbone(detector).keys():
            raise KeyError("it holds the tensors of another detector")
        detector.load_state_dict(tensors, strict=False)
    except (OSError, SafetensorError, RuntimeError, KeyError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise BadDataError(
            f"the detector in {folder} cannot be used: {reason}",
            "Train the detector again: seedbed transfer.",
        ) from None
    detector.eval()
    return DetectorModel(
        backbone=backbone, detector=detector, settings=settings, classes=classes, card=entry
    )


def _tensors_without_backbone(detector: Detector) -> dict[str, torch.Tensor]:
    """The tensors of a detector without those of its backbone, which are saved separately."""
    return {
        name: t for name, t in detector.state_dict().items() if not name.startswith("maps.network.")
    }
