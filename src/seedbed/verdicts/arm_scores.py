"""One arm's values over seeds, and their dependence on the test images.

In: numbers of one arm on one target. Out: validated `ArmScores`, and bootstrap means over test
images.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# The standard error of a bootstrap variance is then 7 %.
NUM_RESAMPLES = 400
# draws per valid resample, at most
_MAX_DRAWS = 20


@dataclass(frozen=True, kw_only=True, eq=False)
class ArmScores:
    """One arm's results on one target.

    Args:
        arm: name.
        values: [S] one value per seed, in the metric's unit.
        per_image: [S, N] contribution of each test image, whose mean over images is `values` (0 or
            100 for top-1); images in the same order for every arm. None if the metric is not a mean
            over images.
        checkpoint: whether the arm is one existing checkpoint, whose seeds vary the method only.
        statistic: for a metric that is not a mean over images: a function from the rows [N] of
            resampled images to the values [S].
        num_images: N, required with `statistic`.
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
                f"arm {self.arm!r}: values must be finite, one per seed, at least one; got "
                f"{values}. Leave out arms without a result"
            )
        if self.per_image is not None:
            object.__setattr__(self, "per_image", np.asarray(self.per_image, dtype=np.float64))
            self._check_per_image()
        if self.statistic is not None and (self.num_images or 0) < 2:
            raise ValueError(f"arm {self.arm!r}: `statistic` requires `num_images` of 2 or more")

    def _check_per_image(self) -> None:
        assert self.per_image is not None
        shape = self.per_image.shape
        if len(shape) != 2 or shape[0] != self.num_seeds or shape[1] < 2:
            raise ValueError(
                f"arm {self.arm!r}: per_image must have shape ({self.num_seeds}, number of test "
                f"images >= 2), got {shape}"
            )
        means = self.per_image.mean(1)
        tolerance = 1e-6 * max(1.0, float(np.abs(self.per_image).max()))
        if not (np.abs(means - self.values) <= tolerance).all():
            raise ValueError(
                f"arm {self.arm!r}: the means of per_image are {means}, but values are "
                f"{self.values}; both must be in the metric's unit"
            )

    def negated(self) -> ArmScores:
        """The scores with the opposite sign, for a metric where lower is better."""
        statistic = self.statistic
        return replace(
            self,
            values=-self.values,
            per_image=None if self.per_image is None else -self.per_image,
            statistic=statistic and (lambda rows: -statistic(rows)),
        )

    @property
    def num_seeds(self) -> int:
        return len(self.values)

    @property
    def images(self) -> tuple[str, int]:
        """How test images can be resampled, and their number."""
        if self.per_image is not None:
            return "per_image", self.per_image.shape[1]
        return ("statistic", self.num_images or 0) if self.statistic else ("none", 0)

    def bootstrap_means(self) -> Floats:
        """Means over seeds [NUM_RESAMPLES], on the same resamples of the images for every arm.

        A resample without positives has no finite value for any arm, and is drawn again.
        """
        assert self.statistic is not None and self.num_images is not None
        generator = np.random.default_rng(0)
        means: list[float] = []
        for _ in range(_MAX_DRAWS * NUM_RESAMPLES):
            rows = generator.integers(self.num_images, size=self.num_images)
            value = float(np.mean(self.statistic(rows)))
            if math.isfinite(value):
                means.append(value)
            if len(means) == NUM_RESAMPLES:
                return np.array(means, dtype=np.float64)
        raise ValueError(
            f"arm {self.arm!r}: the metric is not finite on most resamples of its "
            f"{self.num_images} test images"
        )
