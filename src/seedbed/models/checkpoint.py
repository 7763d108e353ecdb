"""Save and load backbones: weights as safetensors and a card in JSON, never a pickle.

In: a Backbone, or its folder. Out: the folder, or the Backbone. The card says how the backbone was
made.

    <backbone>/  weights.safetensors
                 card.json
                 codes.safetensors    codes of some held-out images of the source, if it was
                                      pre-trained with seedbed
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from seedbed.base.artifacts import write_json
from seedbed.base.errors import BadDataError
from seedbed.base.spec import file_fingerprint
from seedbed.data.preprocessing import Preprocessing
from seedbed.models.backbone import CUSTOM_MODULE, Backbone
from seedbed.models.training_state import write_tensors
from seedbed.models.zoo import BACKBONES

WEIGHTS, CARD, CARD_CODES = "weights.safetensors", "card.json", "codes.safetensors"


def save_backbone(backbone: Backbone, folder: Path) -> None:
    """Write weights and card into an existing folder."""
    write_tensors(folder / WEIGHTS, backbone.module.state_dict())
    write_json(
        folder / CARD,
        {
            "architecture": backbone.architecture,
            "size_px": backbone.size_px,
            "preprocessing": backbone.preprocessing.to_dict(),
            "num_parameters": backbone.num_parameters,
            "classes": list(backbone.classes),
            "layers": [dataclasses.asdict(layer) for layer in backbone.layers],
            "penultimate": backbone.penultimate,
            **backbone.card,
        },
    )


def read_card(path: str | Path) -> dict[str, object]:
    """Read the card of the backbone in a folder; raises BadDataError if there is none."""
    card = Path(path) / CARD
    if not card.is_file():
        raise BadDataError(
            f"{path} is not a backbone: it has no {CARD}",
            "Make one: seedbed pretrain STORE --backbone small --out DIR.",
        )
    try:
        content = json.loads(card.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadDataError(f"{card} is damaged: {error}", "Train the backbone again.") from None
    if not isinstance(content, dict):
        raise BadDataError(f"{card} is damaged: it is no object", "Train the backbone again.")
    return content


def module_fingerprint(module: nn.Module) -> str:
    """First 20 hexadecimal digits of the SHA-256 of the names and values of a module's tensors."""
    digest = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        values = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}".encode())
        if values.numel():
            digest.update(values.view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:20]


def weights_fingerprint(path: str | Path) -> str:
    """First 20 hexadecimal digits of the SHA-256 of the weights file in a backbone's folder."""
    try:
        return file_fingerprint(Path(path) / WEIGHTS)
    except OSError as error:
        raise BadDataError(
            f"cannot read {WEIGHTS} in {path}: {error.strerror}", "Train the backbone again."
        ) from None


def load_backbone(path: str | Path, module: nn.Module | None = None) -> Backbone:
    """Load the backbone in a folder, in evaluation mode.

    A backbone of a user's module needs `module`, an instance of the same class. Raises BadDataError
    if the folder holds no backbone, or weights that do not fit its card.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    # A path to the weights file means its folder.
    path = Path(path).parent if Path(path).name == WEIGHTS else Path(path)
    card = read_card(path)
    if missing := {"architecture", "classes", "size_px"} - card.keys():
        raise BadDataError(
            f"{Path(path) / CARD} lacks {sorted(missing)}",
            "Name a folder that seedbed pretrain wrote.",
        )
    stored_classes: Any = card["classes"]
    try:
        classes, size_px = [str(c) for c in stored_classes], int(str(card["size_px"]))
        backbone = _build_from_card(card, classes, size_px, Path(path), module)
    except (TypeError, ValueError) as error:
        raise BadDataError(
            f"{Path(path) / CARD} is damaged: {error}", "Train the backbone again."
        ) from None
    try:
        backbone.module.load_state_dict(load_file(Path(path) / WEIGHTS))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise BadDataError(
            f"the weights in {path} cannot be used: {str(error).splitlines()[0]}",
            "Train the backbone again.",
        ) from None
    backbone.module.eval()
    backbone.card = card
    return backbone


def _build_from_card(
    card: dict[str, object], classes: list[str], size_px: int, path: Path, module: nn.Module | None
) -> Backbone:
    """Build the network that a card describes, with random weights."""
    settings = card.get("preprocessing")
    preprocessing = (
        Preprocessing.from_dict(settings)
        if isinstance(settings, dict)
        else Preprocessing(size_px=size_px)
    )
    if card["architecture"] != CUSTOM_MODULE:
        backbone = BACKBONES.make(str(card["architecture"]), str(path)).build(classes, size_px)
    elif module is not None:
        backbone = Backbone.wrap(module, size_px=size_px).with_new_head(classes, 0)
    else:
        raise BadDataError(
            f"{path} holds a module of your own ({card.get('name')}), which seedbed cannot build",
            "Give an instance of the same class: load_backbone(path, module=MyNet()).",
        )
    backbone.preprocessing = preprocessing
    return backbone
