"""A backbone: a network, its table of layers, its input, its classes, its card.

In: a module and how it was made. Out: one object that trains, saves, and gives codes of a named layer. Knows nothing of data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from seedbed.base.errors import unknown
from seedbed.base.randomness import stream

PENULTIMATE = "penultimate"


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One row of the layer table, read off a real forward pass."""

    name: str
    shape: tuple[int, ...]  # (channels, height, width), or (dim,)
    stride: int | None  # input px per step of the map; None for a vector
    after_relu: bool


@dataclass(kw_only=True)
class Backbone:
    """A network by its call string. `penultimate` names the layer whose pooled output the head reads."""

    architecture: str
    module: nn.Module
    size_px: int
    classes: tuple[str, ...]
    layers: tuple[Layer, ...]
    penultimate: str
    card: dict[str, Any] = field(default_factory=dict)

    def layer(self, name: str = PENULTIMATE) -> Layer:
        """The row of a layer; raises UsageError for a name that is not in the table."""
        wanted = self.penultimate if name == PENULTIMATE else name
        for layer in self.layers:
            if layer.name == wanted:
                return layer
        raise unknown("layer", name, [PENULTIMATE, *(la.name for la in self.layers)], f"backbone {self.architecture}")

    @property
    def num_parameters(self) -> int:
        return sum(p.numel() for p in self.module.parameters())


def initialise(module: nn.Module, seed: int, head: str = "head") -> None:
    """Fill all parameters from named streams, a tensor each: the body does not depend on the head's size.

    Convolutions and linear layers: normal with variance 2 / fan_in (He et al. 2015), the head 1 / fan_in; biases 0; batch norm 1, 0.
    """
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            is_head = name.split(".")[0] == head
            if parameter.ndim < 2:
                is_scale = name.endswith("weight")
                parameter.fill_(1.0 if is_scale else 0.0)
                continue
            generator = torch.Generator().manual_seed(stream(seed, "init/head" if is_head else "init/body", name))
            fan_in = parameter[0].numel()
            values = torch.randn(tuple(parameter.shape), generator=generator) * ((1.0 if is_head else 2.0) / fan_in) ** 0.5
            parameter.copy_(values)


def tabulate_layers(module: nn.Module, names: dict[str, bool], size_px: int) -> tuple[Layer, ...]:
    """The layer table of named submodules (name -> after ReLU or not), made by running one image through."""
    shapes: dict[str, tuple[int, ...]] = {}

    def note(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: object, output: torch.Tensor) -> None:
            shapes[name] = tuple(output.shape[1:])

        return hook

    handles = [module.get_submodule(name).register_forward_hook(note(name)) for name in names]
    was_training = module.training
    module.eval()
    with torch.inference_mode():
        module(torch.zeros(1, 3, size_px, size_px))
    module.train(was_training)
    for handle in handles:
        handle.remove()
    return tuple(
        Layer(name=n, shape=shapes[n], stride=size_px // shapes[n][1] if len(shapes[n]) == 3 else None, after_relu=relu)
        for n, relu in names.items()
    )
