"""The preprocessing of a network's input: size, crop, interpolation, mean, standard deviation.

Out: one frozen record that a backbone carries and a loader applies.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from seedbed.data.decode import Fit

Channels = tuple[float, float, float]
Interpolation = Literal["bilinear", "bicubic"]


def interpolation_of(fit: str) -> Interpolation:
    """The interpolation of a rule by which images became squares (`decode.Fit`)."""
    return "bicubic" if fit.endswith("_bicubic") else "bilinear"


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """The input is the centre `size_px` x `size_px` of an image whose shorter side is `store_px`,
    then (pixel - mean) / std.

    Mean and std are per channel, for pixel values 0..255. The defaults are constants (0..255
    becomes about -2..2), so that no network depends on the statistics of its training images.
    """

    size_px: int
    crop: float = 1.0  # share of the shorter side that the input shows, in (0, 1]
    mean: Channels = (127.5, 127.5, 127.5)
    std: Channels = (64.0, 64.0, 64.0)
    # How images are resized. Not in the repr, by which modules of users have been identified.
    interpolation: Interpolation = field(default="bilinear", repr=False)

    @staticmethod
    def from_unit_range(
        size_px: int,
        crop: float,
        mean: Channels,
        std: Channels,
        interpolation: Interpolation = "bilinear",
    ) -> Preprocessing:
        """Make one from mean and std of pixel values 0..1, as papers and libraries give them."""
        red, green, blue = (255.0 * m for m in mean)
        scale = [255.0 * s for s in std]
        return Preprocessing(
            size_px=size_px,
            crop=crop,
            mean=(red, green, blue),
            std=(scale[0], scale[1], scale[2]),
            interpolation=interpolation,
        )

    @staticmethod
    def from_dict(record: Mapping[str, Any]) -> Preprocessing:
        """Make one from its fields as JSON has them."""
        fields: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in record.items()
        }
        return Preprocessing(**fields)

    def to_dict(self) -> dict[str, Any]:
        """Its fields as JSON; without the interpolation where that is bilinear, as in cards that
        were written before there was another."""
        record = dataclasses.asdict(self)
        if self.interpolation == "bilinear":
            del record["interpolation"]
        return record

    @property
    def fit(self) -> Fit:
        """How images that are packed for this input become squares."""
        return "crop" if self.interpolation == "bilinear" else "crop_bicubic"

    @property
    def store_px(self) -> int:
        """Size at which images are packed for this input."""
        return round(self.size_px / self.crop)

    @property
    def is_grey(self) -> bool:
        """Whether all channels have one mean and one standard deviation."""
        return len(set(self.mean)) == 1 and len(set(self.std)) == 1
