"""Group the parameters of a network into stages, from input to output, to fine-tune the last ones.

In: a backbone. Out: the names of its parameters by stage, without those of the head. A stage ends
at a row of the layer table. Rows of one sequence with one stride form a stage (the blocks of a
ResNet, the convolutions of a VGG between two pools). Each other row with parameters is a stage (a
fully connected layer, a transformer block).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from seedbed.models.backbone import Backbone
from seedbed.models.layers import Layer, Trace


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Names of the parameters of a stage, and of its modules without children (including batch norm
    and dropout)."""

    parameters: tuple[str, ...]
    modules: tuple[str, ...]


def stages_of(backbone: Backbone) -> tuple[Stage, ...]:
    """The stages of the body that have parameters, from input to output."""
    trace = Trace.run(backbone.module, backbone.size_px, backbone.architecture)
    order = {name: i for i, name in enumerate(trace.nodes)}
    rows = [layer for layer in backbone.layers if layer.name in order]
    # Batch norm and ReLU belong to the layer before them.
    ends = [max(order[layer.name], order.get(layer.tap, 0)) for layer in rows]
    stage_of_row = _stage_numbers(rows)
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


def _stage_numbers(rows: list[Layer]) -> list[int]:
    """Stage number of each row."""
    numbers: list[int] = []
    for i, row in enumerate(rows):
        joins = i > 0 and _sequence(row) is not None and _sequence(row) == _sequence(rows[i - 1])
        numbers.append(0 if i == 0 else numbers[-1] + (not joins))
    return numbers


def _sequence(layer: Layer) -> tuple[str, int | None] | None:
    """The sequence that holds a layer with a map, and its stride; None for other layers."""
    parent = layer.name.rpartition(".")[0]
    return (parent, layer.stride) if parent and layer.stride is not None else None


def _position(parameter: str, order: dict[str, int]) -> int:
    """Position in the order of calls of the module that holds a parameter, or of the nearest module
    around it; -1 if none is called."""
    path = parameter.rpartition(".")[0]
    while path:
        if path in order:
            return order[path]
        path = path.rpartition(".")[0]
    return -1


def batch_norms(module: nn.Module) -> list[nn.Module]:
    """The batch-norm submodules, whose running statistics change in training mode."""
    return [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
