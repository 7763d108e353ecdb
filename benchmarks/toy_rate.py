"""Print how many drawn images per second one core makes, at 16, 32 and 64 px: `python benchmarks/toy_rate.py`."""

from __future__ import annotations

import statistics
import time

import numpy as np

from seedbed.data.drawing import TREE, render

NUM_IMAGES = 4096
NUM_REPEATS = 5


def images_per_second(size_px: int) -> list[float]:
    """One rate per repeat, after a first run that fills the caches."""
    classes = np.arange(NUM_IMAGES) % len(TREE)
    rates: list[float] = []
    for repeat in range(NUM_REPEATS + 1):
        seeds = np.arange(NUM_IMAGES, dtype=np.uint64) + np.uint64(repeat * NUM_IMAGES)
        start_s = time.perf_counter()
        render(classes, seeds, size_px)
        rates.append(NUM_IMAGES / (time.perf_counter() - start_s))
    return rates[1:]


def main() -> None:
    """Print a line per size."""
    for size_px in (16, 32, 64):
        rates = images_per_second(size_px)
        middle = statistics.median(rates)
        print(f"{size_px} px: median {middle:,.0f} images/s ({min(rates):,.0f} to {max(rates):,.0f}, n={len(rates)})")


if __name__ == "__main__":
    main()
