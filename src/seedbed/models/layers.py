"""The layers of a network, found by running it: names, shapes, strides, and where each is read
after its ReLU.

In: any module and an input size. Out: rows that say which submodule a hook catches and what is then
done. One image goes through with
the autograd graph recorded: the graph, not the names, tells which output enters which ReLU, what
    the head is and what it reads. Knows
nothing of architectures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from seedbed.base.errors import UsageError, unknown

# the row of a vector that no submodule puts out by itself: what the head is given
HEAD_INPUT = "penultimate"
# Backward nodes that leave each value as it is, or mix values without a sign: what follows a ReLU
# through them is still after it.
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
_POOLING = {
    "map": "mean over space",
    "map_last": "mean over space",
    "tokens": "mean over tokens",
    "vector": "as it is",
}


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One row of the layer table, read off a real forward pass."""

    name: str
    # (channels, height, width), (height, width, channels), (tokens, dim) or (dim,)
    shape: tuple[int, ...]
    kind: Literal["map", "map_last", "tokens", "vector"]
    stride: int | None  # input px per step of the map; None for tokens and vectors
    after_relu: bool
    tap: str  # the submodule that is hooked
    takes: Literal["output", "input"] = "output"
    # applied to what the hook catches: the layer's own ReLU, where no module holds it
    rectify: Literal["", "relu", "relu6"] = ""

    @property
    def dim(self) -> int:
        """Length of a pooled code."""
        return self.shape[0] if self.kind in ("map", "vector") else self.shape[-1]

    @property
    def flat_dim(self) -> int:
        """Length of a flattened code."""
        return int(torch.Size(self.shape).numel())

    @property
    def pooling(self) -> str:
        """How the output becomes a vector when it is pooled."""
        return _POOLING[self.kind]

    def read(self, caught: torch.Tensor) -> torch.Tensor:
        """What a hook caught, after the layer's ReLU; a new tensor wherever a later in-place
        operation could overwrite it."""
        if self.rectify:
            return caught.clamp(0, 6) if self.rectify == "relu6" else caught.clamp_min(0)
        return caught.clone()

    def pooled(self, caught: torch.Tensor) -> torch.Tensor:
        """Codes [b, dim] of a batch that a hook caught."""
        values = self.read(caught) if self.rectify or self.kind == "vector" else caught
        match self.kind:
            case "map":
                return values.mean(dim=(2, 3))
            case "map_last":
                return values.mean(dim=(1, 2))
            case "tokens":
                return values.mean(dim=1)
        return values.flatten(1)

    def hook(self, module: nn.Module, use: Callable[[torch.Tensor], None]) -> RemovableHandle:
        """Call `use` with what passes at this layer in every forward pass, until the handle is
        removed."""
        place = module.get_submodule(self.tap)
        if self.takes == "input":
            return place.register_forward_pre_hook(lambda _m, inputs: use(inputs[0]))  # pyright: ignore[reportArgumentType]
        return place.register_forward_hook(lambda _m, _i, output: use(output))  # pyright: ignore[reportArgumentType]


def layer_record(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the table as documents have it, from what a card keeps: its settings, and how it
    becomes a vector."""
    layer = Layer(**{**settings, "shape": tuple(settings["shape"])})
    return {**settings, "dim": layer.dim, "pooling": layer.pooling}


@dataclass
class Trace:
    """One forward pass: what each submodule put out, and the graph between."""

    module: nn.Module
    size_px: int
    # of submodules called once with one tensor as output
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    # name -> backward node of its output, in the order of the calls
    nodes: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, Any] = field(default_factory=dict)  # name -> (node, shape) of its input
    calls: dict[str, int] = field(default_factory=dict)
    output: Any = None
    num_outputs: int = 0
    _consumers: dict[Any, list[Any]] = field(default_factory=dict)

    @staticmethod
    def run(module: nn.Module, size_px: int, name: str = "this network") -> Trace:
        """Send one image of constant noise through; raises UsageError where the network does not
        take this size."""
        trace = Trace(module, size_px)
        handles = [
            m.register_forward_hook(trace._note(name)) for name, m in module.named_modules() if name
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
                f"{name} does not take images of {size_px} px: {str(error).splitlines()[0]}",
                "Give a larger size_px, or a variant for small images (stem='small') where there is one.",
            ) from None
        finally:
            module.train(was_training)
            for handle in handles:
                handle.remove()
        if not isinstance(out, torch.Tensor) or out.ndim != 2:
            raise UsageError(
                f"the output of {name} is {_described(out)}, where a tensor of one score per class was expected",
                "Give a module that maps float32 [b, 3, h, w] to [b, num_classes].",
            )
        trace.output, trace.num_outputs = out.grad_fn, out.shape[1]
        trace._link()
        return trace

    def _note(self, name: str) -> Callable[..., None]:
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
        """Who uses each node's result."""
        left, seen = [self.output], {self.output}
        while left:
            node = left.pop()
            for before, _ in node.next_functions:
                if before is not None:
                    self._consumers.setdefault(before, []).append(node)
                    if before not in seen:
                        seen.add(before)
                        left.append(before)

    def is_once(self, name: str) -> bool:
        """Whether a hook on this submodule catches one tensor in a forward pass."""
        return self.calls.get(name) == 1 and name in self.nodes

    def heads(self) -> tuple[str, ...]:
        """The linear or convolutional submodules whose output, at most averaged or added up, is the
        network's output."""
        kinds = (nn.Linear, nn.Conv2d)
        ends = {
            self.nodes[n]: n
            for n in self.nodes
            if self.is_once(n) and isinstance(self.module.get_submodule(n), kinds)
        }
        found, left = [], [self.output]
        while left:
            node = left.pop()
            if node in ends:
                found.append(ends[node])
            elif _is(node, _VIEWS, _POOLS, ("Add", "Div", "Relu")):
                left += [before for before, _ in node.next_functions if before is not None]
        return tuple(sorted(found))

    def after_relu(self, node: Any) -> bool:
        """Whether a result comes from a ReLU, or from several joined, at most pooled or viewed
        since."""
        while node is not None and _is(node, _VIEWS, _POOLS):
            node = node.next_functions[0][0]
        if node is None:
            return False
        if _is(node, ("Cat",)):
            return all(self.after_relu(before) for before, _ in node.next_functions)
        return _is(node, tuple(_RELUS))

    def row(self, name: str, asked: str | None = None) -> tuple[Layer, Any]:
        """The layer of a submodule, read after the ReLU that its output enters directly or through
        batch norm; and the node read."""
        tap, rectify, node = name, "", self.nodes[name]
        relu, way = self._relu_after(node)
        if relu is not None:
            holder = next(
                (n for n in self.nodes if self.nodes[n] is relu and self.is_once(n)), None
            )
            last = next((n for n in self.nodes if self.nodes[n] is way and self.is_once(n)), None)
            if holder is not None:
                tap, node = holder, relu
            elif last is not None:
                tap, node, rectify = (
                    last,
                    relu,
                    next(v for k, v in _RELUS.items() if _is(relu, (k,))),
                )
        shape = self.shapes[tap]
        return self._layer(asked or name, shape, tap, self.after_relu(node), rectify=rectify), node

    def _relu_after(self, node: Any) -> tuple[Any, Any]:
        """The ReLU that alone uses this result, directly or through batch norm, and the node that
        it uses."""
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
        self, name: str, shape: tuple[int, ...], tap: str, after_relu: bool, **how: Any
    ) -> Layer:
        kind = self._kind(shape)
        side = {"map": 1, "map_last": 0}.get(kind)
        stride = None if side is None else self.size_px // shape[side]
        return Layer(
            name=name, shape=shape, kind=kind, stride=stride, after_relu=after_relu, tap=tap, **how
        )

    def _kind(self, shape: tuple[int, ...]) -> Literal["map", "map_last", "tokens", "vector"]:
        if len(shape) < 3:
            return "vector" if len(shape) == 1 else "tokens"
        # Images are square, so the two equal sides are space; all three equal: as the others of
        # this network.
        if shape[0] == shape[1] == shape[2]:
            clear = [s for s in self.shapes.values() if len(s) == 3 and len(set(s)) == 2]
            return "map_last" if clear and all(s[0] == s[1] for s in clear) else "map"
        return "map_last" if shape[0] == shape[1] else "map"

    def table(
        self, heads: Iterable[str], names: Iterable[str] | None = None
    ) -> tuple[tuple[Layer, ...], str]:
        """The rows (of `names`, else of every block), and the name of the one that the head
        reads."""
        heads = tuple(heads)
        order = list(self.nodes)
        before_head = order[: min(order.index(h) for h in heads)]
        blocks = set(_blocks(self.module, heads))
        chosen = list(names) if names is not None else [n for n in before_head if n in blocks]
        rows: list[Layer] = []
        read: list[Any] = []
        for name in chosen:
            if not self.is_once(name):
                continue
            layer, node = self.row(name)
            # batch norm, ReLU, dropout: read with their layer
            if names is not None or not any(node is other for other in read):
                rows.append(layer)
                read.append(node)
        before, shape = self.inputs[heads[0]]
        place = self._row_read_by_head(before, read)
        if place is not None:
            return tuple(rows), rows[place].name
        rows.append(
            self._layer(HEAD_INPUT, shape, heads[0], self.after_relu(before), takes="input")
        )
        return tuple(rows), HEAD_INPUT

    def _row_read_by_head(self, node: Any, read: list[Any]) -> int | None:
        while node is not None:
            for i, other in enumerate(read):
                if other is node:
                    return i
            if not _is(node, tuple(v for v in _VIEWS if v != "Select")):
                return None
            node = node.next_functions[0][0]
        return None

    def any_layer(self, name: str, table: Mapping[str, Layer], where: str) -> Layer:
        """The layer of any submodule by its dotted name, in the table or not."""
        if name in self.calls and not self.is_once(name):
            raise UsageError(
                f"layer {name!r} of {where} is no one tensor: it is called {self.calls[name]} times, or puts out several",
                f"Name the layer before it. In the table: {', '.join(table)}.",
            )
        if not self.is_once(name):
            known = unknown("layer", name, table, where)
            inside = [
                n for n in self.calls if n.startswith(f"{name.split('.')[0]}.") and self.is_once(n)
            ]
            raise UsageError(
                known.message,
                f"{known.hint} Submodules too: {', '.join(inside[:8])}." if inside else known.hint,
            )
        return self.row(name)[0]


def _is(node: Any, *kinds: tuple[str, ...]) -> bool:
    name = node.name().removeprefix("torch::autograd::")
    return any(name.startswith(prefix) for group in kinds for prefix in group)


def _blocks(module: nn.Module, heads: tuple[str, ...], prefix: str = "") -> Iterable[str]:
    """Submodules in order; plain sequences are opened, blocks are not, but for one that holds the
    head."""
    for name, child in module.named_children():
        path = f"{prefix}{name}"
        if type(child) in (nn.Sequential, nn.ModuleList, nn.ModuleDict) or any(
            h.startswith(f"{path}.") for h in heads
        ):
            yield from _blocks(child, heads, f"{path}.")
        else:
            yield path


def _described(value: object) -> str:
    return (
        f"a tensor of shape {tuple(value.shape)}"
        if isinstance(value, torch.Tensor)
        else f"a {type(value).__name__}"
    )
