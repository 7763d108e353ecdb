"""Base class of trained models: predict image files, move to a device, save.

`seedbed.readout.loading` loads models from their folders.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from seedbed.base.errors import BadDataError, UsageError
from seedbed.readout.prediction import ImageInput, ImageInputs, Prediction, image_inputs

OnProgress = Callable[[int, int], None]


class TrainedModel(ABC):
    """A network with its head: a classifier or a detector."""

    # Whether predictions contain boxes.
    finds_boxes: ClassVar[bool] = False

    classes: tuple[str, ...]
    card: dict[str, Any]

    def predict(
        self, images: ImageInputs, *, above: float = 0.5, on_progress: OnProgress | None = None
    ) -> list[Prediction]:
        """Predict images; one Prediction per image, in order.

        Args:
            images: image files, folders of them, Pillow images, arrays [h, w] or [h, w, 3], tensors
                [3, h, w], a batch [n, ...] of these, or several of all. uint8, or floats in 0..1.
            above: the least score to report, 0..1: of a box, or of a label of a multi-label model.

        Raises:
            UsageError: `above` out of range, no images named, an array of another kind.
            BadDataError: a missing path, a folder without images, no readable image.
        """
        if not 0 <= above <= 1:
            raise UsageError(f"above must lie in [0, 1], got {above}")
        files = image_inputs(images)
        if not files:
            raise UsageError("no images are named", "Give image files, or folders with images.")
        predictions = self._predict_files(files, above, on_progress)
        if all(p.error for p in predictions):
            first = predictions[0]
            raise BadDataError(
                f"none of the {len(predictions):,} images can be read: {first.path}: {first.error}",
                "Name image files.",
            )
        return predictions

    @abstractmethod
    def _predict_files(
        self, files: Sequence[ImageInput], above: float, on_progress: OnProgress | None
    ) -> list[Prediction]:
        """A prediction for each file, in order."""

    @abstractmethod
    def to(self, device: str) -> None:
        """Move the network to a device."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the model into an existing folder."""
