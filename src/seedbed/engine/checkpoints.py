"""Existing checkpoints: which network a folder, a weights file, a call or a module is.

In: a Backbone, a path, or a call string. Out: the call that opens the network, and the content that
identifies it in keys.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import torch

from seedbed.base.call import Call, parse_call
from seedbed.base.errors import UsageError
from seedbed.base.paths import expand_user
from seedbed.models.backbone import CUSTOM_MODULE, Backbone
from seedbed.models.checkpoint import read_card
from seedbed.models.resolve import backbone_fingerprint, backbone_folder

_KEYWORDS = ("cached", "download")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """An existing network.

    Attributes:
        backbone: a folder, or a call with its weights.
        content: what identifies the network in keys.
        weights: the weights as the user named them.
        model: a module of the user, which no call builds.
    """

    backbone: str
    content: str
    weights: str
    model: Backbone | None = None


def module_checkpoint(model: Backbone) -> Checkpoint:
    """The checkpoint of a Backbone object, identified by its tensors and by what it computes.

    Raises UsageError for another object.
    """
    if not isinstance(model, Backbone):
        raise UsageError(
            f"model = {model!r} is not a Backbone", "Wrap it: sb.Backbone.wrap(module, size_px=32)."
        )
    name = str(model.card.get("name", ""))
    return Checkpoint(
        backbone=CUSTOM_MODULE, content=module_content(model), weights=name, model=model
    )


def weights_checkpoint(
    weights: str, backbone: str, size_px: int, folder: Path | None = None
) -> Checkpoint:
    """The checkpoint of a folder, or of a weights file with the call of its network.

    Args:
        weights: a folder that `pretrain` wrote, a file, "cached" or "download".
        backbone: the call of the network, where `weights` is not a folder.
        size_px: the input size, if the call names none.
        folder: a relative path is relative to it.

    Raises UsageError for weights that do not exist.
    """
    if folder is not None and weights not in _KEYWORDS:
        weights = str(folder / expand_user(weights))
    # os.path.isdir returns False, and does not raise, for a text that is too long for a path.
    if os.path.isdir(weights):  # noqa: PTH112
        read_card(weights)
        return Checkpoint(backbone=weights, content=backbone_fingerprint(weights), weights=weights)
    if weights not in _KEYWORDS and not os.path.isfile(weights):  # noqa: PTH113
        raise UsageError(
            f"there are no weights at {weights!r}",
            "Give a folder that pretrain wrote, a file, 'cached' or 'download'.",
        )
    call = parse_call(backbone, "backbone")
    text = str(Call(name=call.name, args=call.args, kwargs={**call.kwargs, "weights": weights}))
    return call_checkpoint(text, size_px)


def call_checkpoint(text: str, size_px: int) -> Checkpoint:
    """The checkpoint of a call string such as `vgg16(weights='FILE')`.

    Args:
        size_px: the input size, if the call names none.
    """
    call = parse_call(text, "backbone")
    sized = {**call.kwargs}
    sized.setdefault("size_px", size_px)
    full = str(Call(name=call.name, args=call.args, kwargs=sized))
    plain = {name: value for name, value in sized.items() if name != "weights"}
    content = f"{Call(name=call.name, args=call.args, kwargs=plain)} {backbone_fingerprint(full)}"
    return Checkpoint(backbone=full, content=content, weights=str(call.kwargs.get("weights", "")))


def named_checkpoint(backbone: str | os.PathLike[str], size_px: int) -> Checkpoint:
    """The checkpoint that a path, the name of a shipped network, or a call string names."""
    folder = backbone_folder(backbone)
    if folder is None:
        return call_checkpoint(os.fspath(backbone), size_px)
    return Checkpoint(
        backbone=str(folder), content=backbone_fingerprint(folder), weights=str(Path(backbone))
    )


def module_content(backbone: Backbone) -> str:
    """SHA-256 of a module: its description, preprocessing, classes and tensors, and its scores for
    one image of noise; 20 hexadecimal digits."""
    module, side = backbone.module, backbone.size_px
    digest = hashlib.sha256(f"{module} {backbone.preprocessing} {backbone.classes}".encode())
    noise = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    was_training = module.training
    with torch.inference_mode():
        scores = module.eval()(noise.to(backbone.device))
    module.train(was_training)
    for name, tensor in {**module.state_dict(), "scores": scores}.items():
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        values = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(values.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:20]
