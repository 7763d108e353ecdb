"""What a user calls a backbone -> a Backbone: the folder of one, a weights file beside its card, or
a call string.

In: text, or a Backbone. Out: a Backbone in evaluation mode, whose card says where its weights come
from. Knows nothing of data.
"""

from __future__ import annotations

import os
from pathlib import Path

from seedbed.base.errors import BadDataError, UsageError, nearest
from seedbed.base.paths import expand_user
from seedbed.base.spec import fingerprint
from seedbed.models import weights as files
from seedbed.models.backbone import Backbone
from seedbed.models.checkpoint import (
    CARD,
    WEIGHTS,
    file_fingerprint,
    load_backbone,
    read_card,
    weights_fingerprint,
)
from seedbed.models.zoo import BACKBONES, Architecture

DEFAULT_PX = 32  # at which a network of no size of its own is shown
# Networks that come with seedbed, by the name that opens them with their weights; the card says
# what they were trained on.
SHIPPED = {"small": Path(__file__).parent / "shipped" / "small"}


def open_backbone(
    backbone: Backbone | str | os.PathLike[str], seed: int = 0, images_px: int | None = None
) -> Backbone:
    """The backbone that a path or a call string names; published weights are looked for on this
    machine.

    Random weights are drawn from `seed`; a network without an input size of its own takes
    `images_px`, that of the images at hand.

    Raises UsageError for an unknown name, BadDataError for weights that are not there or do not
    fit.
    """
    if isinstance(backbone, Backbone):
        return backbone
    if not isinstance(backbone, str | os.PathLike):
        raise UsageError(
            f"{type(backbone).__name__} is no backbone",
            "Wrap a module of your own: sb.Backbone.wrap(module, size_px=32).",
        )
    text = os.fspath(backbone)
    if (shipped := shipped_folder(text)) is not None:
        return load_backbone(shipped)
    path = expand_user(text)
    if os.path.exists(path):  # unlike Path.exists, false for a text too long to be a path
        if path.name == WEIGHTS or path.is_dir() or (path.parent / CARD).is_file():
            return load_backbone(path)
        raise UsageError(
            f"{text} is a file of weights without a card, so which network it is of is not known",
            f"Name the network: vgg16(weights={text!r}), or timm('NAME', weights={text!r}).",
        )
    if "(" not in text and text not in BACKBONES.names():
        near = nearest(text, BACKBONES.names())
        raise BadDataError(
            f"there is no backbone {text}, neither as a folder nor by name",
            (f"Did you mean {near!r}? " if near else "")
            + f"Make one: seedbed pretrain STORE --backbone small --out DIR. By name: {', '.join(BACKBONES.names())}.",
        )
    return _build_weighted(BACKBONES.make(text), text, seed, images_px)


def shipped_folder(text: str) -> Path | None:
    """The folder of a network that comes with seedbed, where a text names one: a bare name, without
    settings."""
    folder = SHIPPED.get(text.strip().removesuffix("()"))
    return folder if folder is not None and not os.path.exists(expand_user(text)) else None


def backbone_folder(backbone: str | os.PathLike[str]) -> Path | None:
    """The folder that a path or a name opens; None for a call string."""
    text = os.fspath(backbone)
    path = shipped_folder(text) or expand_user(text)
    if not os.path.exists(path):
        return None
    return path if path.is_dir() else path.parent


def _build_weighted(
    architecture: Architecture, text: str, seed: int, images_px: int | None
) -> Backbone:
    """The network of a call with the weights that it names, published ones where it names none, and
    the head in their file."""
    published = architecture.published()
    path = files.resolve(architecture.weights, published, text)
    size_px = architecture.native_size_px() or images_px
    if size_px is None:
        raise UsageError(
            f"{text} does not say its input size",
            "Say it, size_px=32 for instance, or name a store of that size.",
        )
    known = published.classes if published else ()
    if path is None:
        classes = known or tuple(map(str, range(1000)))
        made = architecture.build(classes, size_px, seed)
        made.card = {
            "weights": f"random, seed {seed}",
            "batch_norm": "initial statistics",
            "images_seen": 0,
        }
    else:
        made = architecture.build(("0", "1"), size_px)
        tensors = files.read_weights(path)
        files.load_weights(made, tensors, str(path), keep_head=True)
        num = len(made.module.get_parameter(f"{made.heads[0]}.weight"))
        made.classes = known if num == len(known) else tuple(map(str, range(num)))
        licence = (
            published.licence
            if published and architecture.weights in (None, "cached", "download")
            else "your file"
        )
        made.card = {
            "weights": str(path),
            "weights_sha256": file_fingerprint(path),
            "licence": licence,
            "images_seen": None,
        }
    made.module.eval()
    return made


def backbone_fingerprint(backbone: str | os.PathLike[str]) -> str:
    """What identifies the weights that a path or a call string names, for keys."""
    folder = backbone_folder(backbone)
    if folder is not None:
        card = read_card(folder)
        told = [card.get(key) for key in ("architecture", "size_px", "preprocessing", "classes")]
        return fingerprint([weights_fingerprint(folder), told])
    architecture = BACKBONES.make(os.fspath(backbone))
    found = files.resolve(architecture.weights, architecture.published(), os.fspath(backbone))
    return file_fingerprint(found) if found else f"random {os.fspath(backbone)}"
