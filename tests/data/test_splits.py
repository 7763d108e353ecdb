"""What serves as test: as found where it is found, else 20 % of each class by content."""

from __future__ import annotations

import numpy as np
import pytest

from seedbed.data.source import TEST, TRAIN, VAL
from seedbed.data.splits import hold_out, resolve


def _contents(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2**63, count, dtype=np.uint64)


@pytest.mark.parametrize(
    ("size", "held"),
    [(2, 1), (3, 1), (5, 1), (7, 1), (8, 2), (10, 2), (12, 2), (13, 3), (100, 20), (103, 21)],
)
def test_a_fifth_of_each_class_is_held_out(size: int, held: int) -> None:
    labels = np.repeat([0, 1], [size, 50])
    chosen = hold_out(labels, _contents(len(labels)), 2, "test")
    assert (chosen[labels == 0].sum(), chosen[labels == 1].sum()) == (held, 10)


@pytest.mark.parametrize("size", range(1, 12))
def test_at_least_one_image_stays(size: int) -> None:
    assert not hold_out(np.zeros(size, np.int32), _contents(size), 1, "test").all()


def test_the_choice_does_not_depend_on_order() -> None:
    labels, contents = np.repeat(np.arange(5), 21), _contents(105)
    order = np.random.default_rng(1).permutation(105)
    assert (
        hold_out(labels, contents, 5, "test")[order]
        == hold_out(labels[order], contents[order], 5, "test")
    ).all()


def test_a_class_is_split_alike_whatever_the_others_are() -> None:
    contents = _contents(60)
    alone = hold_out(np.zeros(30, np.int32), contents[:30], 1, "test")
    beside = hold_out(np.repeat([1, 0], 30), contents, 2, "test")
    assert (beside[:30] == alone).all()


def test_two_purposes_choose_differently() -> None:
    labels, contents = np.zeros(500, np.int32), _contents(500)
    test, val = (hold_out(labels, contents, 1, purpose) for purpose in ("test", "val"))
    assert 5 < (test & val).sum() < 40  # 20 expected


@pytest.mark.parametrize("copies", [2, 3, 7])
def test_equal_contents_of_a_class_fall_on_one_side(copies: int) -> None:
    for seed in range(20):
        contents = np.repeat(_contents(6, seed), copies)
        chosen = hold_out(np.zeros(len(contents), np.int32), contents, 1, "test").reshape(6, copies)
        assert (chosen.all(axis=1) | ~chosen.any(axis=1)).all()
        assert 0 < chosen.sum() < chosen.size


def test_a_class_of_equal_images_keeps_them_together() -> None:
    chosen = hold_out(np.zeros(4, np.int32), np.full(4, 9, np.uint64), 1, "test")
    assert not chosen.any()


def test_splits_as_found_are_kept() -> None:
    found = np.array([TRAIN, TRAIN, VAL, TEST], np.uint8)
    used, derived = resolve(found, np.zeros(4, np.int32), _contents(4), 1)
    assert used.tolist() == found.tolist()
    assert derived == {}


def test_a_lone_val_serves_as_test_and_this_is_said() -> None:
    found = np.array([TRAIN, TRAIN, VAL, TRAIN], np.uint8)
    used, derived = resolve(found, np.zeros(4, np.int32), _contents(4), 1)
    assert used.tolist() == [TRAIN, TRAIN, TEST, TRAIN]
    assert "validation" in derived["test"]
    assert found.tolist() == [TRAIN, TRAIN, VAL, TRAIN]


@pytest.mark.parametrize("only", [TRAIN, VAL, TEST])
def test_a_lone_split_of_any_name_is_divided(only: int) -> None:
    labels = np.repeat([0, 1], 10)
    used, derived = resolve(np.full(20, only, np.uint8), labels, _contents(20), 2)
    assert np.bincount(used, minlength=3).tolist() == [16, 0, 4]
    assert "20%" in derived["test"]


def test_a_class_without_images_is_no_trouble() -> None:
    assert hold_out(np.array([0, 0, 2, 2], np.int32), _contents(4), 3, "test").sum() == 2
