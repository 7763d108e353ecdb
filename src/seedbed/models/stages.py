"""Stages: which parameters belong together, from input to output, for tuning the last of them
alone.

In: a backbone. Out: the names of its parameters by stage, the head's apart. A stage ends at a row
of the layer table; rows of one sequence at one stride are one stage (a ResNet's blocks, a VGG's
convolutions between two pools), every other row that has parameters is a stage of its own (a fully
connected layer, a transformer's block). Knows nothing of training.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from seedbed.models.backbone import Backbone
from seedbed.models.layers import Layer, Trace


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Names of its parameters, and of the modules without children that are called in it, batch
    norm and dropout among them."""

    parameters: tuple[str, ...]
    modules: tuple[str, ...]


def stages_of(backbone: Backbone) -> tuple[Stage, ...]:
    """The stages of the body that have parameters, from the input on."""
    trace = Trace.run(backbone.module, backbone.size_px, backbone.architecture)
    order = {name: i for i, name in enumerate(trace.nodes)}
    rows = [layer for layer in backbone.layers if layer.name in order]
    # batch norm and ReLU are read with their layer
    ends = [max(order[layer.name], order.get(layer.tap, 0)) for layer in rows]
    stage_of_row = _numbered(rows)
    heads = tuple(f"{head}." for head in backbone.heads)

    def stage(called_at: int) -> int:
        row = next((i for i, end in enumerate(ends) if end >= called_at), len(rows) - 1)
        return stage_of_row[row] if rows else 0

    num = max(stage_of_row, default=0) + 1
    parameters: list[list[str]] = [[] for _ in range(num)]
    modules: list[list[str]] = [[] for _ in range(num)]
    for name, _ in backbone.module.named_parameters():
        if not name.startswith(heads):
            parameters[stage(_position(name, order))].append(name)
    for name, module in backbone.module.named_modules():
        if name and not any(module.children()) and name not in backbone.heads:
            modules[stage(_position(f"{name}.", order))].append(name)
    both = zip(parameters, modules, strict=True)
    return tuple(Stage(parameters=tuple(ps), modules=tuple(ms)) for ps, ms in both if ps)


def _numbered(rows: list[Layer]) -> list[int]:
    """The stage of each row."""
    numbers: list[int] = []
    for i, row in enumerate(rows):
        joins = i > 0 and _sequence(row) is not None and _sequence(row) == _sequence(rows[i - 1])
        numbers.append(0 if i == 0 else numbers[-1] + (not joins))
    return numbers


def _sequence(layer: Layer) -> tuple[str, int | None] | None:
    """What a map is one of: the sequence that it stands in, at its stride."""
    parent = layer.name.rpartition(".")[0]
    return (parent, layer.stride) if parent and layer.stride is not None else None


def _position(parameter: str, order: dict[str, int]) -> int:
    """When the module that owns a parameter is called, or the nearest one around it; -1 for those
    of no called module."""
    path = parameter.rpartition(".")[0]
    while path:
        if path in order:
            return order[path]
        path = path.rpartition(".")[0]
    return -1


def batch_norms(module: nn.Module) -> list[nn.Module]:
    """Its batch-norm modules, whose statistics move in training."""
    return [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
