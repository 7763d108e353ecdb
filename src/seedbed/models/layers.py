"""Layer table of any network, from one forward pass: names, shapes, strides, and where each layer
is read after its ReLU.

In: a module and an input size. Out: for each layer, the submodule to hook and what to do with its
output. The forward pass records the autograd graph. The graph, not the names, shows which output
enters which ReLU, which layers are the head, and what the head reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from seedbed.base.errors import UsageError, unknown

# Name of the layer for the input of the head, where it is not the output of any submodule.
HEAD_INPUT = "penultimate"
# Backward nodes that keep values (views) or combine them without changing their sign (pools): their
# results still count as outputs of a ReLU before them.
_VIEWS = (
    "View",
    "UnsafeView",
    "Reshape",
    "Squeeze",
    "Unsqueeze",
    "Alias",
    "AsStrided",
    "Permute",
    "Transpose",
    "Clone",
    "Slice",
    "Select",
)
_POOLS = (
    "Mean",
    "AdaptiveAvgPool",
    "AvgPool",
    "MaxPool",
    "AdaptiveMaxPool",
    "MkldnnAdaptive",
    "NativeDropout",
    "MkldnnMaxPool",
)
_RELUS = {"Relu": "relu", "Threshold": "relu", "Hardtanh": "relu6"}
# Readings of the last tokens of a transformer (`models.token_readings`).
TOKEN_READINGS = ("cls", "patch_mean", "cls+patch_mean")
_POOLING = {
    "cls": "the class token",
    "patch_mean": "mean over the patch tokens",
    "cls+patch_mean": "the class token and the mean over the patch tokens",
    "map": "mean over space",
    "map_last": "mean over space",
    "tokens": "mean over tokens",
    "vector": "none (a vector)",
}


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One row of the layer table, from a real forward pass."""

    name: str
    # (channels, height, width), (height, width, channels), (tokens, dim) or (dim,)
    shape: tuple[int, ...]
    kind: Literal["map", "map_last", "tokens", "vector"]
    stride: int | None  # input px per step of the map; None for tokens and vectors
    after_relu: bool
    tap: str  # the submodule to hook
    takes: Literal["output", "input"] = "output"
    # The ReLU to apply to the hooked tensor, if the network calls it as a function.
    rectify: Literal["", "relu", "relu6"] = ""
    # Which tokens of a sequence are read, one of TOKEN_READINGS; empty for the whole output.
    tokens: str = ""
    num_prefix: int = 0  # tokens before those of the patches

    @property
    def dim(self) -> int:
        """Length of the pooled code."""
        return self.shape[0] if self.kind in ("map", "vector") else self.shape[-1]

    @property
    def flat_dim(self) -> int:
        """Length of the flattened code."""
        return int(torch.Size(self.shape).numel())

    @property
    def pooling(self) -> str:
        """How pooling turns the output into a vector, in words."""
        return _POOLING[self.tokens or self.kind]

    def read(self, hooked: torch.Tensor) -> torch.Tensor:
        """The hooked tensor after the layer's ReLU; a copy, since a later in-place operation could
        overwrite it. Of a reading of tokens: [b, dim]."""
        if self.tokens:
            patches = hooked[:, self.num_prefix :].mean(dim=1)
            parts = {"cls": hooked[:, 0], "patch_mean": patches}
            return torch.cat([parts[name] for name in self.tokens.split("+")], dim=1)
        if self.rectify:
            return hooked.clamp(0, 6) if self.rectify == "relu6" else hooked.clamp_min(0)
        return hooked.clone()

    def pooled(self, hooked: torch.Tensor) -> torch.Tensor:
        """Pooled codes [b, dim] of the hooked tensor of a batch."""
        values = self.read(hooked) if self.rectify or self.kind == "vector" else hooked
        match self.kind:
            case "map":
                return values.mean(dim=(2, 3))
            case "map_last":
                return values.mean(dim=(1, 2))
            case "tokens":
                return values.mean(dim=1)
        return values.flatten(1)

    def hook(self, module: nn.Module, use: Callable[[torch.Tensor], None]) -> RemovableHandle:
        """Call `use` with the tensor at this layer in each forward pass, until the handle is
        removed."""
        submodule: Any = module.get_submodule(self.tap)
        if self.takes == "input":
            return submodule.register_forward_pre_hook(lambda _m, inputs: use(inputs[0]))
        return submodule.register_forward_hook(lambda _m, _i, output: use(output))


def layer_record(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the layer table for JSON documents, from the fields that a card stores."""
    layer = Layer(**{**settings, "shape": tuple(settings["shape"])})
    return {**settings, "dim": layer.dim, "pooling": layer.pooling}


@dataclass
class Trace:
    """One forward pass: the outputs of the submodules and the autograd graph."""

    module: nn.Module
    size_px: int
    # Output shapes of submodules that return one tensor.
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    # Name -> backward node of the output, in the order of the calls.
    nodes: dict[str, Any] = field(default_factory=dict)
    # Name -> (backward node, shape) of the input.
    inputs: dict[str, Any] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    output: Any = None
    num_outputs: int = 0
    _consumers: dict[Any, list[Any]] = field(default_factory=dict)

    @staticmethod
    def run(module: nn.Module, size_px: int, name: str = "this network") -> Trace:
        """Trace a forward pass of one fixed noise image; raises UsageError if the network does not
        accept this size."""
        trace = Trace(module, size_px)
        handles = [
            m.register_forward_hook(trace._recorder(name))
            for name, m in module.named_modules()
            if name
        ]
        was_training = module.training
        module.eval()
        device = next((p.device for p in module.parameters()), torch.device("cpu"))
        image = (
            torch.rand(1, 3, size_px, size_px, generator=torch.Generator().manual_seed(0))
            .to(device)
            .requires_grad_()
        )
        try:
            with torch.enable_grad():
                out = module(image)
        except (RuntimeError, AssertionError, ValueError) as error:
            raise UsageError(
                f"{name} does not accept images of {size_px} px: {str(error).splitlines()[0]}",
                "Give a larger size_px, or use a variant for small images (stem='small').",
            ) from None
        finally:
            module.train(was_training)
            for handle in handles:
                handle.remove()
        if not isinstance(out, torch.Tensor) or out.ndim != 2:
            raise UsageError(
                f"the output of {name} is {_describe(out)}; expected is a tensor [b, num_classes]",
                "Give a module that maps float32 [b, 3, h, w] to [b, num_classes].",
            )
        trace.output, trace.num_outputs = out.grad_fn, out.shape[1]
        trace._link()
        return trace

    def _recorder(self, name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            self.calls[name] = self.calls.get(name, 0) + 1
            if (
                isinstance(output, torch.Tensor)
                and output.ndim in (2, 3, 4)
                and output.grad_fn is not None
            ):
                self.shapes[name], self.nodes[name] = tuple(output.shape[1:]), output.grad_fn
                if inputs and isinstance(inputs[0], torch.Tensor):
                    self.inputs[name] = (inputs[0].grad_fn, tuple(inputs[0].shape[1:]))

        return hook

    def _link(self) -> None:
        """Record the consumers of the result of each node."""
        pending, seen = [self.output], {self.output}
        while pending:
            node = pending.pop()
            for before, _ in node.next_functions:
                if before is not None:
                    self._consumers.setdefault(before, []).append(node)
                    if before not in seen:
                        seen.add(before)
                        pending.append(before)

    def is_hookable(self, name: str) -> bool:
        """Whether this submodule is called once in a forward pass and returns one tensor."""
        return self.calls.get(name) == 1 and name in self.nodes

    def heads(self) -> tuple[str, ...]:
        """The linear or convolutional submodules whose outputs, possibly averaged or summed, are
        the output of the network."""
        kinds = (nn.Linear, nn.Conv2d)
        ends = {
            self.nodes[n]: n
            for n in self.nodes
            if self.is_hookable(n) and isinstance(self.module.get_submodule(n), kinds)
        }
        heads, pending = [], [self.output]
        while pending:
            node = pending.pop()
            if node in ends:
                heads.append(ends[node])
            elif _is(node, _VIEWS, _POOLS, ("Add", "Div", "Relu")):
                pending += [before for before, _ in node.next_functions if before is not None]
        return tuple(sorted(heads))

    def after_relu(self, node: Any) -> bool:
        """Whether a result comes from a ReLU, or from concatenated ReLUs, possibly pooled or
        reshaped after them."""
        while node is not None and _is(node, _VIEWS, _POOLS):
            node = node.next_functions[0][0]
        if node is None:
            return False
        if _is(node, ("Cat",)):
            return all(self.after_relu(before) for before, _ in node.next_functions)
        return _is(node, tuple(_RELUS))

    def row(self, name: str) -> tuple[Layer, Any]:
        """The layer of a submodule, and the node at which it is read: after the ReLU that its
        output enters directly or through batch norm."""
        tap, rectify, node = name, "", self.nodes[name]
        relu, relu_input = self._relu_after(node)
        relu_module, input_module = self._module_at(relu), self._module_at(relu_input)
        if relu_module is not None:
            tap, node = relu_module, relu
        elif input_module is not None:
            tap, node = input_module, relu
            rectify = next(kind for prefix, kind in _RELUS.items() if _is(relu, (prefix,)))
        shape = self.shapes[tap]
        return self._layer(name, shape, tap, self.after_relu(node), rectify=rectify), node

    def _module_at(self, node: Any) -> str | None:
        """The submodule whose output has this backward node, if it can be hooked."""
        if node is None:
            return None
        return next((n for n in self.nodes if self.nodes[n] is node and self.is_hookable(n)), None)

    def _relu_after(self, node: Any) -> tuple[Any, Any]:
        """The ReLU that is the only consumer of a result, directly or through batch norm, and the
        node of its input; (None, None) if there is none."""
        while True:
            users = self._consumers.get(node, [])
            if len(users) != 1:
                return None, None
            if _is(users[0], tuple(_RELUS)):
                return users[0], node
            if "BatchNorm" not in users[0].name():
                return None, None
            node = users[0]

    def _layer(
        self, name: str, shape: tuple[int, ...], tap: str, after_relu: bool, **settings: Any
    ) -> Layer:
        kind = self._kind(shape)
        side = {"map": 1, "map_last": 0}.get(kind)
        stride = None if side is None else self.size_px // shape[side]
        return Layer(
            name=name,
            shape=shape,
            kind=kind,
            stride=stride,
            after_relu=after_relu,
            tap=tap,
            **settings,
        )

    def _kind(self, shape: tuple[int, ...]) -> Literal["map", "map_last", "tokens", "vector"]:
        if len(shape) < 3:
            return "vector" if len(shape) == 1 else "tokens"
        # Images are square, so the two equal sides are height and width. If all three are equal,
        # the order of the axes is that of the other maps of the network.
        if shape[0] == shape[1] == shape[2]:
            others = [s for s in self.shapes.values() if len(s) == 3 and len(set(s)) == 2]
            return "map_last" if others and all(s[0] == s[1] for s in others) else "map"
        return "map_last" if shape[0] == shape[1] else "map"

    def table(
        self, heads: Iterable[str], names: Iterable[str] | None = None
    ) -> tuple[tuple[Layer, ...], str]:
        """The layers (of `names`, by default of all blocks), and the name of the one that the head
        reads."""
        heads = tuple(heads)
        order = list(self.nodes)
        before_head = order[: min(order.index(h) for h in heads)]
        blocks = set(_blocks(self.module, heads))
        candidates = list(names) if names is not None else [n for n in before_head if n in blocks]
        rows: list[Layer] = []
        nodes: list[Any] = []
        for name in filter(self.is_hookable, candidates):
            layer, node = self.row(name)
            # Batch norm, ReLU and dropout are read with the layer before them.
            if names is not None or not any(node is other for other in nodes):
                rows.append(layer)
                nodes.append(node)
        input_node, shape = self.inputs[heads[0]]
        index = self._row_read_by_head(input_node, nodes)
        if index is not None:
            return tuple(rows), rows[index].name
        after_relu = self.after_relu(input_node)
        rows.append(self._layer(HEAD_INPUT, shape, heads[0], after_relu, takes="input"))
        return tuple(rows), HEAD_INPUT

    def _row_read_by_head(self, node: Any, nodes: list[Any]) -> int | None:
        """Position in `nodes` of the result that is the input of the head, possibly reshaped."""
        while node is not None:
            for i, other in enumerate(nodes):
                if other is node:
                    return i
            if not _is(node, tuple(v for v in _VIEWS if v != "Select")):
                return None
            node = node.next_functions[0][0]
        return None

    def any_layer(self, name: str, table: Mapping[str, Layer], where: str) -> Layer:
        """The layer of a submodule by its dotted name, in the table or not."""
        if name in self.calls and not self.is_hookable(name):
            raise UsageError(
                f"layer {name!r} of {where} is not a single tensor: it is called "
                f"{self.calls[name]} times, or returns several tensors",
                f"Name the layer before it. In the table: {', '.join(table)}.",
            )
        if not self.is_hookable(name):
            error = unknown("layer", name, table, where)
            prefix = f"{name.split('.')[0]}."
            inside = [n for n in self.calls if n.startswith(prefix) and self.is_hookable(n)]
            submodules = f" Submodules: {', '.join(inside[:8])}." if inside else ""
            raise UsageError(error.message, f"{error.hint}{submodules}")
        return self.row(name)[0]


def _is(node: Any, *kinds: tuple[str, ...]) -> bool:
    """Whether the name of a backward node starts with one of these prefixes."""
    name = node.name().removeprefix("torch::autograd::")
    return any(name.startswith(prefix) for group in kinds for prefix in group)


# Attribute of a module whose children are blocks, and which is none itself.
CONTAINER = "is_container_of_blocks"


def _blocks(module: nn.Module, heads: tuple[str, ...], prefix: str = "") -> Iterable[str]:
    """Submodules in order; containers, and the block that holds the head, are replaced by their
    children."""
    for name, child in module.named_children():
        path = f"{prefix}{name}"
        is_container = type(child) in (nn.Sequential, nn.ModuleList, nn.ModuleDict)
        holds_head = any(head.startswith(f"{path}.") for head in heads)
        if is_container or holds_head or getattr(child, CONTAINER, False):
            yield from _blocks(child, heads, f"{path}.")
        else:
            yield path


def _describe(value: object) -> str:
    if isinstance(value, torch.Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    return f"a {type(value).__name__}"
