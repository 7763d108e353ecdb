"""Recipes against slow, obvious versions of themselves, on whatever hypothesis can think of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from reference import recipes as reference

from seedbed.base.errors import UsageError
from seedbed.base.randomness import Draw, item_hashes
from seedbed.data.recipes import RECIPES, TrainingRows
from seedbed.data.recipes.images import sainte_lague
from seedbed.data.sampling import lowest_ranked, share

SIZES = st.lists(st.integers(0, 60), min_size=1, max_size=12).filter(any)
DECIMALS = st.integers(1, 1000).map(lambda n: n / 1000)


def _rows(sizes: list[int]) -> TrainingRows:
    labels = np.repeat(np.arange(len(sizes)), sizes).astype(np.int32)
    hashes = item_hashes(f"{c}/{i}" for i, c in enumerate(labels))
    order = np.argsort(hashes)
    return TrainingRows(
        labels=labels[order],
        hashes=hashes[order],
        classes=tuple(f"c{i:02d}" for i in range(len(sizes))),
    )


def _select(text: str, rows: TrainingRows, seed: int = 0) -> np.ndarray:
    return RECIPES.make(text).select(rows, Draw(seed=seed, purpose="sample"))


@given(sizes=SIZES, data=st.data())
def test_total_keeps_exactly_that_many(sizes: list[int], data: st.DataObject) -> None:
    total = data.draw(st.integers(sum(s > 0 for s in sizes), sum(sizes)))
    assert _select(f"images(total={total})", _rows(sizes)).sum() == total


@given(sizes=SIZES, data=st.data())
@example(sizes=[7, 7, 7], data=None)
@example(sizes=[49, 21, 35], data=None)
def test_total_is_shared_out_by_sainte_lague(sizes: list[int], data: st.DataObject | None) -> None:
    totals = range(sum(s > 0 for s in sizes), sum(sizes) + 1)
    if data is not None:
        totals = [data.draw(st.sampled_from(list(totals)))]
    for total in totals:
        assert sainte_lague(np.array(sizes), total).tolist() == reference.sainte_lague(sizes, total)


def test_ties_go_to_the_lower_class_at_every_total() -> None:
    for sizes in (
        [49, 7],
        [7, 49],
        [30, 10, 6],
        [6, 10, 30],
        [1, 3, 9, 27],
        [27, 9, 3, 1],
        [50] * 7,
        [55, 33, 11, 5],
        [5, 11, 33, 55],
    ):
        for total in range(len(sizes), sum(sizes) + 1):
            assert sainte_lague(np.array(sizes), total).tolist() == reference.sainte_lague(
                sizes, total
            ), (sizes, total)


def test_sainte_lague_at_the_size_of_imagenet() -> None:
    sizes = np.random.default_rng(0).integers(732, 1301, 1000)
    for total in (1_000, 1_001, 50_000, 50_001, int(sizes.sum()) - 1, int(sizes.sum())):
        seats = sainte_lague(sizes, total)
        assert seats.sum() == total
        assert (seats >= 1).all()
        assert (seats <= sizes).all()
    assert sainte_lague(sizes, 20_000).tolist() == reference.sainte_lague(sizes.tolist(), 20_000)


@given(sizes=SIZES)
def test_a_larger_total_never_takes_an_image_away(sizes: list[int]) -> None:
    rows = _rows(sizes)
    before = np.zeros(len(rows.labels), bool)
    for total in range(sum(s > 0 for s in sizes), sum(sizes) + 1, 11):
        kept = _select(f"images(total={total})", rows)
        assert not (before & ~kept).any()
        before = kept


@given(sizes=SIZES, data=st.data())
def test_a_total_that_does_not_fit_is_refused(sizes: list[int], data: st.DataObject) -> None:
    wrong = data.draw(
        st.one_of(
            st.integers(sum(sizes) + 1, 10**6),
            st.integers(1, max(1, sum(s > 0 for s in sizes) - 1)),
        )
    )
    if sum(s > 0 for s in sizes) <= wrong <= sum(sizes):
        return
    with pytest.raises(UsageError, match=f"Give {sum(s > 0 for s in sizes)} to {sum(sizes)}"):
        _select(f"images(total={wrong})", _rows(sizes))


@given(sizes=st.lists(st.integers(1, 2000), min_size=1, max_size=6), fraction=DECIMALS)
def test_a_fraction_rounds_halves_up_and_keeps_one(sizes: list[int], fraction: float) -> None:
    assert share(np.array(sizes), fraction).tolist() == [
        reference.share(s, fraction) for s in sizes
    ]


def test_a_fraction_in_decimals_rounds_halves_up_at_common_class_sizes() -> None:
    sizes = [50, 100, 250, 450, 500, 600, 1000, 1300, 5000, 6000]
    wrong = {
        (n / 1000, s): (int(share(np.array([s]), n / 1000)[0]), reference.share(s, n / 1000))
        for n in range(1, 1001)
        for s in sizes
        if share(np.array([s]), n / 1000)[0] != reference.share(s, n / 1000)
    }
    assert wrong == {}


def test_an_empty_class_has_no_share() -> None:
    assert share(np.array([0, 1, 3]), 0.5).tolist() == [0, 1, 2]


@given(sizes=SIZES, a=DECIMALS, b=DECIMALS, seed=st.integers(0, 5))
def test_fractions_are_nested(sizes: list[int], a: float, b: float, seed: int) -> None:
    rows = _rows(sizes)
    small, large = (_select(f"images(fraction={f})", rows, seed) for f in sorted((a, b)))
    assert not (small & ~large).any()


@given(labels=st.lists(st.integers(0, 5), max_size=80), data=st.data())
def test_lowest_ranked_is_the_sort_of_each_class(labels: list[int], data: st.DataObject) -> None:
    ranks = data.draw(
        st.lists(st.integers(0, 2**64 - 1), min_size=len(labels), max_size=len(labels), unique=True)
    )
    quotas = data.draw(st.lists(st.integers(0, 30), min_size=6, max_size=6))
    fast = lowest_ranked(np.array(labels, np.int32), np.array(ranks, np.uint64), np.array(quotas))
    assert fast.tolist() == reference.lowest_ranked(labels, ranks, quotas)


def test_lowest_ranked_with_more_classes_than_16_bits_hold() -> None:
    labels = np.repeat(np.arange(40_000), 2).astype(np.int32)
    ranks = np.random.default_rng(0).permutation(80_000).astype(np.uint64)
    kept = lowest_ranked(labels, ranks, np.ones(40_000, np.int64))
    assert (np.flatnonzero(kept) == np.arange(0, 80_000, 2) + (ranks[1::2] < ranks[::2])).all()


NAMES = st.lists(st.text(min_size=1, max_size=6), min_size=3, max_size=20, unique=True)


def _kept(text: str, leaves: list[str], seed: int) -> set[str]:
    new = RECIPES.make(text).relabel(leaves, None, Draw(seed=seed, purpose="sample/classes"))
    assert set(new) == set(leaves)
    return {leaf for leaf, c in new.items() if c is not None}


@given(leaves=NAMES, seed=st.integers(0, 3), data=st.data())
def test_classes_are_nested_and_independent_of_order(
    leaves: list[str], seed: int, data: st.DataObject
) -> None:
    small = data.draw(st.integers(2, len(leaves) - 1))
    large = data.draw(st.integers(small, len(leaves)))
    kept = _kept(f"classes(num={small})", leaves, seed)
    assert len(kept) == small
    assert kept <= _kept(f"classes(num={large})", leaves, seed)
    assert kept == _kept(f"classes(num={small})", data.draw(st.permutations(leaves)), seed)


@given(leaves=NAMES, fraction=DECIMALS)
def test_a_fraction_of_the_classes_rounds_and_keeps_two(leaves: list[str], fraction: float) -> None:
    assert len(_kept(f"classes(fraction={fraction})", leaves, 0)) == max(
        2, reference.share(len(leaves), fraction)
    )


def test_classes_are_redrawn_with_each_seed() -> None:
    leaves = [f"c{i}" for i in range(30)]
    assert len({frozenset(_kept("classes(num=10)", leaves, seed)) for seed in range(8)}) == 8
