"""Slow, obvious versions of what the image and class recipes compute."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from fractions import Fraction


def sainte_lague(sizes: Sequence[int], total: int) -> list[int]:
    """Seats given one by one: one to each class that has an image, then each to the highest
    quotient; ties to the lower class.

    A class with s seats bids sizes / (2 s + 1) for its next one, and drops out when it has no image
    left.
    """
    seats = [min(1, size) for size in sizes]
    queue = [(-Fraction(size, 3), c) for c, size in enumerate(sizes) if size > 1]
    heapq.heapify(queue)
    for _ in range(total - sum(seats)):
        _, c = heapq.heappop(queue)
        seats[c] += 1
        if seats[c] < sizes[c]:
            heapq.heappush(queue, (-Fraction(sizes[c], 2 * seats[c] + 1), c))
    return seats


def share(size: int, fraction: float) -> int:
    """The share that the user wrote, in decimals, of one class: nearest, halves up, at least 1
    where there is any."""
    exact = size * Fraction(repr(fraction))
    return min(size, max(1, int(exact + Fraction(1, 2))))


def lowest_ranked(labels: Sequence[int], ranks: Sequence[int], quotas: Sequence[int]) -> list[bool]:
    """Sort each class by rank and take its first."""
    kept = [False] * len(labels)
    for c, quota in enumerate(quotas):
        members = sorted(
            (i for i, label in enumerate(labels) if label == c), key=lambda i: ranks[i]
        )
        for i in members[:quota]:
            kept[i] = True
    return kept
