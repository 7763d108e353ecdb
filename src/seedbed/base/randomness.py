"""Seeded randomness without a global generator: named streams, and draws keyed by item.

In: a root seed, a purpose, hashes of items. Out: seeds of named streams, and 64-bit ranks. The rank
of an item depends only on its own hash, the seed and the purpose, not on its position or on other
items. Therefore a smaller draw is a subset of a larger one, draws are paired across arms, and the
order of the items does not matter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)


def content_hash(data: bytes | memoryview) -> int:
    """64-bit BLAKE2b hash of bytes, the same on all machines and versions."""
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")


def item_hashes(ids: Iterable[str]) -> np.ndarray:
    """64-bit hash of each id: uint64 [n]."""
    return np.fromiter((content_hash(i.encode()) for i in ids), dtype=np.uint64)


def mix(values: np.ndarray, key: int) -> np.ndarray:
    """Mix uint64 `values` with a key by the finaliser of splitmix64 (Steele, Lea, Flood 2014),
    which is a bijection for each key."""
    with np.errstate(over="ignore"):
        z = (values ^ np.uint64(key)) + _GOLDEN
        z = (z ^ (z >> np.uint64(30))) * _MIX1
        z = (z ^ (z >> np.uint64(27))) * _MIX2
        return z ^ (z >> np.uint64(31))


def stream(seed: int, *names: str | int) -> int:
    """Seed of a named stream, a 63-bit integer: `stream(0, "init/body", "stem.weight")`."""
    return content_hash("\x1f".join(map(str, (int(seed), *names))).encode()) >> 1


@dataclass(frozen=True, kw_only=True)
class Draw:
    """A random draw, given by a seed and a purpose: items are ranked by their hashes, and those of
    the lowest ranks are drawn."""

    seed: int
    purpose: str

    def child(self, name: str) -> Draw:
        """The same seed for a narrower purpose."""
        return Draw(seed=self.seed, purpose=f"{self.purpose}/{name}")

    def ranks(self, hashes: np.ndarray) -> np.ndarray:
        """Rank of each item, from the hashes of the items: uint64 [n]."""
        return mix(hashes, stream(self.seed, self.purpose))
