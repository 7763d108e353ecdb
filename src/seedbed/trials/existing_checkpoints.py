"""Existing checkpoints as arms: what an arm's words mean, and what identifies the network behind
them.

In: an arm with weights or a model. Out: the call that opens it, and its content for a key. Knows
nothing of plans.
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
from seedbed.models.resolve import backbone_fingerprint
from seedbed.trials.arms import Arm

_KEYWORDS = ("cached", "download")


@dataclass(frozen=True, kw_only=True)
class ExistingCheckpoint:
    """A network that is there already."""

    backbone: str  # a folder, or a call with its weights
    content: str  # what identifies it, for keys
    asked: str  # in the user's words
    model: Backbone | None = None


def checkpoint_of(arm: Arm, common: str, size_px: int, folder: Path) -> ExistingCheckpoint:
    """The network of a checkpoint arm.

    Args:
        arm: an arm with `weights` or `model`.
        common: the study's backbone, for weights whose arm names none.
        size_px: the size of the study's images, for a network whose call names no input size.
        folder: the study's folder; a path of weights is relative to it.

    Raises UsageError for weights that are not there, or that need their network named.
    """
    if arm.model is not None:
        if not isinstance(arm.model, Backbone):
            raise UsageError(
                f"model = {arm.model!r} is no Backbone",
                "Wrap it: sb.Backbone.wrap(module, size_px=32).",
            )
        return ExistingCheckpoint(
            backbone=CUSTOM_MODULE,
            content=_content_of(arm.model),
            asked=str(arm.model.card.get("name", "")),
            model=arm.model,
        )
    weights = arm.weights or ""
    if weights not in _KEYWORDS:
        weights = str(folder / expand_user(weights))
    if os.path.isdir(weights):  # noqa: PTH112  false, not an error, for a text too long to be a path
        read_card(weights)  # says so where it is not the folder of a backbone
        return ExistingCheckpoint(
            backbone=weights, content=backbone_fingerprint(weights), asked=weights
        )
    if weights not in _KEYWORDS and not os.path.isfile(weights):  # noqa: PTH113
        raise UsageError(
            f"there are no weights at {weights!r}",
            "Give a folder that pretrain wrote, a file, 'cached' or 'download'.",
        )
    call = parse_call(arm.backbone or common, "backbone")
    kwargs = {**call.kwargs, "weights": weights}
    kwargs.setdefault("size_px", size_px)
    text = str(Call(name=call.name, args=call.args, kwargs=kwargs))
    plain = {k: v for k, v in kwargs.items() if k != "weights"}
    content = f"{Call(name=call.name, args=call.args, kwargs=plain)} {backbone_fingerprint(text)}"
    return ExistingCheckpoint(backbone=text, content=content, asked=weights)


def _content_of(backbone: Backbone) -> str:
    """Of a module: what it says of itself, what it takes, its weights, and what it makes of one
    image of noise."""
    module, side = backbone.module, backbone.size_px
    digest = hashlib.sha256(f"{module} {backbone.preprocessing} {backbone.classes}".encode())
    image = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0)).to(
        backbone.device
    )
    was_training = module.training
    with torch.inference_mode():
        scores = module.eval()(image)
    module.train(was_training)
    for name, tensor in {**module.state_dict(), "scores": scores}.items():
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(
            tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        )
    return digest.hexdigest()[:20]
