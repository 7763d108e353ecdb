"""A region detector on the maps of any backbone: Faster R-CNN (Ren et al. 2015) with torchvision's
parts.

In: a backbone, settings. Out: one module that gives losses in training and boxes otherwise. One map
(C4 or C5) with anchors of several sizes, or a feature pyramid (Lin et al. 2017) with one size a
level. Sizes of anchors are shares of the shorter side, so that they mean the same at any
resolution. Box coordinates are edges in px of the image as it is shown. Knows nothing of stores or
tasks.
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
from seedbed.models.box_head import PretrainedBoxHead, pretrained_box_head
from seedbed.models.checkpoint import load_backbone, save_backbone
from seedbed.models.feature_maps import FeatureMaps, nominal_stride, pyramid_maps, single_map
from seedbed.models.training_state import write_tensors
from seedbed.readout.model import KEY
from seedbed.readout.prediction import Prediction, detect_in_files
from seedbed.readout.trained_model import OnProgress, TrainedModel

REST, KIND = "detector.safetensors", "detector"
_FPN_CHANNELS = 128
_RATIOS = (0.5, 1.0, 2.0)
_CANONICAL_PX, _CANONICAL_LEVEL = 224, 4  # Lin et al. 2017, equation 1
_POOLED = 7  # side of a region's piece of the map


@dataclass(frozen=True, kw_only=True)
class DetectorSettings:
    """What a detector is made of; saved with it."""

    feature: str = "c4"  # "c4", "c5", "fpn", or the name of a layer
    short_px: int = 240
    long_px: int = 400
    # sides as shares of short_px
    anchors: tuple[float, ...] = (0.05, 0.075, 0.11, 0.17, 0.25, 0.38, 0.57)
    # "new": two layers of head_dim; "own": the network's own fully connected layers
    box_head: str = "new"
    head_dim: int = 256
    regions: int = 64  # sampled of an image in training
    proposals: int = 300  # kept of an image for the box head
    score_above: float = 0.01
    nms: float = 0.5  # overlap of two boxes of a class above which the weaker one goes
    most_boxes: int = 100  # of an image

    @property
    def size(self) -> ImageSize:
        return ImageSize(short_px=self.short_px, long_px=self.long_px)


class Detector(nn.Module):
    """In training: images and boxes to losses by name. Otherwise: images to boxes, labels (from 1)
    and scores of each."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(
        self, backbone: Backbone, anatomy: DetectorSettings, num_classes: int, seed: int = 0
    ) -> None:
        super().__init__()
        is_pyramid = anatomy.feature == "fpn"
        layers = pyramid_maps(backbone) if is_pyramid else [single_map(backbone, anatomy.feature)]
        self.maps = FeatureMaps(backbone.module, layers)
        channels = [layer.dim for layer in layers]
        # torchvision's parts draw from torch's own generator
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream(seed, "init/detector"))
            self.pyramid = FeaturePyramidNetwork(channels, _FPN_CHANNELS) if is_pyramid else None
            self.width = _FPN_CHANNELS if is_pyramid else channels[0]
            self.rpn = _rpn(anatomy, self.width, len(layers))
            self.heads = _heads(
                backbone, anatomy, self.width, [nominal_stride(la) for la in layers], num_classes
            )
        self.stride = max(nominal_stride(layer) for layer in layers)
        mean, std = _scales(backbone.preprocessing)
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("std", std, persistent=False)

    def forward(
        self,
        images: Sequence[torch.Tensor],
        targets: Sequence[dict[str, torch.Tensor]] | None = None,
    ) -> Any:
        shown = self.shown(images)
        features = self.features(shown.tensors)
        given = (
            None
            if targets is None
            else [{k: v.to(shown.tensors.device) for k, v in t.items()} for t in targets]
        )
        proposals, of_proposals = self.rpn(shown, features, given)
        found, of_boxes = self.heads(features, proposals, shown.image_sizes, given)
        return {**of_proposals, **of_boxes} if self.training else found

    def features(self, batch: torch.Tensor) -> OrderedDict[str, torch.Tensor]:
        """The maps that the heads read, of images [b, 3, h, w] that are normalised."""
        maps = OrderedDict((str(i), m) for i, m in enumerate(self.maps(batch)))
        return self.pyramid(maps) if self.pyramid is not None else maps

    def shown(self, images: Sequence[torch.Tensor]) -> ImageList:
        """Images uint8 [3, h, w], normalised and padded with the mean to one size, a multiple of
        the stride: float32 [b, 3, h, w]."""
        sizes = [(int(image.shape[1]), int(image.shape[2])) for image in images]
        height, width = (
            math.ceil(max(side) / self.stride) * self.stride for side in zip(*sizes, strict=True)
        )
        batch = torch.zeros(len(images), 3, height, width, device=self.mean.device)
        for into, image in zip(batch, images, strict=True):
            into[:, : image.shape[1], : image.shape[2]] = (
                image.to(batch.device).float() - self.mean
            ) / self.std
        return ImageList(batch.to(memory_format=torch.channels_last), sizes)  # pyright: ignore[reportCallIssue]


def _scales(preprocessing: Preprocessing) -> tuple[torch.Tensor, torch.Tensor]:
    mean, std = (
        torch.tensor(values, dtype=torch.float32)[:, None, None]
        for values in (preprocessing.mean, preprocessing.std)
    )
    return mean, std


def _rpn(anatomy: DetectorSettings, width: int, num_levels: int) -> RegionProposalNetwork:
    sides = [max(1, round(share * anatomy.short_px)) for share in anatomy.anchors]
    sizes = tuple(tuple(_of_level(sides, i, num_levels)) for i in range(num_levels))
    anchors = AnchorGenerator(sizes, (_RATIOS,) * num_levels)
    head = RPNHead(width, len(sizes[0]) * len(_RATIOS))
    before = {"training": 2 * anatomy.proposals, "testing": 2 * anatomy.proposals}
    after = {"training": anatomy.proposals, "testing": anatomy.proposals}
    return RegionProposalNetwork(
        anchors, head, 0.7, 0.3, min(256, 2 * anatomy.regions), 0.5, before, after, 0.7
    )


def _of_level(sides: list[int], level: int, num_levels: int) -> list[int]:
    """One map has anchors of all sizes; of a pyramid each level has its share, small ones first, as
    many everywhere."""
    if num_levels == 1:
        return sides
    per_level = max(1, math.ceil(len(sides) / num_levels))
    start = min(level * per_level, max(0, len(sides) - per_level))
    return sides[start : start + per_level]


def _heads(
    backbone: Backbone,
    anatomy: DetectorSettings,
    width: int,
    strides: Sequence[int],
    num_classes: int,
) -> RoIHeads:
    num_levels = len(strides)
    own: PretrainedBoxHead | None = (
        pretrained_box_head(backbone) if anatomy.box_head == "own" else None
    )
    side = own.side if own else _POOLED
    pool = MultiScaleRoIAlign([str(i) for i in range(num_levels)], side, 2)
    # torchvision would infer the scales from the first image that it ever sees, and keep them: a
    # narrow one tells them wrongly.
    pool.scales = [1 / stride for stride in strides]
    levels = [round(math.log2(stride)) for stride in strides]
    pool.map_levels = LevelMapper(
        min(levels), max(levels), canonical_scale=_CANONICAL_PX, canonical_level=_CANONICAL_LEVEL
    )  # pyright: ignore
    head = own.module if own else TwoMLPHead(width * side**2, anatomy.head_dim)
    predictor = FastRCNNPredictor(own.dim if own else anatomy.head_dim, num_classes + 1)
    limits = (anatomy.score_above, anatomy.nms, anatomy.most_boxes)
    return RoIHeads(pool, head, predictor, 0.5, 0.5, anatomy.regions, 0.25, None, *limits)


@dataclass(kw_only=True, repr=False)
class DetectorModel(TrainedModel):
    """A trained detector with what is known of it; one folder on disk, which is that of its
    backbone too:

    <model>/  weights.safetensors  card.json  of the network; the card's "model" says what follows
              detector.safetensors            of the rest
    """

    finds_boxes: ClassVar[bool] = True

    backbone: Backbone
    detector: Detector
    anatomy: DetectorSettings
    classes: tuple[str, ...]
    card: dict[str, Any] = field(default_factory=dict)  # how it was made, and how well it did

    def __repr__(self) -> str:
        return f"Detector of {len(self.classes)} classes on {self.backbone.architecture}, {self.anatomy.feature}"

    def _predict_files(
        self, files: Sequence[Path], above: float, on_progress: OnProgress | None
    ) -> list[Prediction]:
        return detect_in_files(self, files, above, on_progress)

    def to(self, device: str) -> None:
        self.detector.to(device)

    def save(self, folder: Path) -> None:
        """Write it into an existing folder."""
        told = {
            **self.card,
            "is": KIND,
            "classes": list(self.classes),
            "anatomy": asdict(self.anatomy),
        }
        save_backbone(replace(self.backbone, card={**self.backbone.card, KEY: told}), folder)
        write_tensors(folder / REST, _rest(self.detector))

    def find(
        self, images: Sequence[torch.Tensor]
    ) -> list[list[tuple[int, float, tuple[float, float, float, float]]]]:
        """Of each image uint8 [3, h, w]: class, score and box (edges in px of it), the most
        confident first."""
        self.detector.eval()
        with torch.inference_mode():
            found = self.detector(images)
        return [
            [
                (int(c) - 1, float(s), tuple(b))
                for c, s, b in zip(
                    *(one[k].tolist() for k in ("labels", "scores", "boxes")), strict=True
                )
            ]
            for one in found
        ]


def load_detector(folder: Path, card: Mapping[str, Any]) -> DetectorModel:
    """The detector that was saved in a folder whose card says so; raises BadDataError where it is
    damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    told = dict(card[KEY])
    backbone = load_backbone(folder)
    try:
        given: dict[str, Any] = told.pop("anatomy")
        anatomy = DetectorSettings(**{**given, "anchors": tuple(given["anchors"])})
        classes = tuple(told.pop("classes"))
        detector = Detector(backbone, anatomy, len(classes))
        state = load_file(folder / REST)
        if state.keys() != _rest(detector).keys():
            raise KeyError("it holds the tensors of another detector")
        detector.load_state_dict(state, strict=False)
    except (OSError, SafetensorError, RuntimeError, KeyError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise BadDataError(
            f"the detector in {folder} cannot be used: {reason}",
            "Train it again: seedbed transfer.",
        ) from None
    detector.eval()
    return DetectorModel(
        backbone=backbone, detector=detector, anatomy=anatomy, classes=classes, card=told
    )


def _rest(detector: Detector) -> dict[str, torch.Tensor]:
    """Its tensors without those of the backbone, which are saved by themselves."""
    return {
        name: t for name, t in detector.state_dict().items() if not name.startswith("maps.network.")
    }
