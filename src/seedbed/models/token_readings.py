"""Readings of the last tokens of a transformer: the class token, the mean of the patch tokens, or
both, as the authors of DINO, DINOv2 and others read them.

In: a traced network with its table. Out: a layer of vectors. Prefix tokens are the class token and
registers; the patch tokens follow them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import nn

from seedbed.base.errors import UsageError
from seedbed.models.layers import TOKEN_READINGS, Layer


def has_class_token(layers: Sequence[Layer], module: nn.Module) -> bool:
    """Whether a network ends in tokens of which the first is a class token."""
    return any(layer.kind == "tokens" for layer in layers) and num_prefix_tokens(module) > 0


def token_layer(
    name: str, layers: Sequence[Layer], module: nn.Module, architecture: str
) -> Layer | None:
    """The layer of a reading (`cls`, `patch_mean`, `cls+patch_mean`) of the last tokens; None for
    another name.

    Raises UsageError for a network without tokens, or without a class token where it is read.
    """
    if name not in TOKEN_READINGS:
        return None
    sequences = [layer for layer in layers if layer.kind == "tokens"]
    others = f"Its layers: {', '.join(layer.name for layer in layers)}."
    if not sequences:
        raise UsageError(f"layer {name!r}: {architecture} has no tokens", others)
    num_prefix = num_prefix_tokens(module)
    if "cls" in name and not num_prefix:
        raise UsageError(
            f"layer {name!r}: {architecture} has no class token", f"Use 'patch_mean'. {others}"
        )
    last = sequences[-1]
    dim = last.shape[-1]
    return replace(
        last,
        name=name,
        kind="vector",
        shape=(2 * dim if name == "cls+patch_mean" else dim,),
        tokens=name,
        num_prefix=num_prefix,
    )


def num_prefix_tokens(module: nn.Module) -> int:
    """Tokens before those of the patches: the class token and registers."""
    for part in module.modules():
        if isinstance(number := getattr(part, "num_prefix_tokens", None), int):
            return number
        if any(getattr(part, name, None) is not None for name in ("cls_token", "class_token")):
            return 1
    return 0
