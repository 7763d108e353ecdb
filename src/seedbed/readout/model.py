"""A model: a network with what turns its codes into probabilities of classes; one folder on disk.

In: a backbone, a head on codes of its layers (or its own head), a temperature. Out: scores,
probabilities, one `nn.Module`, the folder. The folder is that of the backbone, so whatever takes a
backbone takes it:

    <model>/  weights.safetensors  card.json     of the network; the card's "model" says what
    follows
              head.safetensors                   of a head on codes; none where the network's own
              head is the model's

Knows nothing of tasks.
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
from seedbed.readout.prediction import Prediction, predict_files
from seedbed.readout.trained_model import TrainedModel

# KEY: of what a card says of a model; "is" in it tells another kind than a classifier.
HEAD, KEY = "head.safetensors", "model"
OnProgress = Callable[[int, int], None]


@dataclass(kw_only=True, repr=False)
class Model(TrainedModel):
    """A network and its readout; `head` None stands for the network's own head."""

    backbone: Backbone
    classes: tuple[str, ...]
    head: Head | None = None
    layers: tuple[str, ...] = ()
    flatten: bool = False
    num_views: int = 1
    temperature: float = 1.0
    # whether an image may have several classes, each with a probability of its own
    several: bool = False
    num_calibrated: int = 0  # held-out images that the temperature was fitted on; 0: it was not
    card: dict[str, Any] = field(default_factory=dict)  # how it was made, and how well it did

    def __repr__(self) -> str:
        how = (
            f"{type(self.head).__name__} on {' + '.join(self.layers)}"
            if self.head
            else "its own head"
        )
        return f"Model of {len(self.classes)} classes: {self.backbone.architecture}, {how}"

    def scores(self, images: Images, on_progress: OnProgress | None = None) -> torch.Tensor:
        """Class scores of all the images in order: float32 [n, K], on the CPU."""
        if self.head is None:
            return logits(self.backbone, images, on_progress)
        head, total = self.head.cpu(), torch.zeros(len(images), len(self.classes))
        for which in range(self.num_views):
            told = _part_of(on_progress, which, self.num_views)
            codes = layer_codes(
                self.backbone,
                images,
                self._layers(),
                flatten=self.flatten,
                which=which,
                on_progress=told,
            )
            for start in range(0, len(codes), _BLOCK):
                total[start : start + _BLOCK] += head(codes[start : start + _BLOCK, None])
        return total

    def probabilities(self, scores: torch.Tensor) -> torch.Tensor:
        """Of scores: float32 [n, K]; each row sums to 1 where an image has one class."""
        return (
            torch.sigmoid(scores / self.temperature)
            if self.several
            else torch.softmax(scores / self.temperature, 1)
        )

    def _layers(self) -> list[Layer]:
        return [self.backbone.layer(name) for name in self.layers]

    def module(self) -> nn.Module:
        """Images as the network takes them, float32 [b, 3, h, w], already normalised -> scores [b,
        K]."""
        if self.head is None:
            return self.backbone.module
        return _Whole(
            self.backbone.module, self._layers(), self.head, self.flatten, self.num_views
        ).eval()

    def _predict_files(
        self, files: Sequence[Path], above: float, on_progress: OnProgress | None
    ) -> list[Prediction]:
        return predict_files(self, files, self.card.get("fit", "crop"), on_progress, above)

    def to(self, device: str) -> None:
        self.backbone.module.to(device)

    def save(self, folder: Path) -> None:
        """Write it into an existing folder."""
        told = {
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
        save_backbone(replace(self.backbone, card={**self.backbone.card, KEY: told}), folder)
        if self.head:
            write_tensors(folder / HEAD, self.head.state_dict())


_BLOCK = 4096  # codes scored at once


def load_model(folder: str | Path) -> Model:
    """The model that `transfer` left in a folder; a backbone without one is a model by its own
    head.

    Raises BadDataError where there is none, or it is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    folder = Path(folder)
    card = read_card(folder)
    backbone = load_backbone(folder)
    told: Any = card.get(KEY)
    if told is None:
        return Model(backbone=backbone, classes=backbone.classes)
    own = {
        "classes",
        "layers",
        "flatten",
        "num_views",
        "temperature",
        "num_calibrated",
        "several",
        "head",
    }
    try:
        head = build_head(told["head"]) if told["head"] else None
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
        classes=tuple(told["classes"]),
        head=head,
        layers=tuple(told["layers"]),
        flatten=bool(told["flatten"]),
        num_views=int(told["num_views"]),
        temperature=float(told["temperature"]),
        num_calibrated=int(told.get("num_calibrated", 0)),
        several=bool(told.get("several", False)),
        card={key: value for key, value in told.items() if key not in own},
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
    """Codes of several layers joined, of one view of each image: float32 [n, sum of dims], on the
    CPU."""
    found = np.empty((len(images), sum(code_dim(la, flatten) for la in layers)), np.float32)
    into, start = {}, 0
    for layer in layers:
        end = start + code_dim(layer, flatten)
        into[layer.name] = found[:, start:end]
        start = end
    fill_codes(
        backbone,
        images,
        into,
        flatten=flatten,
        transform=_view(which) if which else None,
        on_progress=on_progress,
    )
    return torch.from_numpy(found)


def _view(which: int) -> Callable[[torch.Tensor], torch.Tensor]:
    assert which < NUM_VIEWS
    return lambda batch: view(batch, which)


def _part_of(on_progress: OnProgress | None, which: int, num: int) -> OnProgress | None:
    if on_progress is None:
        return None
    return lambda done, total: on_progress(which * total + done, num * total)


class _Whole(nn.Module):
    """Network and head in one, for export."""

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
        caught: dict[str, torch.Tensor] = {}

        def catcher(layer: Layer) -> Callable[[torch.Tensor], None]:
            def use(output: torch.Tensor) -> None:
                caught[layer.name] = (
                    layer.read(output).flatten(1) if self._flatten else layer.pooled(output)
                )

            return use

        handles = [layer.hook(self.network, catcher(layer)) for layer in self._layers]
        try:
            self.network(images)
        finally:
            for handle in handles:
                handle.remove()
        return torch.cat([caught[layer.name] for layer in self._layers], dim=1)
