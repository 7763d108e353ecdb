"""Model: a network with a head and a temperature, which predicts class probabilities.

In: a backbone, a head on codes of its layers (or the network's last layer), a temperature. Out:
scores, probabilities, one `nn.Module`, a folder. The folder is also a valid backbone folder:

    <model>/  weights.safetensors    of the network
              card.json              of the network; its key "model" describes the model
              head.safetensors       of a head on codes; absent if the network's last layer is the
                                     head
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from seedbed.base.errors import BadDataError
from seedbed.data.images import Images
from seedbed.models.backbone import Backbone
from seedbed.models.checkpoint import load_backbone, read_card, save_backbone
from seedbed.models.codes import code_dim, fill_codes, logits
from seedbed.models.layers import Layer
from seedbed.models.training_state import write_tensors
from seedbed.readout.augmented_views import NUM_VIEWS, view
from seedbed.readout.heads import Head, build_head
from seedbed.readout.prediction import ImageInput, Prediction, predict_files
from seedbed.readout.trained_model import TrainedModel

# MODEL_KEY: entry of a card that describes the model; its "is" marks other kinds than classifiers.
HEAD, MODEL_KEY = "head.safetensors", "model"
OnProgress = Callable[[int, int], None]


@dataclass(kw_only=True, repr=False)
class Model(TrainedModel):
    """A network and its readout; `head` None stands for the last layer of the network."""

    backbone: Backbone
    classes: tuple[str, ...]
    head: Head | None = None
    layers: tuple[str, ...] = ()
    flatten: bool = False
    num_views: int = 1
    temperature: float = 1.0
    # Whether an image may have several classes, each with its own probability.
    several: bool = False
    num_calibrated: int = 0  # held-out images that the temperature was fitted on; 0: not fitted
    card: dict[str, Any] = field(default_factory=dict)  # settings and metrics

    def __repr__(self) -> str:
        head = "its last layer"
        if self.head:
            head = f"{type(self.head).__name__} on {' + '.join(self.layers)}"
        return f"Model of {len(self.classes)} classes: {self.backbone.architecture}, {head}"

    def scores(self, images: Images, on_progress: OnProgress | None = None) -> torch.Tensor:
        """Class scores of all images, in order: float32 [n, K], on the CPU."""
        if self.head is None:
            return logits(self.backbone, images, on_progress)
        head, total = self.head.cpu(), torch.zeros(len(images), len(self.classes))
        for which in range(self.num_views):
            report = _progress_of_view(on_progress, which, self.num_views)
            codes = layer_codes(
                self.backbone,
                images,
                self._layers(),
                flatten=self.flatten,
                which=which,
                on_progress=report,
            )
            for start in range(0, len(codes), _BLOCK):
                total[start : start + _BLOCK] += head(codes[start : start + _BLOCK, None])
        return total

    def probabilities(self, scores: torch.Tensor) -> torch.Tensor:
        """Calibrated probabilities of scores: float32 [n, K]; rows sum to 1 if an image has one
        class."""
        scaled = scores / self.temperature
        return torch.sigmoid(scaled) if self.several else torch.softmax(scaled, 1)

    def _layers(self) -> list[Layer]:
        return [self.backbone.layer(name) for name in self.layers]

    def module(self) -> nn.Module:
        """A module from preprocessed images float32 [b, 3, h, w] to scores [b, K]."""
        if self.head is None:
            return self.backbone.module
        return _NetworkWithHead(
            self.backbone.module, self._layers(), self.head, self.flatten, self.num_views
        ).eval()

    def _predict_files(
        self, files: Sequence[ImageInput], above: float, on_progress: OnProgress | None
    ) -> list[Prediction]:
        return predict_files(
            self, files, self.card.get("fit", "crop"), on_progress, above, self.card.get("white")
        )

    def to(self, device: str) -> None:
        self.backbone.module.to(device)

    def save(self, folder: Path) -> None:
        """Write the model into an existing folder."""
        entry = {
            "classes": list(self.classes),
            "layers": list(self.layers),
            "flatten": self.flatten,
            "num_views": self.num_views,
            "temperature": self.temperature,
            "num_calibrated": self.num_calibrated,
            "several": self.several,
            "head": self.head.settings() if self.head else None,
            **self.card,
        }
        save_backbone(replace(self.backbone, card={**self.backbone.card, MODEL_KEY: entry}), folder)
        if self.head:
            write_tensors(folder / HEAD, self.head.state_dict())


_BLOCK = 4096  # codes scored at once
# Fields of the model in a card; the other entries are its own card.
_ENTRY_FIELDS = {
    "classes",
    "layers",
    "flatten",
    "num_views",
    "temperature",
    "num_calibrated",
    "several",
    "head",
}


def load_model(folder: str | Path) -> Model:
    """Load the model in a folder of `transfer`; a plain backbone is a model with its last layer as
    the head.

    Raises BadDataError if there is none, or if it is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    folder = Path(folder)
    card = read_card(folder)
    backbone = load_backbone(folder)
    entry: Any = card.get(MODEL_KEY)
    if entry is None:
        return Model(backbone=backbone, classes=backbone.classes)
    try:
        head = build_head(entry["head"]) if entry["head"] else None
        if head:
            head.load_state_dict(load_file(folder / HEAD))
    except (OSError, SafetensorError, RuntimeError, KeyError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise BadDataError(
            f"the head in {folder} cannot be used: {reason}",
            "Train the model again: seedbed transfer.",
        ) from None
    return Model(
        backbone=backbone,
        classes=tuple(entry["classes"]),
        head=head,
        layers=tuple(entry["layers"]),
        flatten=bool(entry["flatten"]),
        num_views=int(entry["num_views"]),
        temperature=float(entry["temperature"]),
        num_calibrated=int(entry.get("num_calibrated", 0)),
        several=bool(entry.get("several", False)),
        card={key: value for key, value in entry.items() if key not in _ENTRY_FIELDS},
    )


def layer_codes(
    backbone: Backbone,
    images: Images,
    layers: Sequence[Layer],
    *,
    flatten: bool = False,
    which: int = 0,
    on_progress: OnProgress | None = None,
) -> torch.Tensor:
    """Concatenated codes of layers for one view of each image: float32 [n, sum of dims], on the
    CPU."""
    codes = np.empty((len(images), sum(code_dim(la, flatten) for la in layers)), np.float32)
    arrays, start = {}, 0
    for layer in layers:
        end = start + code_dim(layer, flatten)
        arrays[layer.name] = codes[:, start:end]
        start = end
    fill_codes(
        backbone,
        images,
        arrays,
        flatten=flatten,
        transform=_view(which) if which else None,
        on_progress=on_progress,
    )
    return torch.from_numpy(codes)


def _view(which: int) -> Callable[[torch.Tensor], torch.Tensor]:
    assert which < NUM_VIEWS
    return lambda batch: view(batch, which)


def _progress_of_view(on_progress: OnProgress | None, which: int, num: int) -> OnProgress | None:
    """Progress of one of `num` views, as progress over all of them."""
    if on_progress is None:
        return None
    return lambda done, total: on_progress(which * total + done, num * total)


class _NetworkWithHead(nn.Module):
    """Network and head as one module, for export."""

    def __init__(
        self, network: nn.Module, layers: Sequence[Layer], head: Head, flatten: bool, num_views: int
    ) -> None:
        super().__init__()
        self.network, self.head = network, head
        self._layers, self._flatten, self._num_views = list(layers), flatten, num_views

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        codes = torch.stack(
            [self._codes(view(images, which)) for which in range(self._num_views)], dim=1
        )
        return self.head(codes)

    def _codes(self, images: torch.Tensor) -> torch.Tensor:
        outputs: dict[str, torch.Tensor] = {}

        def store(layer: Layer) -> Callable[[torch.Tensor], None]:
            def use(output: torch.Tensor) -> None:
                outputs[layer.name] = (
                    layer.read(output).flatten(1) if self._flatten else layer.pooled(output)
                )

            return use

        handles = [layer.hook(self.network, store(layer)) for layer in self._layers]
        try:
            self.network(images)
        finally:
            for handle in handles:
                handle.remove()
        return torch.cat([outputs[layer.name] for layer in self._layers], dim=1)
