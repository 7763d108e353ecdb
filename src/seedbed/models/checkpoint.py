"""Saving and loading a backbone: safetensors beside a card, never a pickle.

In: a Backbone, or the folder of one. Out: the folder, or the Backbone. The card (card.json) says
how it was made.

    <backbone>/  weights.safetensors  card.json
                 codes.safetensors    of some of its source's held-out images, where it was
                 pre-trained here
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import torch
from torch import nn

from seedbed.base.artifacts import write_json
from seedbed.base.errors import BadDataError
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
            "preprocessing": dataclasses.asdict(backbone.preprocessing),
            "num_parameters": backbone.num_parameters,
            "classes": list(backbone.classes),
            "layers": [dataclasses.asdict(layer) for layer in backbone.layers],
            "penultimate": backbone.penultimate,
            **backbone.card,
        },
    )


def read_card(path: str | Path) -> dict[str, object]:
    """The card of the backbone in a folder; raises BadDataError when there is none."""
    card = Path(path) / CARD
    if not card.is_file():
        raise BadDataError(
            f"{path} is not a backbone: it has no {CARD}",
            "Make one: seedbed pretrain STORE --backbone small --out DIR.",
        )
    try:
        return json.loads(card.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadDataError(f"{card} is damaged: {error}", "Train the backbone again.") from None


def file_fingerprint(path: Path) -> str:
    """SHA-256 of a file, shortened to 20 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:20]


def module_fingerprint(module: nn.Module) -> str:
    """SHA-256 of the names and values of a module's tensors, shortened to 20 hexadecimal digits."""
    found = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        values = tensor.detach().cpu().contiguous()
        found.update(f"{name} {values.dtype} {tuple(values.shape)}".encode())
        found.update(values.view(-1).view(torch.uint8).numpy().tobytes() if values.numel() else b"")
    return found.hexdigest()[:20]


def weights_fingerprint(path: str | Path) -> str:
    """SHA-256 of the weights file in a backbone's folder, shortened to 20 hexadecimal digits."""
    try:
        return file_fingerprint(Path(path) / WEIGHTS)
    except OSError as error:
        raise BadDataError(
            f"{path} has no {WEIGHTS} that can be read: {error.strerror}", "Train it again."
        ) from None


def load_backbone(path: str | Path, module: nn.Module | None = None) -> Backbone:
    """The backbone that was saved in a folder, in evaluation mode; one of your own module needs a
    `module` of the same kind.

    Raises BadDataError when the folder holds no backbone, or weights that do not fit its card.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    # a weights file stands beside its card
    path = Path(path).parent if Path(path).name == WEIGHTS else Path(path)
    card = read_card(path)
    if missing := {"architecture", "classes", "size_px"} - card.keys():
        raise BadDataError(
            f"{Path(path) / CARD} lacks {sorted(missing)}",
            "Name a folder that seedbed pretrain wrote.",
        )
    classes, size_px = [str(c) for c in card["classes"]], int(str(card["size_px"]))  # pyright: ignore[reportGeneralTypeIssues]
    backbone = _unweighted(card, classes, size_px, Path(path), module)
    try:
        backbone.module.load_state_dict(load_file(Path(path) / WEIGHTS))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise BadDataError(
            f"the weights in {path} cannot be used: {str(error).splitlines()[0]}", "Train it again."
        ) from None
    backbone.module.eval()
    backbone.card = card
    return backbone


def _unweighted(
    card: dict[str, object], classes: list[str], size_px: int, path: Path, module: nn.Module | None
) -> Backbone:
    """The network of a card before its weights are read."""
    settings = card.get("preprocessing")
    preprocessing = (
        Preprocessing.read(settings)
        if isinstance(settings, dict)
        else Preprocessing(size_px=size_px)
    )
    if card["architecture"] != CUSTOM_MODULE:
        made = BACKBONES.make(str(card["architecture"]), str(path)).build(classes, size_px)
    elif module is not None:
        made = Backbone.wrap(module, size_px=size_px).with_new_head(classes, 0)
    else:
        raise BadDataError(
            f"{path} holds a module of your own ({card.get('name')}), which no name builds again",
            "Give it one of the same kind: load_backbone(path, module=MyNet()).",
        )
    made.preprocessing = preprocessing
    return made
