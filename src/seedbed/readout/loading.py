"""Load a trained model of any kind from its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seedbed.models.checkpoint import read_card
from seedbed.readout.detector import KIND, load_detector
from seedbed.readout.model import MODEL_KEY, load_model
from seedbed.readout.trained_model import TrainedModel


def load_trained(folder: Path) -> TrainedModel:
    """Load the model in a folder; a plain backbone is a model with its last layer as the head.

    Raises BadDataError for a folder without a model, or with a damaged one.
    """
    card: dict[str, Any] = read_card(folder)
    if (card.get(MODEL_KEY) or {}).get("is") == KIND:
        return load_detector(folder, card)
    return load_model(folder)
