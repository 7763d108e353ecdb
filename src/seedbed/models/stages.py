"""Stages: which parameters belong together, from input to output, for tuning the last of them alone.

In: a backbone. Out: the names of its parameters by stage, the head's apart. A stage ends at a row of the layer table; rows of one
sequence at one stride are one stage (a ResNet's blocks, a VGG's convolutions between two pools), every other row that has
parameters is a stage of its own (a fully connected layer, a transformer's block). Knows nothing of training.
"""

from __future__ import annotations

from torch import nn

from seedbed.models.backbone import Backbone
from seedbed.models.layers import Layer, Trace


def stages_of(backbone: Backbone) -> tuple[tuple[str, ...], ...]:
    """Parameter names of each stage of the body, from the input on."""
    trace = Trace.run(backbone.module, backbone.size_px, backbone.architecture)
    order = {name: i for i, name in enumerate(trace.nodes)}
    rows = [layer for layer in backbone.layers if layer.name in order]
    ends = [max(order[layer.name], order.get(layer.tap, 0)) for layer in rows]  # batch norm and ReLU are read with their layer
    stage_of_row = _numbered(rows)
    found: list[list[str]] = [[] for _ in range(max(stage_of_row, default=0) + 1)]
    for name, _ in backbone.module.named_parameters():
        if name.startswith(tuple(f"{head}." for head in backbone.heads)):
            continue
        called_at = _position(name, order)
        row = next((i for i, end in enumerate(ends) if end >= called_at), len(rows) - 1)
        found[stage_of_row[row] if rows else 0].append(name)
    return tuple(tuple(stage) for stage in found if stage)


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
    """When the module that owns a parameter is called, or the nearest one around it; -1 for those of no called module."""
    path = parameter.rpartition(".")[0]
    while path:
        if path in order:
            return order[path]
        path = path.rpartition(".")[0]
    return -1


def norms_of(module: nn.Module) -> list[nn.Module]:
    """Its batch-norm modules, whose statistics move in training."""
    return [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
