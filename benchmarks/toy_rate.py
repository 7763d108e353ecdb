"""Measure how many images per second one core draws for toy(), at 16, 32 and 64 px.

Expected numbers: see docs/log.md. Command: python benchmarks/toy_rate.py
"""

from __future__ import annotations

import time

import measuring
import numpy as np

from seedbed.data.toy_drawing import TREE, render

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
    """A row for each size."""
    arguments = measuring.parser(__doc__).parse_args()
    arguments.threads = 1
    record = measuring.identity(arguments)
    measuring.confine(1)
    rates_by_size = {f"{size_px} px": images_per_second(size_px) for size_px in (16, 32, 64)}
    rows = [
        {"side": side, "images/s of one core": measuring.spread(rates, ",.0f")}
        for side, rates in rates_by_size.items()
    ]
    measuring.publish(arguments, record, rows, images_per_s=rates_by_size)


if __name__ == "__main__":
    main()
