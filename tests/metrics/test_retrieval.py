"""Retrieval by hand, and against slow twins on whatever hypothesis can think of."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import retrieval as reference

from seedbed.metrics.retrieval import (
    GROUP,
    group_hits,
    recall_at,
    relevant_ranks,
    trapezoid_ap,
    trapezoid_aps,
)


def _ap(ranked: list[int], positives: set[int], junk: set[int] = frozenset()) -> float:  # pyright: ignore[reportArgumentType]
    return trapezoid_ap(relevant_ranks(ranked, positives, junk), len(positives))


# By hand ------------------------------------------------------------------------------------------
# ---------------------------------


def test_right_wrong_right_of_two() -> None:
    # First image: from precision 1 to 1, mean 1. Third image: from 1/2 (one right of the two
    # before) to 2/3, mean 7/12.
    assert trapezoid_ap(np.array([0, 2]), 2) == pytest.approx(100 * (1 + 7 / 12) / 2)


def test_the_first_right_image_after_a_wrong_one_rises_from_zero() -> None:
    # Nothing right before it: from 0 to 1/2, mean 1/4.
    assert trapezoid_ap(np.array([1]), 1) == pytest.approx(25.0)


def test_what_is_not_in_the_ranking_counts_as_zero() -> None:
    # One of four positives, at the top: a strip of 1/4 under precision 1.
    assert trapezoid_ap(np.array([0]), 4) == pytest.approx(25.0)
    assert trapezoid_ap(np.zeros(0, int), 4) == 0.0


def test_the_ends_of_average_precision() -> None:
    assert trapezoid_ap(np.arange(5), 5) == 100.0
    assert math.isnan(trapezoid_ap(np.zeros(0, int), 0))


def test_the_order_in_which_places_are_given_does_not_matter() -> None:
    assert trapezoid_ap(np.array([7, 0, 3]), 3) == trapezoid_ap(np.array([0, 3, 7]), 3)


def test_junk_takes_no_place() -> None:
    # 8 and 9 are junk: what is left is right (1), wrong (5), right (2).
    ranked = [9, 1, 8, 5, 2]
    assert relevant_ranks(ranked, {1, 2}, {8, 9}).tolist() == [0, 2]
    assert _ap(ranked, {1, 2}, {8, 9}) == pytest.approx(100 * (1 + 7 / 12) / 2)
    assert relevant_ranks(ranked, {1, 2}).tolist() == [1, 4]


def test_a_query_is_struck_from_its_own_ranking() -> None:
    # Query 0 first, as it nearly always is, then right (1), wrong (7), right (2).
    ranked = [0, 1, 7, 2]
    assert relevant_ranks(ranked, {1, 2}, {0}).tolist() == [0, 2]
    # Left in, it would be a wrong image at the top.
    assert _ap(ranked, {1, 2}) < _ap(ranked, {1, 2}, {0})
    assert _ap(ranked, {1, 2}, {0}) == pytest.approx(reference.holidays_ap(ranked, 0, {1, 2}))


def test_an_image_that_stands_twice_counts_once_and_takes_one_place() -> None:
    assert relevant_ranks([4, 1, 1, 4, 2], {1, 2}).tolist() == [1, 2]
    assert relevant_ranks(["a", "b", "a"], {"a"}).tolist() == [0]


def test_places_of_nothing() -> None:
    assert (
        relevant_ranks([], {1}).tolist()
        == relevant_ranks([3, 4], {1}).tolist()
        == relevant_ranks([1], set()).tolist()
        == []
    )
    assert relevant_ranks([], {1}).dtype == np.int64


def test_ns_score_by_hand() -> None:
    groups, ranked = (
        np.array([0, 0, 0, 0, 1, 1, 1, 1]),
        np.array([[0, 1, 2, 3, 4], [4, 0, 5, 6, 7], [5, 0, 1, 2, 3], [0, 1, 2, 3, 6]]),
    )
    # The query itself counts: 4 of the first 4; then 3, the fourth at the fifth place does not
    # count; then itself alone; then none.
    assert group_hits(groups[ranked] == np.array([0, 1, 1, 1])[:, None]).tolist() == [4, 3, 1, 0]
    assert GROUP == 4


def test_recall_by_hand() -> None:
    groups, own = np.array([0, 1, 1, 2]), np.array([1, 2, 1])
    ranked = np.array([[0, 3, 2], [0, 1, 2], [2, 0, 3]])
    assert recall_at(groups[ranked] == own[:, None], 1).tolist() == [0.0, 0.0, 100.0]
    assert recall_at(groups[ranked] == own[:, None], 2).tolist() == [0.0, 0.0, 100.0]
    assert recall_at(groups[ranked] == own[:, None], 3).tolist() == [100.0, 0.0, 100.0]


# Against the twins --------------------------------------------------------------------------------
# ---------------------------------

IMAGES = range(14)


@st.composite
def rankings(draw: st.DrawFn) -> tuple[list[int], set[int], set[int]]:
    """A ranking of some or all images, and which of all are right, which junk."""
    kinds = draw(st.lists(st.sampled_from("++j---"), min_size=len(IMAGES), max_size=len(IMAGES)))
    ranked = draw(st.permutations(IMAGES))[: draw(st.integers(0, len(IMAGES)))]
    positives, junk = ({i for i, kind in enumerate(kinds) if kind == wanted} for wanted in "+j")
    return ranked, positives, junk


Ranking = tuple[list[int], set[int], set[int]]


@given(ranking=rankings())
def test_oxford_is_what_its_program_computes(ranking: Ranking) -> None:
    np.testing.assert_allclose(_ap(*ranking), reference.oxford_ap(*ranking), rtol=0, atol=1e-9)


@given(ranking=rankings(), query=st.sampled_from(IMAGES))
def test_holidays_is_its_twin(ranking: Ranking, query: int) -> None:
    ranked, positives = ranking[0], ranking[1] - {query}
    if positives:
        assert _ap(ranked, positives, {query}) == pytest.approx(
            reference.holidays_ap(ranked, query, positives), abs=1e-9
        )


@given(ranking=rankings(), data=st.data())
def test_junk_may_stand_anywhere(ranking: Ranking, data: st.DataObject) -> None:
    ranked, positives, junk = ranking
    moved = [image for image in ranked if image not in junk]
    for image in junk:
        moved.insert(data.draw(st.integers(0, len(moved))), image)
    assert (
        relevant_ranks(moved, positives, junk).tolist()
        == relevant_ranks(ranked, positives, junk).tolist()
    )


@given(ranking=rankings(), data=st.data())
def test_a_right_image_that_rises_never_lowers_the_average_precision(
    ranking: Ranking, data: st.DataObject
) -> None:
    ranked, positives, _ = ranking
    at = [
        i
        for i in range(1, len(ranked))
        if ranked[i] in positives and ranked[i - 1] not in positives
    ]
    if at:
        i = data.draw(st.sampled_from(at))
        risen = [*ranked[: i - 1], ranked[i], ranked[i - 1], *ranked[i + 1 :]]
        assert _ap(risen, positives) > _ap(ranked, positives)


@given(data=st.data(), num=st.integers(1, 6))
def test_groups_are_their_twins(data: st.DataObject, num: int) -> None:
    groups = data.draw(st.lists(st.integers(0, 3), min_size=8, max_size=8))
    ranked = data.draw(
        st.lists(st.permutations(range(8)).map(lambda images: images[:6]), min_size=1, max_size=6)
    )
    own = data.draw(st.lists(st.integers(0, 3), min_size=len(ranked), max_size=len(ranked)))
    right = np.array(groups)[np.array(ranked)] == np.array(own)[:, None]
    slow = [
        reference.group_hits(row, groups, mine, num) for row, mine in zip(ranked, own, strict=True)
    ]
    assert group_hits(right, num).tolist() == slow
    assert recall_at(right, num).tolist() == [
        reference.recall_at(row, groups, mine, num) for row, mine in zip(ranked, own, strict=True)
    ]
    assert group_hits(right).tolist() == [
        reference.group_hits(row, groups, mine, 4) for row, mine in zip(ranked, own, strict=True)
    ]


@given(
    st.lists(st.lists(st.sampled_from([-1, 0, 1]), min_size=7, max_size=7), min_size=1, max_size=5),
    st.integers(0, 3),
)
def test_many_rankings_at_once_are_each_by_itself(rows: list[list[int]], num_missed: int) -> None:
    relevant = np.array(rows, np.int8)
    num_positives = (relevant > 0).sum(1) + num_missed
    for found, row, num in zip(
        trapezoid_aps(relevant, num_positives), rows, num_positives, strict=True
    ):
        ranked, positives = (
            list(range(7)),
            {i for i, r in enumerate(row) if r > 0} | set(range(100, 100 + num_missed)),
        )
        if not num:
            assert np.isnan(found)
            continue
        expected = reference.oxford_ap(ranked, positives, {i for i, r in enumerate(row) if r < 0})
        assert found == pytest.approx(expected, abs=1e-9)
