"""Match the tensors of a weights file with those of a network.

In: tensors by their names in the file. Out: the tensors by their names in the network, with what
was left out. Self-supervised training keeps a network under a prefix (`encoder_q.`, `backbone.`,
`teacher.backbone.`), beside others and beside heads that are of no use afterwards.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import torch

from seedbed.models.backbone import Backbone

# Among networks under several prefixes, these are preferred: the one that is meant to be used.
_PREFERRED = ("encoder_q", "teacher", "ema", "target", "backbone", "encoder", "student")
# Names of parts that only the training used.
_TRAINING_ONLY = (
    "aux", "decoder", "dino_head", "ibot_head", "mask_token", "mim_head", "predictor", "projection",
    "projector", "proj_head", "prototypes", "queue", "ssl_head", "text", "logit_scale",
)  # fmt: skip


@dataclass(frozen=True)
class Matched:
    """Tensors by their names in the network; the prefix that was removed, and the names that are
    not of the network."""

    tensors: dict[str, torch.Tensor]
    prefix: str = ""
    ignored: tuple[str, ...] = ()


def match_names(backbone: Backbone, tensors: dict[str, torch.Tensor]) -> Matched:
    """Name tensors as the network does; tensors that match nothing keep their names."""
    body = {n for n in backbone.module.state_dict() if not is_of_head(backbone, n)}
    converted = _converted(backbone, tensors)
    if body <= converted.keys():
        return _without_training_parts(backbone, converted, "")
    prefix = _find_prefix(tensors, body)
    if prefix:
        part = {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
        part = _converted(backbone, part)
        if len(body & part.keys()) > len(body & converted.keys()):
            others = tuple(sorted(n for n in tensors if not n.startswith(prefix)))
            return _without_training_parts(backbone, part, prefix, others)
    return _without_training_parts(backbone, converted, "")


def is_of_head(backbone: Backbone, name: str) -> bool:
    """Whether a tensor belongs to the head of a network."""
    return name.startswith(tuple(f"{head}." for head in backbone.heads))


def _converted(backbone: Backbone, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors by their names in this network; timm converts the names in files of authors."""
    expected = backbone.module.state_dict().keys()
    convert: Any = getattr(
        sys.modules.get(type(backbone.module).__module__), "checkpoint_filter_fn", None
    )
    if convert is None or tensors.keys() >= expected:
        return tensors
    try:
        return dict(convert(dict(tensors), backbone.module))
    # Weights of another network, which timm cannot convert.
    except (KeyError, RuntimeError, TypeError, ValueError, AttributeError, IndexError):
        return tensors


def _find_prefix(names: Iterable[str], body: Collection[str]) -> str:
    """The prefix under which most tensors of the network's body are; of several equal ones the one
    that is meant to be used."""
    counts: Counter[str] = Counter()
    for name in names:
        parts = name.split(".")
        for i in range(1, len(parts)):
            if ".".join(parts[i:]) in body:
                counts[".".join(parts[:i]) + "."] += 1
    if not counts:
        return ""
    most = max(counts.values())
    prefixes = sorted(prefix for prefix, num in counts.items() if num == most)
    return min(prefixes, key=lambda p: (_preference(p), p))


def _preference(prefix: str) -> int:
    return next((i for i, name in enumerate(_PREFERRED) if name in prefix), len(_PREFERRED))


def _without_training_parts(
    backbone: Backbone, tensors: dict[str, torch.Tensor], prefix: str, ignored: tuple[str, ...] = ()
) -> Matched:
    """Leave out what only the training used: projections, queues, and heads of another shape."""
    state = backbone.module.state_dict()
    dropped = {
        name
        for name in tensors.keys() - state.keys()
        if is_of_head(backbone, name) or name.lower().startswith(_TRAINING_ONLY)
    }
    heads = [f"{head}.weight" for head in backbone.heads]
    misshapen = [n for n in heads if n in tensors and tensors[n].shape[1:] != state[n].shape[1:]]
    if misshapen:
        dropped |= {name for name in tensors if is_of_head(backbone, name)}
    remaining = {name: tensor for name, tensor in tensors.items() if name not in dropped}
    return Matched(remaining, prefix, (*ignored, *sorted(dropped)))
