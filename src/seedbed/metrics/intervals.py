"""Confidence intervals of metrics that are shares.

In: a share in percent and the number of test images. Out: an interval in percent.
"""

from __future__ import annotations


def share_interval(percent: float, num: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's (1927) confidence interval of a share measured on `num` images: low, high in
    percent, at the 95 % level by default."""
    share, spread = percent / 100, z * z / num
    centre = (share + spread / 2) / (1 + spread)
    half = (spread * share * (1 - share) + spread * spread / 4) ** 0.5 / (1 + spread)
    return 100 * max(0.0, centre - half), 100 * min(1.0, centre + half)
