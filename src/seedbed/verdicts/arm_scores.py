"""What the verdict reads of one arm: its values over seeds, and how they hang on the test images.

In: numbers of one arm on one target. Out: `ArmScores`, checked, and bootstrap means over test
images. Knows nothing of other arms, nor of how a value came about.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_MOST_DRAWS = 20  # times as many as are wanted
NUM_RESAMPLES = 400  # a bootstrap variance then has a standard error of 7 %


@dataclass(frozen=True, kw_only=True, eq=False)
class ArmScores:
    """One arm's results on one target.

    Args:
        arm: name.
        values: [S] one value a seed, in the metric's unit.
        per_image: [S, N] each test image's contribution, with mean over images `values` (0 or 100
            for top-1); images in the same order for every arm. None if the metric is no mean over
            images.
        checkpoint: whether the arm is one existing checkpoint, whose seeds are those of the method
            alone.
        statistic: for such a metric, the values [S] on a resample, given the rows [N] of the images
            drawn.
        num_images: N, needed with `statistic`.
    """

    arm: str
    values: Floats
    per_image: Floats | None = None
    checkpoint: bool = False
    statistic: Callable[[NDArray[np.intp]], Floats] | None = None
    num_images: int | None = None

    def __post_init__(self) -> None:
        values = np.asarray(self.values, dtype=np.float64)
        object.__setattr__(self, "values", values)
        if values.ndim != 1 or not values.size or not np.isfinite(values).all():
            raise ValueError(
                f"arm {self.arm!r}: values must be finite, one a seed, at least one; got {values}. Leave out arms without a result"
            )
        if self.per_image is not None:
            object.__setattr__(self, "per_image", np.asarray(self.per_image, dtype=np.float64))
            self._check_per_image()
        if self.statistic is not None and (self.num_images or 0) < 2:
            raise ValueError(f"arm {self.arm!r}: `statistic` needs `num_images`, 2 or more")

    def _check_per_image(self) -> None:
        assert self.per_image is not None
        shape = self.per_image.shape
        if len(shape) != 2 or shape[0] != self.num_seeds or shape[1] < 2:
            raise ValueError(
                f"arm {self.arm!r}: per_image has shape {shape}; expected ({self.num_seeds}, number of test images >= 2)"
            )
        means = self.per_image.mean(1)
        tolerance = 1e-6 * max(1.0, float(np.abs(self.per_image).max()))
        if not (np.abs(means - self.values) <= tolerance).all():
            raise ValueError(
                f"arm {self.arm!r}: the means of per_image are {means}, values are {self.values}; both must be in the metric's unit"
            )

    def turned(self) -> ArmScores:
        """The same of the opposite sign: of an error, for which higher is worse."""
        flipped = None if self.per_image is None else -self.per_image
        own = self.statistic
        return replace(
            self,
            values=-self.values,
            per_image=flipped,
            statistic=own and (lambda drawn: -own(drawn)),
        )

    @property
    def num_seeds(self) -> int:
        return len(self.values)

    @property
    def images(self) -> tuple[str, int]:
        """How the test images can be looked at, and how many there are."""
        if self.per_image is not None:
            return "per_image", self.per_image.shape[1]
        return ("statistic", self.num_images or 0) if self.statistic else ("none", 0)

    def bootstrap_means(self) -> Floats:
        """[NUM_RESAMPLES] means over seeds, on the same resamples of the images for every arm; one
        that holds nothing to be found, which is so for every arm alike, is drawn anew."""
        assert self.statistic is not None and self.num_images is not None
        generator = np.random.default_rng(0)
        means: list[float] = []
        for _ in range(_MOST_DRAWS * NUM_RESAMPLES):
            value = float(
                np.mean(self.statistic(generator.integers(self.num_images, size=self.num_images)))
            )
            if math.isfinite(value):
                means.append(value)
            if len(means) == NUM_RESAMPLES:
                return np.array(means, dtype=np.float64)
        raise ValueError(
            f"arm {self.arm!r}: the metric is not finite on most resamples of its {self.num_images} images"
        )
