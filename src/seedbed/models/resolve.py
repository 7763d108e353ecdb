"""Open the backbone that a user names: a folder, a weights file with its card, or a call string.

In: text, or a Backbone. Out: a Backbone in evaluation mode, whose card says where its weights come
from.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from seedbed.base.errors import BadDataError, UsageError, nearest
from seedbed.base.paths import expand_user
from seedbed.base.spec import file_fingerprint, fingerprint
from seedbed.models import weights
from seedbed.models.backbone import Backbone, replace_heads
from seedbed.models.checkpoint import (
    CARD,
    WEIGHTS,
    load_backbone,
    read_card,
    weights_fingerprint,
)
from seedbed.models.weights_file import WeightsFile
from seedbed.models.zoo import BACKBONES, Architecture

# Input size at which a network without a fixed size is described.
DEFAULT_PX = 32
# Networks that come with seedbed, with their weights, by name.
SHIPPED = {"small": Path(__file__).parent / "shipped" / "small"}


def open_backbone(
    backbone: Backbone | str | os.PathLike[str], seed: int = 0, images_px: int | None = None
) -> Backbone:
    """Open the backbone that a path or a call string names; published weights are looked up on this
    machine.

    Args:
        seed: of random weights.
        images_px: input size for a network without a fixed one: that of the images.

    Raises:
        UsageError: an unknown name.
        BadDataError: weights that are missing or do not fit.
    """
    if isinstance(backbone, Backbone):
        return backbone
    if not isinstance(backbone, str | os.PathLike):
        raise UsageError(
            f"an object of type {type(backbone).__name__} is not a backbone",
            "Wrap a module of your own: sb.Backbone.wrap(module, size_px=32).",
        )
    text = os.fspath(backbone)
    if (shipped := shipped_folder(text)) is not None:
        return load_backbone(shipped)
    path = expand_user(text)
    # os.path.exists returns False for a text that is too long for a path; Path.exists raises.
    if os.path.exists(path):
        if path.name == WEIGHTS or path.is_dir() or (path.parent / CARD).is_file():
            return load_backbone(path)
        raise UsageError(
            f"{text} is a weights file without a card, so its network is unknown",
            f"Name the network: vgg16(weights={text!r}), or timm('NAME', weights={text!r}).",
        )
    if "(" not in text and text not in BACKBONES.names():
        near = nearest(text, BACKBONES.names())
        error = BadDataError if os.sep in text else UsageError
        raise error(
            f"there is no backbone {text}: neither a folder nor a known name",
            (f"Did you mean {near!r}? " if near else "")
            + "Make one: seedbed pretrain STORE --backbone small --out DIR. Known names: "
            + f"{', '.join(BACKBONES.names())}.",
        )
    return _build_weighted(BACKBONES.make(text), text, seed, images_px)


def shipped_folder(text: str) -> Path | None:
    """The folder of a network that comes with seedbed, if the text is its name without settings."""
    folder = SHIPPED.get(text.strip().removesuffix("()"))
    return folder if folder is not None and not os.path.exists(expand_user(text)) else None


def backbone_folder(backbone: str | os.PathLike[str]) -> Path | None:
    """The folder that a path or a name refers to; None for a call string."""
    text = os.fspath(backbone)
    path = shipped_folder(text) or expand_user(text)
    if not os.path.exists(path):
        return None
    return path if path.is_dir() else path.parent


def _build_weighted(
    architecture: Architecture, text: str, seed: int, images_px: int | None
) -> Backbone:
    """Build a network with its weights (by default the published ones), including the head in their
    file."""
    published = architecture.published()
    path = weights.resolve(architecture.weights, published, text)
    size_px = architecture.native_size_px() or images_px
    if size_px is None:
        raise UsageError(
            f"{text} has no input size",
            "Give one, for example size_px=32, or name a store of that size.",
        )
    published_classes = published.classes if published else ()
    if path is None:
        classes = published_classes or tuple(map(str, range(1000)))
        backbone = architecture.build(classes, size_px, seed)
        backbone.card = {
            "weights": f"random, seed {seed}",
            "batch_norm": "initial statistics",
            "images_seen": 0,
        }
    else:
        backbone = architecture.build(("0", "1"), size_px)
        facts = load_file(architecture, backbone, path, keep_head=True)
        if published and published.is_embedding:
            replace_heads(backbone.module, backbone.heads, 0, 0)
        num = len(backbone.module.get_parameter(f"{backbone.heads[0]}.weight"))
        has_published_head = num > 0 and num == len(published_classes)
        backbone.classes = published_classes if has_published_head else tuple(map(str, range(num)))
        is_published = architecture.weights in (None, "cached", "download")
        licence = published.licence if published and is_published else "your file"
        backbone.card = {
            "weights": str(path),
            "weights_sha256": file_fingerprint(path.path),
            "licence": licence,
            "images_seen": None,
            **({"weights_file": facts} if facts else {}),
        }
    backbone.module.eval()
    return backbone


def backbone_fingerprint(backbone: str | os.PathLike[str]) -> str:
    """Fingerprint of the network and weights that a path or a call string names, for keys."""
    folder = backbone_folder(backbone)
    if folder is not None:
        card = read_card(folder)
        fields = [card.get(key) for key in ("architecture", "size_px", "preprocessing", "classes")]
        return fingerprint([weights_fingerprint(folder), fields])
    architecture = BACKBONES.make(os.fspath(backbone))
    path = weights.resolve(architecture.weights, architecture.published(), os.fspath(backbone))
    return path.fingerprint() if path else f"random {os.fspath(backbone)}"


def load_file(
    architecture: Architecture, backbone: Backbone, file: WeightsFile, *, keep_head: bool
) -> dict[str, Any]:
    """Load a weights file into the network of a backbone; returns facts for its card."""
    read = file.read()
    tensors = architecture.convert_weights(read.tensors, backbone.module)
    read = replace(read, tensors=tensors)
    return weights.load_weights(backbone, read, str(file), keep_head=keep_head)
