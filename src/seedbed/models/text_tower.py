"""Which backbones have a text tower, and its opening.

In: a backbone whose weights file holds a text tower too. Out: the tower.
"""

from __future__ import annotations

from typing import Any

from seedbed.base.errors import UsageError
from seedbed.models.backbone import Backbone
from seedbed.models.text_embeddings import TextTower
from seedbed.models.weights_file import WeightsFile
from seedbed.models.zoo import BACKBONES

_RANDOM = "random, seed "


def has_text_tower(backbone: Backbone) -> bool:
    """Whether a backbone's architecture has a text tower, and its weights file is known."""
    weights = str(backbone.card.get("weights") or "")
    if not backbone.architecture.startswith("open_clip("):
        return False
    return weights.startswith(_RANDOM) or WeightsFile.parse(weights) is not None


def text_tower(backbone: Backbone) -> TextTower:
    """The text tower of a backbone, with the weights of the same file.

    Raises UsageError for a backbone without one.
    """
    if not has_text_tower(backbone):
        raise UsageError(
            f"{backbone.architecture} has no text tower",
            "Name a CLIP-like network with the file of both towers: "
            "\"open_clip('ViT-B-32', weights='FILE')\".",
        )
    architecture: Any = BACKBONES.make(backbone.architecture)
    weights = str(backbone.card["weights"])
    if weights.startswith(_RANDOM):
        return architecture.text_tower(None, int(weights.removeprefix(_RANDOM)))
    return architecture.text_tower(WeightsFile.parse(weights))
