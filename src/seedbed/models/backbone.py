"""Backbone: a network with its layer table, preprocessing, classes and card.

In: a module and the settings that built it. Out: one object that can be trained and saved, and that
gives the codes of a layer by its name.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from seedbed.base.errors import UsageError
from seedbed.base.randomness import stream
from seedbed.data.images import Images
from seedbed.data.loader import open_images
from seedbed.data.preprocessing import Preprocessing
from seedbed.models.layers import Layer, Trace
from seedbed.models.token_readings import token_layer

if TYPE_CHECKING:
    import numpy as np

    from seedbed.data.store import Store

PENULTIMATE = "penultimate"
_PROVENANCE = (
    "name",
    "architecture",
    "source",
    "recipe",
    "images_seen",
    "weights",
    "weights_sha256",
    "licence",
    "terms_of_use",
    "view",
)
# Stands for the architecture of a user's module, which no call string can build.
CUSTOM_MODULE = "module()"


@dataclass(kw_only=True, repr=False)
class Backbone:
    """A network with all that is needed to use it.

    `architecture` is the call string that builds it, `penultimate` the layer that the head reads,
    `heads` the submodules that give the class scores.
    """

    architecture: str
    module: nn.Module
    preprocessing: Preprocessing
    classes: tuple[str, ...]
    layers: tuple[Layer, ...]
    penultimate: str
    heads: tuple[str, ...]
    card: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        name = f" ({self.card['name']})" if self.card.get("name") else ""
        return (
            f"Backbone {self.architecture}{name}: {self.size_px} px, "
            f"{self.num_parameters:,} parameters, {len(self.layers)} layers, "
            f"{len(self.classes)} classes, on {self.device}"
        )

    @staticmethod
    def wrap(
        module: nn.Module,
        *,
        size_px: int,
        classes: Sequence[str] | None = None,
        mean: Sequence[float] = (0.5, 0.5, 0.5),
        std: Sequence[float] = (64 / 255,) * 3,
        crop: float = 1.0,
        name: str = "",
    ) -> Backbone:
        """Make a backbone of your own module, with its present weights.

        Args:
            module: maps float32 [b, 3, h, w] to class scores [b, k]; its last layer is a Linear or
                a Conv2d.
            size_px: side of the square input, px.
            classes: k names, in the order of the scores (default: "0", "1", ...).
            mean, std: of each channel, for pixels in 0..1: the input is (pixel - mean) / std.
            crop: share of the image's shorter side that the input covers, in (0, 1].
            name: a name for its card.

        Raises:
            UsageError: the module does not accept this size, does not return scores [b, k], or has
                no last layer that can be replaced.

        Example:
            >>> from torch import nn
            >>> from seedbed.models.backbone import Backbone
            >>> body = [nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
            >>> net = nn.Sequential(*body, nn.Linear(8, 2))
            >>> backbone = Backbone.wrap(net, size_px=32, classes=["cat", "dog"])
            >>> [(layer.name, layer.shape, layer.after_relu) for layer in backbone.layers]
            [('0', (8, 15, 15), True), ('2', (8, 1, 1), True), ('3', (8,), True)]
            >>> backbone.penultimate
            '3'
        """
        if not isinstance(module, nn.Module):
            raise UsageError(
                f"{module!r} is not an nn.Module",
                "Give an instance of your network: Backbone.wrap(MyNet(), size_px=32).",
            )
        if size_px < 1 or len(mean) != 3 or len(std) != 3:
            raise UsageError(
                f"size_px = {size_px}, mean = {list(mean)}, std = {list(std)}: "
                "size_px must be positive, mean and std must have three numbers each"
            )
        trace = Trace.run(module, size_px)
        names = tuple(classes) if classes is not None else tuple(map(str, range(trace.num_outputs)))
        if len(names) != trace.num_outputs:
            raise UsageError(
                f"{len(names)} classes are named, but the module returns {trace.num_outputs} scores"
            )
        if max(*mean, *std) > 1:
            raise UsageError(
                f"mean = {list(mean)}, std = {list(std)} must be for pixels in 0..1",
                "Divide them by 255.",
            )
        (m0, m1, m2), (s0, s1, s2) = mean, std
        preprocessing = Preprocessing.from_unit_range(size_px, crop, (m0, m1, m2), (s0, s1, s2))
        backbone = assemble_backbone(trace, CUSTOM_MODULE, names, preprocessing)
        backbone.card = {"name": name or type(module).__name__}
        return backbone

    def layer(self, name: str = PENULTIMATE) -> Layer:
        """The layer of this name: one of the layer table, any submodule by its dotted name, or the
        reading `cls`, `patch_mean` or `cls+patch_mean` of the last tokens of a transformer.

        Raises UsageError for other names.
        """
        resolved = self.penultimate if name == PENULTIMATE else name
        table = {layer.name: layer for layer in self.layers}
        if resolved in table:
            return table[resolved]
        reading = token_layer(resolved, self.layers, self.module, self.architecture)
        if reading is not None:
            return reading
        return self._trace.any_layer(
            resolved, {PENULTIMATE: self.layer(), **table}, f"backbone {self.architecture}"
        )

    @cached_property
    def _trace(self) -> Trace:
        return Trace.run(self.module, self.size_px, self.architecture)

    def __getstate__(self) -> dict[str, Any]:
        """The state without the trace, whose graph cannot be copied; it is computed again if
        needed."""
        return {name: value for name, value in self.__dict__.items() if name != "_trace"}

    @property
    def size_px(self) -> int:
        """Side of the square input, px."""
        return self.preprocessing.size_px

    @property
    def device(self) -> str:
        return str(next(self.module.parameters()).device)

    @property
    def num_parameters(self) -> int:
        return sum(p.numel() for p in self.module.parameters())

    def images(self, store: Store, rows: np.ndarray, labels: np.ndarray | None = None) -> Images:
        """Images of a store, preprocessed for this network, on its device."""
        return open_images(store, rows, labels, self.preprocessing, self.device)

    @property
    def provenance(self) -> dict[str, Any]:
        """Where the weights come from; a network that is trained further keeps this in its card."""
        return {key: self.card[key] for key in _PROVENANCE if self.card.get(key) is not None}

    def with_new_head(self, classes: Sequence[str], seed: int) -> Backbone:
        """A copy with a head for other classes, drawn from the stream of `seed`; the weights of the
        body stay."""
        module = copy.deepcopy(self.module)
        replace_heads(module, self.heads, len(classes), seed)
        return replace(
            self,
            module=module,
            classes=tuple(classes),
            card={"pretrained": self.provenance} if self.provenance else {},
        )


def assemble_backbone(
    trace: Trace,
    architecture: str,
    classes: Sequence[str],
    preprocessing: Preprocessing,
    names: Iterable[str] | None = None,
) -> Backbone:
    """Make a backbone of a traced network; `names` are the layers of its table (default: its
    blocks)."""
    heads = trace.heads()
    if not heads:
        raise UsageError(
            "the scores of this network do not come from a last Linear or Conv2d layer",
            "Give a module that ends in one: "
            "torch.nn.Sequential(body, torch.nn.Linear(dim, num_classes)).",
        )
    layers, penultimate = trace.table(heads, names)
    return Backbone(
        architecture=architecture,
        module=trace.module,
        preprocessing=preprocessing,
        classes=tuple(classes),
        layers=layers,
        penultimate=penultimate,
        heads=heads,
    )


def build_library_network(
    build: Callable[[], nn.Module],
    architecture: str,
    classes: Sequence[str],
    preprocessing: Preprocessing,
    seed: int,
) -> Backbone:
    """Build a network of a library, with the library's random initialisation.

    `build` builds it for a fixed number of classes, and the head is replaced afterwards: so the
    body depends on `seed` but not on the number of classes. The state of torch's global generator
    is restored.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream(seed, "init/body"))
        module = build()
    module = module.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    backbone = assemble_backbone(
        Trace.run(module, preprocessing.size_px, architecture), architecture, classes, preprocessing
    )
    replace_heads(module, backbone.heads, len(classes), seed)
    return backbone


def replace_heads(module: nn.Module, heads: Iterable[str], num_classes: int, seed: int) -> None:
    """Replace the last layers `heads` by new ones with `num_classes` outputs, initialised as by
    `initialise_weights`; without classes they have no output."""
    for path in heads:
        parent_path, _, name = path.rpartition(".")
        old = module.get_submodule(path)
        weight: Any = old.weight
        if isinstance(old, nn.Linear):
            new: nn.Module = _linear(old.in_features, num_classes, old.bias is not None)
        else:
            assert isinstance(old, nn.Conv2d)
            shape: dict[str, Any] = {
                k: getattr(old, k)
                for k in ("in_channels", "kernel_size", "stride", "padding", "dilation")
            }
            new = nn.Conv2d(out_channels=num_classes, bias=old.bias is not None, **shape)
        with torch.no_grad():
            _draw_head(new, seed, path)
        parent = module.get_submodule(parent_path)
        setattr(parent, name, new.to(weight))  # pyright: ignore[reportCallIssue]


def _linear(num_in: int, num_out: int, bias: bool) -> nn.Linear:
    with warnings.catch_warnings():  # of a layer without outputs
        warnings.filterwarnings("ignore", "Initializing zero-element tensors")
        return nn.Linear(num_in, num_out, bias=bias)


def _draw_head(head: nn.Module, seed: int, path: str) -> None:
    for name, parameter in head.named_parameters():
        _draw(parameter, seed, f"{path}.{name}", is_head=True)


def initialise_weights(module: nn.Module, seed: int, head: str = "head") -> None:
    """Initialise all parameters, each from its own named stream, so that the body does not depend
    on the size of the head.

    Convolutions and linear layers: normal with variance 2 / fan_in (He et al. 2015), the head with
    1 / fan_in. Biases: 0. Batch norm: scale 1, shift 0.
    """
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            _draw(parameter, seed, name, is_head=name.startswith(f"{head}."))


def _draw(parameter: torch.Tensor, seed: int, name: str, *, is_head: bool) -> None:
    if not parameter.numel():  # a head without classes
        return
    if parameter.ndim < 2:
        parameter.fill_(1.0 if name.endswith("weight") else 0.0)
        return
    generator = torch.Generator().manual_seed(
        stream(seed, "init/head" if is_head else "init/body", name)
    )
    fan_in = parameter[0].numel()
    values = (
        torch.randn(tuple(parameter.shape), generator=generator)
        * ((1.0 if is_head else 2.0) / fan_in) ** 0.5
    )
    parameter.copy_(values)
