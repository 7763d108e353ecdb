"""Draws keyed by item: mixing is a bijection, streams differ, ranks do not depend on positions or
other items."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from seedbed.base.randomness import Draw, content_hash, item_hashes, mix, stream

IDS = [f"cats/{i}.jpg" for i in range(1000)]


@pytest.mark.parametrize("key", [0, 1, 2**63 - 1, stream(0, "sample")])
def test_mix_gives_distinct_values_for_distinct_inputs(key: int) -> None:
    values = np.concatenate(
        [
            np.arange(100_000, dtype=np.uint64),
            np.uint64(2**64 - 1) - np.arange(100_000, dtype=np.uint64),
        ]
    )
    assert len(np.unique(mix(values, key))) == len(values)


def test_mix_is_undone_by_its_inverse() -> None:
    def unshift(z: int, by: int) -> int:
        result = z
        for _ in range(64 // by):
            result = z ^ (result >> by)
        return result

    mask, key = 2**64 - 1, stream(3, "x")
    for value in [0, 1, 2**64 - 1, 0x0123456789ABCDEF]:
        z = unshift(int(mix(np.array([value], np.uint64), key)[0]), 31)
        z = unshift(z * pow(0x94D049BB133111EB, -1, 2**64) & mask, 27)
        z = unshift(z * pow(0xBF58476D1CE4E5B9, -1, 2**64) & mask, 30)
        assert ((z - 0x9E3779B97F4A7C15) & mask) ^ key == value


def test_mix_spreads_every_bit() -> None:
    ones = np.unpackbits(
        mix(np.arange(10_000, dtype=np.uint64), 5)[:, None].view(np.uint8), axis=1
    ).mean(axis=0)
    assert np.abs(ones - 0.5).max() < 0.03


def test_mix_does_not_change_its_input() -> None:
    values = np.arange(5, dtype=np.uint64)
    mix(values, 9)
    assert values.tolist() == [0, 1, 2, 3, 4]


def test_hashes_are_the_same_on_every_machine() -> None:
    assert content_hash(b"") == content_hash(memoryview(b"")) == 0xB4B2797457A0A6E4
    hashes = item_hashes(["cats/1.jpg", ""])
    assert hashes.dtype == np.uint64
    assert hashes.tolist() == [0xBA360FC8CE306C3D, 0xB4B2797457A0A6E4]


def test_streams_differ_by_seed_name_and_grouping() -> None:
    seeds = [
        stream(seed, *names)
        for seed in range(50)
        for names in [
            ("sample",),
            ("target",),
            ("init/body",),
            ("init/head",),
            ("order",),
            ("order", 1),
            ("order", 11),
            ("a", "b"),
            ("ab",),
        ]
    ]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= s < 2**63 for s in seeds)


def test_ranks_do_not_depend_on_order_or_other_items() -> None:
    draw = Draw(seed=7, purpose="sample")
    together = dict(zip(IDS, draw.ranks(item_hashes(IDS)), strict=True))
    backwards = dict(zip(IDS[::-1], draw.ranks(item_hashes(IDS[::-1])), strict=True))
    alone = {i: draw.ranks(item_hashes([i]))[0] for i in IDS[::100]}
    assert backwards == together
    assert all(together[i] == rank for i, rank in alone.items())


def test_draws_of_other_seeds_and_purposes_are_unrelated() -> None:
    draws = [Draw(seed=s, purpose=p) for s in (0, 1) for p in ("sample", "target")] + [
        Draw(seed=0, purpose="sample").child("x")
    ]
    lowest = [set(np.argsort(d.ranks(item_hashes(IDS)))[:500].tolist()) for d in draws]
    for a, b in itertools.combinations(lowest, 2):
        assert 200 < len(a & b) < 300  # 250 expected, standard deviation 8


def test_a_child_is_the_same_seed_for_a_narrower_purpose() -> None:
    assert Draw(seed=3, purpose="sample").child("images") == Draw(seed=3, purpose="sample/images")
