"""Derived splits: the validation split, or 20 % of each class by content, serves as test."""

from __future__ import annotations

import numpy as np
import pytest

from seedbed.data.source import TEST, TRAIN, VAL
from seedbed.data.splits import hold_out, resolve


def _random_contents(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2**63, count, dtype=np.uint64)


@pytest.mark.parametrize(
    ("size", "held"),
    [(2, 1), (3, 1), (5, 1), (7, 1), (8, 2), (10, 2), (12, 2), (13, 3), (100, 20), (103, 21)],
)
def test_a_fifth_of_each_class_is_held_out(size: int, held: int) -> None:
    labels = np.repeat([0, 1], [size, 50])
    chosen = hold_out(labels, _random_contents(len(labels)), 2, "test")
    assert (chosen[labels == 0].sum(), chosen[labels == 1].sum()) == (held, 10)


@pytest.mark.parametrize("size", range(1, 12))
def test_at_least_one_image_remains(size: int) -> None:
    assert not hold_out(np.zeros(size, np.int32), _random_contents(size), 1, "test").all()


def test_the_choice_does_not_depend_on_order() -> None:
    labels, contents = np.repeat(np.arange(5), 21), _random_contents(105)
    order = np.random.default_rng(1).permutation(105)
    assert (
        hold_out(labels, contents, 5, "test")[order]
        == hold_out(labels[order], contents[order], 5, "test")
    ).all()


def test_the_split_of_a_class_does_not_depend_on_other_classes() -> None:
    contents = _random_contents(60)
    alone = hold_out(np.zeros(30, np.int32), contents[:30], 1, "test")
    with_others = hold_out(np.repeat([1, 0], 30), contents, 2, "test")
    assert (with_others[:30] == alone).all()


def test_two_purposes_choose_differently() -> None:
    labels, contents = np.zeros(500, np.int32), _random_contents(500)
    test, val = (hold_out(labels, contents, 1, purpose) for purpose in ("test", "val"))
    assert 5 < (test & val).sum() < 40  # 20 expected


@pytest.mark.parametrize("copies", [2, 3, 7])
def test_equal_contents_of_a_class_fall_on_one_side(copies: int) -> None:
    for seed in range(20):
        contents = np.repeat(_random_contents(6, seed), copies)
        chosen = hold_out(np.zeros(len(contents), np.int32), contents, 1, "test").reshape(6, copies)
        assert (chosen.all(axis=1) | ~chosen.any(axis=1)).all()
        assert 0 < chosen.sum() < chosen.size


def test_equal_images_of_a_class_are_not_divided() -> None:
    chosen = hold_out(np.zeros(4, np.int32), np.full(4, 9, np.uint64), 1, "test")
    assert not chosen.any()


def test_existing_splits_are_not_changed() -> None:
    splits = np.array([TRAIN, TRAIN, VAL, TEST], np.uint8)
    used, derived = resolve(splits, np.zeros(4, np.int32), _random_contents(4), 1)
    assert used.tolist() == splits.tolist()
    assert derived == {}


def test_validation_without_test_serves_as_test() -> None:
    splits = np.array([TRAIN, TRAIN, VAL, TRAIN], np.uint8)
    used, derived = resolve(splits, np.zeros(4, np.int32), _random_contents(4), 1)
    assert used.tolist() == [TRAIN, TRAIN, TEST, TRAIN]
    assert "validation" in derived["test"]
    assert splits.tolist() == [TRAIN, TRAIN, VAL, TRAIN]


@pytest.mark.parametrize("only", [TRAIN, VAL, TEST])
def test_a_single_split_of_any_name_is_divided(only: int) -> None:
    labels = np.repeat([0, 1], 10)
    used, derived = resolve(np.full(20, only, np.uint8), labels, _random_contents(20), 2)
    assert np.bincount(used, minlength=3).tolist() == [16, 0, 4]
    assert "20%" in derived["test"]


def test_a_class_without_images_is_accepted() -> None:
    assert hold_out(np.array([0, 0, 2, 2], np.int32), _random_contents(4), 3, "test").sum() == 2
